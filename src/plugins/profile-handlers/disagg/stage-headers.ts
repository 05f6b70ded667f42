import type { Headers } from '../../../framework/headers.ts';
import type { ProfileResult } from '../../../framework/profile-handler.ts';

const PREFILLER = 'x-prefiller-host-port';
const ENCODERS = 'x-encoder-hosts-ports';

/** Results of the stages that run elsewhere; undefined for a stage that does not run. */
export interface RemoteStages {
  readonly prefill: ProfileResult | undefined;
  readonly encode: ProfileResult | undefined;
}

/**
 * Tells the side car of the decode endpoint where the other stages run: the first prefill target, all encode targets.
 * A stage without target has no header, whatever a client sent.
 * llm-d-router: pkg/common/routing, pkg/epp/framework/plugins/scheduling/profilehandler/disagg
 */
export function writeStageHeaders(headers: Headers, { prefill, encode }: RemoteStages): void {
  const prefiller = prefill?.targets[0];
  if (prefiller === undefined) headers.remove(PREFILLER);
  else headers.set(PREFILLER, prefiller.hostPort);
  const encoders = encode?.targets ?? [];
  if (encoders.length === 0) headers.remove(ENCODERS);
  else headers.set(ENCODERS, encoders.map((encoder) => encoder.hostPort).join(','));
}
