import { BODY_SEND_MODE } from './codec.ts';

/** How the data plane hands over a body; decides what may be answered (ext-proc specification, 3.1). */
export type BodyMode = 'none' | 'streamed' | 'buffered' | 'buffered-partial' | 'full-duplex';

const MODES: { readonly [announced: number]: BodyMode } = {
  [BODY_SEND_MODE.NONE]: 'none',
  [BODY_SEND_MODE.STREAMED]: 'streamed',
  [BODY_SEND_MODE.BUFFERED]: 'buffered',
  [BODY_SEND_MODE.BUFFERED_PARTIAL]: 'buffered-partial',
  [BODY_SEND_MODE.FULL_DUPLEX_STREAMED]: 'full-duplex',
  [BODY_SEND_MODE.GRPC]: 'full-duplex',
};

/**
 * The mode of one direction: `override` unless `auto`, else what `protocol_config` says, else full duplex. The
 * data plane's GRPC mode is full duplex with one message per frame.
 */
export function bodyMode(override: BodyMode | 'auto', announced: number | undefined): BodyMode {
  if (override !== 'auto') return override;
  return MODES[announced ?? BODY_SEND_MODE.FULL_DUPLEX_STREAMED] ?? 'full-duplex';
}
