import { isObject, type JsonObject } from './media.ts';

/** What a request says of keys and values that come from another server or go to one. */
export interface Transfer {
  /** The answer has to say where the keys and values of the prompt lie. */
  readonly isForRemoteDecode: boolean;
  /** KV-cache blocks that another server holds for this prompt; 0: none. */
  readonly remoteBlocks: number;
  /** SGLang's name of the meeting of a prefill and a decode server. */
  readonly bootstrapRoom: number | undefined;
  /** Keys of the assets whose embeddings an encoder holds. */
  readonly encodedAssets: ReadonlySet<string>;
}

/** Where another server finds what this one holds. */
export interface TransferSource {
  readonly engineId: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `kv_transfer_params`, `ec_transfer_params` and `bootstrap_room`. A remote prefill counts only with the engine,
 * the address and the blocks; vLLM computes the prompt itself when one is missing.
 */
export function parseTransfer(fields: JsonObject): Transfer {
  const kv = isObject(fields['kv_transfer_params']) ? fields['kv_transfer_params'] : {};
  const ec = isObject(fields['ec_transfer_params']) ? fields['ec_transfer_params'] : {};
  const ids = kv['remote_block_ids'];
  const isFromRemote =
    kv['do_remote_prefill'] === true &&
    typeof kv['remote_engine_id'] === 'string' &&
    typeof kv['remote_host'] === 'string' &&
    typeof kv['remote_port'] === 'number' &&
    Array.isArray(ids);
  const room = fields['bootstrap_room'];
  return {
    isForRemoteDecode: kv['do_remote_decode'] === true,
    // One list per group of layers in newer versions.
    remoteBlocks: isFromRemote ? (ids as readonly unknown[]).flat(1).length : 0,
    bootstrapRoom: typeof room === 'number' ? room : undefined,
    encodedAssets: new Set(Object.keys(ec)),
  };
}

/** `kv_transfer_params` of the answer to a prefill request whose `blocks` stay for the decode server. */
export function kvTransferParams(source: TransferSource, blocks: readonly number[]): JsonObject {
  return {
    do_remote_prefill: true,
    do_remote_decode: false,
    remote_block_ids: blocks,
    remote_engine_id: source.engineId,
    remote_host: source.host,
    remote_port: source.port,
  };
}

/** `ec_transfer_params` of an answer: one entry per asset. */
export function ecTransferParams(source: TransferSource, assets: readonly string[]): JsonObject {
  const entry = {
    remote_engine_id: source.engineId,
    remote_host: source.host,
    remote_port: source.port,
  };
  return Object.fromEntries(assets.map((key) => [key, entry]));
}
