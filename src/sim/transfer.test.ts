import { describe, expect, test } from 'vitest';
import { ecTransferParams, kvTransferParams, parseTransfer } from './transfer.ts';

const SOURCE = { engineId: 'e', host: '10.0.0.1', port: 8000 };
const NONE = {
  isForRemoteDecode: false,
  remoteBlocks: 0,
  bootstrapRoom: undefined,
  encodedAssets: new Set(),
};

describe('parseTransfer', () => {
  const prefilled = kvTransferParams(SOURCE, [3, 4, 5]);

  test.each([
    { name: 'nothing', fields: {}, want: {} },
    { name: 'null', fields: { kv_transfer_params: null, ec_transfer_params: null }, want: {} },
    {
      name: 'a prefill request',
      fields: { kv_transfer_params: { do_remote_decode: true, remote_block_ids: null } },
      want: { isForRemoteDecode: true },
    },
    {
      name: 'what a prefill server answered',
      fields: { kv_transfer_params: prefilled },
      want: { remoteBlocks: 3 },
    },
    {
      name: 'blocks in a list per group of layers',
      fields: { kv_transfer_params: { ...prefilled, remote_block_ids: [[3, 4]] } },
      want: { remoteBlocks: 2 },
    },
    ...['remote_engine_id', 'remote_host', 'remote_port', 'remote_block_ids', 'do_remote_prefill'].map(
      (missing) => ({
        name: `an answer without ${missing}`,
        fields: { kv_transfer_params: { ...prefilled, [missing]: null } },
        want: {},
      }),
    ),
    { name: 'a bootstrap room', fields: { bootstrap_room: 7 }, want: { bootstrapRoom: 7 } },
    {
      name: 'encoded assets',
      fields: { ec_transfer_params: ecTransferParams(SOURCE, ['a', 'b']) },
      want: { encodedAssets: new Set(['a', 'b']) },
    },
  ])('$name', ({ fields, want }) => {
    expect(parseTransfer(fields)).toEqual({ ...NONE, ...want });
  });
});
