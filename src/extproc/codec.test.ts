import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CodecError,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type ProcessingRequest,
  type ProcessingResponse,
} from './codec.ts';

const REQUEST: ProcessingRequest = {
  requestHeaders: {
    headers: { headers: [{ key: ':path', rawValue: Buffer.from('/v1/models') }] },
    endOfStream: true,
  },
  metadataContext: {
    filterMetadata: {
      'envoy.lb.subset_hint': {
        fields: { k: { listValue: { values: [{ stringValue: 'a' }, { numberValue: 1 }] } } },
      },
    },
  },
  observabilityMode: true,
  protocolConfig: {
    requestBodyMode: 4,
    responseBodyMode: 2,
    sendBodyWithoutWaitingForHeaderResponse: true,
  },
};

const RESPONSE: ProcessingResponse = {
  requestBody: {
    response: {
      headerMutation: {
        setHeaders: [{ header: { key: 'k', rawValue: Buffer.from('v') }, appendAction: 2 }],
        removeHeaders: ['gone'],
      },
      bodyMutation: { streamedResponse: { body: Buffer.from('piece'), endOfStream: true } },
      clearRouteCache: true,
    },
  },
  dynamicMetadata: { fields: { 'envoy.lb': { structValue: { fields: { d: { stringValue: 'x' } } } } } },
};

test('messages survive the wire in both directions', () => {
  expect(decodeRequest(encodeRequest(REQUEST))).toEqual(REQUEST);
  expect(decodeResponse(encodeResponse(RESPONSE))).toEqual(RESPONSE);
});

/** Bytes written out by hand from the field numbers, so that the proto file itself is checked. */
describe('wire form', () => {
  test.each<{ name: string; hex: string; want: ProcessingRequest }>([
    {
      name: 'request_headers = 2, eos = 3',
      hex: '1202 1801',
      want: { requestHeaders: { endOfStream: true } },
    },
    { name: 'response_headers = 3', hex: '1a00', want: { responseHeaders: {} } },
    {
      name: 'request_body = 4, body = 1, eos = 2',
      hex: '2206 0a026162 1001',
      want: { requestBody: { body: Buffer.from('ab'), endOfStream: true } },
    },
    { name: 'response_body = 5', hex: '2a03 0a0161', want: { responseBody: { body: Buffer.from('a') } } },
    { name: 'request_trailers = 6', hex: '3200', want: { requestTrailers: {} } },
    { name: 'response_trailers = 7', hex: '3a00', want: { responseTrailers: {} } },
    { name: 'observability_mode = 10', hex: '5001', want: { observabilityMode: true } },
    {
      name: 'protocol_config = 11',
      hex: '5a06 0804 1002 1801',
      want: {
        protocolConfig: {
          requestBodyMode: 4,
          responseBodyMode: 2,
          sendBodyWithoutWaitingForHeaderResponse: true,
        },
      },
    },
    {
      name: 'header entries: key = 1, value = 2, raw_value = 3',
      hex: '120d 0a0b 0a09 0a016b 120176 1a0172',
      want: {
        requestHeaders: {
          headers: { headers: [{ key: 'k', value: 'v', rawValue: Buffer.from('r') }] },
        },
      },
    },
    {
      name: 'unknown and reserved fields are skipped',
      hex: '0801 fa010568656c6c6f 3200',
      want: { requestTrailers: {} },
    },
    { name: 'nothing', hex: '', want: {} },
  ])('request: $name', ({ hex, want }) => {
    expect(decodeRequest(bytes(hex))).toEqual(want);
  });

  test.each<{ name: string; message: ProcessingResponse; hex: string }>([
    { name: 'request_headers = 1', message: { requestHeaders: {} }, hex: '0a00' },
    { name: 'response_headers = 2', message: { responseHeaders: {} }, hex: '1200' },
    { name: 'request_body = 3', message: { requestBody: {} }, hex: '1a00' },
    { name: 'response_trailers = 6', message: { responseTrailers: {} }, hex: '3200' },
    {
      name: 'response_body = 4, streamed_response = 3',
      message: {
        responseBody: {
          response: { bodyMutation: { streamedResponse: { body: Buffer.from('a'), endOfStream: true } } },
        },
      },
      hex: '220b 0a09 1a07 1a05 0a0161 1001',
    },
    {
      name: 'clear_body = 2, clear_route_cache = 5',
      message: { requestBody: { response: { bodyMutation: { clearBody: true }, clearRouteCache: true } } },
      hex: '1a08 0a06 1a02 1001 2801',
    },
    {
      name: 'set header: raw_value = 3, append_action = 3, keep_empty_value = 4',
      message: {
        requestHeaders: {
          response: {
            headerMutation: {
              setHeaders: [
                { header: { key: 'k', rawValue: Buffer.from('v') }, appendAction: 2, keepEmptyValue: true },
              ],
              removeHeaders: ['g'],
            },
          },
        },
      },
      hex: '0a15 0a13 1211 0a0c 0a06 0a016b 1a0176 1802 2001 120167',
    },
    {
      name: 'immediate_response = 7',
      message: {
        immediateResponse: {
          status: { code: 429 },
          body: Buffer.from('b'),
          grpcStatus: { status: 8 },
          details: 'd',
        },
      },
      hex: '3a0f 0a03 08ad03 1a0162 2202 0808 2a0164',
    },
    {
      name: 'override_message_timeout = 10',
      message: { overrideMessageTimeout: { seconds: 60, nanos: 0 } },
      hex: '5204 083c 1000',
    },
  ])('response: $name', ({ message, hex }) => {
    expect(encodeResponse(message).toString('hex')).toBe(hex.replaceAll(' ', ''));
  });
});

test('a body is a view of the received bytes', () => {
  const received = encodeRequest({ requestBody: { body: Buffer.from('abcdef') } });
  const body = decodeRequest(received).requestBody?.body;
  expect(body?.buffer).toBe(received.buffer);
});

test('hostile keys stay keys', () => {
  const decoded = decodeRequest(
    encodeRequest(
      JSON.parse('{"metadataContext":{"filterMetadata":{"constructor":{},"x":{}}}}') as ProcessingRequest,
    ),
  );
  expect(Object.keys(decoded.metadataContext?.filterMetadata ?? {})).toEqual(['constructor', 'x']);
  expect(({} as { fields?: unknown }).fields).toBeUndefined();
});

test('any bytes decode or throw CodecError', () => {
  const valid = encodeRequest(REQUEST);
  const mutated = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((edits) => {
      const copy = Buffer.from(valid);
      for (const [at, value] of edits) copy[at] = value;
      return copy;
    });
  const truncated = fc.nat(valid.length).map((length) => valid.subarray(0, length));
  const random = fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(random, mutated, truncated), (input) => {
      expect(['decoded', 'CodecError']).toContain(outcome(input));
    }),
    { numRuns: 2000 },
  );
});

test('values nested thousands deep do no harm', () => {
  let nested = Buffer.from('');
  for (let depth = 0; depth < 20_000; depth += 1) {
    nested = Buffer.concat([Buffer.from([0x32]), varint(nested.length), nested]);
    nested = Buffer.concat([Buffer.from([0x0a]), varint(nested.length), nested]);
    if (nested.length > 60_000) break;
  }
  const struct = Buffer.concat([
    Buffer.from('0a016b', 'hex'),
    Buffer.from([0x12]),
    varint(nested.length),
    nested,
  ]);
  const message = Buffer.concat([Buffer.from([0x4a]), varint(struct.length), struct]);
  expect(['decoded', 'CodecError']).toContain(outcome(message));
});

function outcome(input: Buffer): string {
  try {
    decodeRequest(input);
    return 'decoded';
  } catch (error) {
    return error instanceof CodecError ? error.name : `other: ${String(error)}`;
  }
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) out.push((rest & 127) | 128);
  out.push(rest);
  return Buffer.from(out);
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}
