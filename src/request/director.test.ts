import { expect, test } from 'vitest';
import { context, endpoint } from '../../test/support/builders.ts';
import { type JsonObject, NO_BODY, type ParsedBody } from '../framework/body.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import { Headers } from '../framework/headers.ts';
import type { DataProducer } from '../framework/hooks.ts';
import type { Parser } from '../framework/parser.ts';
import { InferenceRequest } from '../framework/request.ts';
import { ConditionalDecode } from './conditional-decode.ts';
import { Director, type DirectorOptions } from './director.ts';
import { RequestHooks } from './hooks.ts';
import { InFlight } from './in-flight.ts';
import { ParserRegistry } from './path.ts';

/** Reads `model` and nothing else, as every JSON parser does. */
const parser: Parser = {
  pathSuffixes: ['completions'],
  protocols: [],
  readsResponse: true,
  errorShape: 'openai',
  parse(bytes): ParsedBody {
    let json: JsonObject;
    try {
      json = JSON.parse(bytes.toString()) as JsonObject; // the test sends objects
    } catch {
      throw new RejectionError('bad-request', 'not JSON');
    }
    const model = typeof json['model'] === 'string' ? json['model'] : '';
    return { ...NO_BODY, api: 'completions', json, model, canRewriteModel: true, requiresModel: true };
  },
  readUsage() {},
};

interface Setup {
  readonly pool?: readonly Endpoint[];
  readonly producers?: readonly DataProducer[];
  readonly options?: Partial<DirectorOptions>;
  readonly admit?: () => void;
  readonly rewriteOf?: (model: string) => string | undefined;
  readonly preRequest?: () => void;
  /** Of every prompt at every endpoint. */
  readonly cachedShare?: number;
}

function setup(given: Setup = {}) {
  const { pool = [endpoint({ address: '10.0.0.1' })], producers = [], options, admit, rewriteOf } = given;
  const { cachedShare = 0, preRequest } = given;
  const services = context();
  const inFlight = new InFlight();
  const fates: string[] = [];
  const director = new Director(
    {
      clock: services.clock,
      log: services.log,
      parsers: new ParserRegistry([{ name: 'p', type: 'p', plugin: parser }], services.log),
      hooks: new RequestHooks(
        {
          headerProcessors: [],
          screeners: [],
          admitters: [],
          producers: producers.map((plugin, i) => ({ name: `p${i}`, type: 'p', plugin })),
          preRequestHooks: preRequest === undefined ? [] : [{ name: 'h', type: 'h', plugin: { preRequest } }],
        },
        services,
      ),
      inFlight,
      endpoints: () => pool,
      priorityOf: (objective) => (objective === 'batch' ? -5 : undefined),
      rewriteOf: rewriteOf ?? (() => undefined),
      admit: admit ?? (() => {}),
      schedule: (one) => ({
        primary: 'default',
        profiles: new Map([
          [
            'default',
            {
              targets: one.candidates.slice(0, 1),
              candidates: one.candidates,
              totals: Float64Array.from(one.candidates, (_, i) => i + 0.5),
            },
          ],
        ]),
      }),
      conditionalDecode: new ConditionalDecode({ cachedShare: () => cachedShare, minShare: 0 }),
      noteActivity: () => {},
      observer: {
        scheduled: () => void fates.push('scheduled'),
        rejected: (_request, code) => void fates.push(code),
        processed: () => void fates.push('processed'),
      },
    },
    { emitScores: false, ignoreSubset: false, trustControlHeaders: true, ...options },
  );
  return { director, inFlight, fates };
}

function received(headers: Record<string, string>): InferenceRequest {
  const all = new Headers();
  for (const [name, value] of Object.entries({ ':method': 'POST', ':path': '/v1/completions', ...headers })) {
    all.receive(name, value);
  }
  return new InferenceRequest(all, 1_000_000);
}

const open = { bodyView: 'whole', subset: undefined, signal: new AbortController().signal } as const;
const body = Buffer.from('{"model":"m","prompt":"hi"}');

test('a client cannot set routing headers, and gets a request id', () => {
  const { director } = setup();
  const one = received({
    'x-gateway-destination-endpoint': '6.6.6.6:1',
    'x-prefiller-host-port': '6.6.6.6:1',
    'x-request-id': '',
  });
  director.accept(one);
  expect(one.headers.has('x-gateway-destination-endpoint')).toBe(false);
  expect(one.headers.removedNames).toContain('x-prefiller-host-port');
  expect(one.requestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(one.headers.changedNames).toEqual(['x-request-id']);
});

test('a request is parsed, counted and sent to the first target with its bytes untouched', () => {
  const { director, inFlight, fates } = setup();
  const one = received({ 'x-request-id': 'r1' });
  director.accept(one);
  expect(director.decide(one, body, open)).toEqual({
    destination: '10.0.0.1:8000',
    scores: undefined,
    body: undefined,
    skipsResponse: false,
  });
  expect(one.targetModel).toBe('m');
  expect(inFlight.held).toBe(1);
  expect(fates).toEqual(['scheduled', 'processed']);
});

test('the rewrite header changes the model in the bytes and ends here', () => {
  const { director } = setup();
  const one = received({ 'x-gateway-model-name-rewrite': 'n', 'x-llm-d-inference-objective': 'batch' });
  director.accept(one);
  const decision = director.decide(one, body, open);
  if (decision instanceof Promise) throw new Error('nothing waits here');
  expect(Buffer.concat([...(decision.body ?? [])]).toString()).toBe('{"model":"n","prompt":"hi"}');
  expect(one.targetModel).toBe('n');
  expect(one.priority).toBe(-5);
  expect(one.headers.removedNames).toEqual(['x-llm-d-inference-objective', 'x-gateway-model-name-rewrite']);
});

test('a rule of the pool goes before the rewrite header, and none leaves the bytes alone', () => {
  const { director } = setup({ rewriteOf: (model) => (model === 'm' ? 'tuned' : undefined) });
  const one = received({ 'x-llm-d-model-name-rewrite': 'n' });
  director.accept(one);
  const decision = director.decide(one, body, open);
  if (decision instanceof Promise) throw new Error('nothing waits here');
  expect(Buffer.concat([...(decision.body ?? [])]).toString()).toBe('{"model":"tuned","prompt":"hi"}');
  expect(one).toMatchObject({ targetModel: 'tuned', body: { model: 'm' } });

  const other = received({});
  director.accept(other);
  expect(director.decide(other, Buffer.from('{"model":"x"}'), open)).toMatchObject({ body: undefined });
  expect(other.targetModel).toBe('x');
});

test.each([
  { name: 'supplies the model a request lacks', sent: '{}', want: '{"model":"tuned"}' },
  { name: 'keeps the model it sends to itself', sent: '{"model":"tuned"}', want: undefined },
])('a rule for every model $name', ({ sent, want }) => {
  const { director } = setup({ rewriteOf: () => 'tuned' });
  const one = received({});
  director.accept(one);
  const decision = director.decide(one, Buffer.from(sent), open);
  if (decision instanceof Promise) throw new Error('nothing waits here');
  expect(decision.body && Buffer.concat([...decision.body]).toString()).toBe(want);
});

test('a rule without targets leaves a request without model', () => {
  const { director, fates } = setup({ rewriteOf: () => '' });
  const one = received({});
  director.accept(one);
  expect(() => director.decide(one, body, open)).toThrow('model not found in request body');
  expect(fates).toEqual(['BadRequest', 'processed']);
});

test.each([
  { name: 'a cut body', method: 'POST', view: 'prefix', code: 413 },
  { name: 'a body that is not sent', method: 'POST', view: 'none', code: 500 },
  { name: 'a request without body', method: 'GET', view: 'none', code: 0 },
  { name: 'a request that has none, whatever its method', method: 'POST', view: 'absent', code: 0 },
] as const)('a rule that needs the body: $name', ({ method, view, code }) => {
  const { director } = setup({ rewriteOf: () => 'tuned' });
  const one = received({ ':method': method, 'x-gateway-model-name': 'm' });
  director.accept(one);
  const sent = view === 'prefix' ? Buffer.from('{"model":"m","pro') : Buffer.alloc(0);
  const decide = () => director.decide(one, sent, { ...open, bodyView: view });
  if (code === 0) expect(decide()).toMatchObject({ body: undefined });
  else expect(decide).toThrow(expect.objectContaining({ httpStatus: code }));
});

test.each([
  { name: 'a long model name', model: 'm'.repeat(8193), code: 400 },
  { name: 'one that is as long as it may be', model: 'm'.repeat(8192), code: 0 },
])('$name: $code', ({ model, code }) => {
  const { director } = setup();
  const bodies = [JSON.stringify({ model, messages: [{ role: 'user', content: 'x' }] }), ''];
  for (const text of bodies) {
    const one = received({ 'x-gateway-model-name': model });
    director.accept(one);
    const view = text === '' ? 'absent' : 'whole';
    const decide = () => director.decide(one, Buffer.from(text), { ...open, bodyView: view });
    if (code === 0) expect(decide()).toMatchObject({ body: undefined });
    else expect(decide).toThrow(expect.objectContaining({ httpStatus: code }));
  }
});

test('a fairness id is cut at 256 characters', () => {
  const { director } = setup();
  const one = received({ 'x-llm-d-inference-fairness-id': 'f'.repeat(300) });
  director.accept(one);
  void director.decide(one, body, open);
  expect(one.fairnessId).toBe('f'.repeat(256));
});

test('untrusted control headers have no effect', () => {
  const { director } = setup({ options: { trustControlHeaders: false } });
  const one = received({ 'x-gateway-model-name-rewrite': 'n', 'x-llm-d-inference-objective': 'batch' });
  director.accept(one);
  void director.decide(one, body, open);
  expect([one.targetModel, one.priority]).toEqual(['m', 0]);
});

test('a request without body is routed without a parser', () => {
  const { director } = setup();
  const one = received({ ':method': 'GET', ':path': '/v1/models' });
  director.accept(one);
  expect(director.decide(one, Buffer.alloc(0), open)).toMatchObject({ destination: '10.0.0.1:8000' });
  expect(one.body).toBe(NO_BODY);
});

test('scores of all candidates come along when asked for', () => {
  const pool = [endpoint({ address: '10.0.0.1' }), endpoint({ address: '10.0.0.2' })];
  const { director } = setup({ pool, options: { emitScores: true } });
  const one = received({});
  director.accept(one);
  expect(director.decide(one, body, open)).toMatchObject({
    scores: new Map([
      ['10.0.0.1:8000', 0.5],
      ['10.0.0.2:8000', 1.5],
    ]),
  });
});

test.each([
  { name: 'no parser for the path', headers: { ':path': '/other' }, sent: body, code: 'bad-request' },
  { name: 'invalid body', headers: {}, sent: Buffer.from('{'), code: 'bad-request' },
  { name: 'no model', headers: {}, sent: Buffer.from('{}'), code: 'bad-request' },
  { name: 'empty pool', headers: {}, sent: body, pool: [], code: 'unavailable' },
])('refused: $name', ({ headers, sent, pool, code }) => {
  const { director, inFlight, fates } = setup(pool === undefined ? {} : { pool });
  const one = received(headers);
  director.accept(one);
  expect(() => director.decide(one, sent, open)).toThrow(
    expect.objectContaining({ name: 'RejectionError', code }),
  );
  expect(inFlight.held).toBe(0);
  expect(fates.at(-1)).toBe('processed');
});

test('a cut body that needs another model is refused with 413, else routed by what is known', () => {
  const cut = Buffer.from('{"model":"m","prom');
  const { director } = setup();
  const plain = received({ 'x-gateway-model-name': 'm' });
  director.accept(plain);
  expect(director.decide(plain, cut, { ...open, bodyView: 'prefix' })).toMatchObject({ body: undefined });
  expect(plain.targetModel).toBe('m');
  const rewritten = received({ 'x-llm-d-model-name-rewrite': 'n' });
  director.accept(rewritten);
  expect(() => director.decide(rewritten, cut, { ...open, bodyView: 'prefix' })).toThrow(
    expect.objectContaining({ httpStatus: 413 }),
  );
});

test('a client that leaves while a producer waits holds nothing', async () => {
  const leave = new AbortController();
  const producer: DataProducer = {
    timeoutMs: 400,
    produce: async () => {
      leave.abort();
    },
  };
  const { director, inFlight } = setup({ producers: [producer] });
  const one = received({});
  director.accept(one);
  await expect(director.decide(one, body, { ...open, signal: leave.signal })).rejects.toMatchObject({
    reason: 'rejected-context-cancelled',
  });
  expect(inFlight.held).toBe(0);
});

test.each([
  { cachedShare: 0, hooks: 0, want: ['PreconditionFailed', 'processed'] },
  { cachedShare: 0.5, hooks: 1, want: ['scheduled', 'processed'] },
])('if-available with $cachedShare in the cache', ({ cachedShare, hooks, want }) => {
  const ran: string[] = [];
  const { director, inFlight, fates } = setup({ cachedShare, preRequest: () => void ran.push('hook') });
  const one = received({ prefer: 'if-available' });
  director.accept(one);
  const decide = () => director.decide(one, body, open);
  if (cachedShare === 0) expect(decide).toThrow(expect.objectContaining({ httpStatus: 412 }));
  else expect(decide()).toMatchObject({ destination: '10.0.0.1:8000' });
  expect(ran).toHaveLength(hooks);
  expect(inFlight.held).toBe(hooks);
  expect(fates).toEqual(want);
});

test('any other failure is an internal error that does not leak its text', () => {
  const { director } = setup({
    admit: () => {
      throw new TypeError('secret detail');
    },
  });
  const one = received({});
  director.accept(one);
  expect(() => director.decide(one, body, open)).toThrow(
    expect.objectContaining({ code: 'internal', message: 'internal error' }),
  );
});
