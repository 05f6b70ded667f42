/** What the templates of one kind of plugin are made of; `code` and `test` are lines inside the class and the test. */
export interface Template {
  /** For people. */
  readonly summary: string;
  /** Function that defines it. */
  readonly define: string;
  /** Interface that the class has. */
  readonly contract: string;
  /** Further types that `code` names. */
  readonly types: readonly string[];
  /** Further values of `endpoint-picker/plugin` that `code` names. */
  readonly values: readonly string[];
  /** Parameter: its name, and its declaration. */
  readonly parameter: { readonly name: string; readonly declaration: string; readonly value: string };
  readonly code: string;
  /** Values of `endpoint-picker/testing` that `test` needs. */
  readonly testValues: readonly string[];
  /** Says what `test` shows. */
  readonly testName: string;
  readonly test: string;
  /** A profile refers to it. */
  readonly isInProfile: boolean;
}

const SCORER: Template = {
  summary: 'Prefers endpoints where few requests wait.',
  define: 'defineScorer',
  contract: 'Scorer',
  types: ['Endpoint', 'InferenceRequest'],
  values: [],
  parameter: {
    name: 'halfAt',
    declaration: "z.number().gt(0).default(4).describe('Waiting requests at which the score is one half.')",
    value: '4',
  },
  code: `readonly category = 'distribution';

/** Writes the score of candidates[i], from 0 to 1, to out[i]; out comes filled with zeros. */
score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
  for (const [i, candidate] of candidates.entries()) {
    out[i] = this.#halfAt / (this.#halfAt + candidate.metrics.waitingQueueSize);
  }
}`,
  testValues: ['create', 'endpoint', 'request'],
  testName: 'fewer waiting requests score higher',
  test: `const out = new Float64Array(2);
create(plugin, { halfAt: 4 }).score(request(), [endpoint({ waitingQueueSize: 0 }), endpoint({ waitingQueueSize: 4 })], out);
assert.deepEqual([...out], [1, 0.5]);`,
  isInProfile: true,
};

const FILTER: Template = {
  summary: 'Keeps endpoints where few requests wait, or all when there is none.',
  define: 'defineFilter',
  contract: 'Filter',
  types: ['Endpoint', 'InferenceRequest'],
  values: [],
  parameter: {
    name: 'maxWaiting',
    declaration: "z.int().min(0).default(10).describe('Waiting requests of an endpoint that stays.')",
    value: '10',
  },
  code: `/** Returns those of its candidates that stay, in their order; when it returns none, the request is refused with 429. */
filter(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
  const kept = candidates.filter((candidate) => candidate.metrics.waitingQueueSize <= this.#maxWaiting);
  return kept.length === 0 ? candidates : kept;
}`,
  testValues: ['create', 'endpoint', 'request'],
  testName: 'endpoints with a long queue go',
  test: `const [short, long] = [endpoint({ waitingQueueSize: 1 }), endpoint({ waitingQueueSize: 11 })];
assert.deepEqual(create(plugin).filter(request(), [short, long]), [short]);
assert.deepEqual(create(plugin).filter(request(), [long]), [long]);`,
  isInProfile: true,
};

const PICKER: Template = {
  summary: 'Picks one of the best endpoints at random.',
  define: 'definePicker',
  contract: 'Picker',
  types: ['Endpoint', 'PluginContext'],
  values: ['nextInt'],
  parameter: {
    name: 'among',
    declaration: "z.int().min(1).default(2).describe('How many of the best are drawn from.')",
    value: '2',
  },
  code: `/** totals[i] is the weighted sum of candidates[i]. Returns the targets, best first. */
pick(candidates: readonly Endpoint[], totals: Float64Array): readonly Endpoint[] {
  const best = [...candidates.keys()].sort((a, b) => (totals[b] ?? 0) - (totals[a] ?? 0)).slice(0, this.#among);
  const drawn = candidates[best[nextInt(this.#context.rng, Math.max(1, best.length))] ?? 0];
  return drawn === undefined ? [] : [drawn];
}`,
  testValues: ['create', 'endpoint'],
  testName: 'the worst is never picked',
  test: `const candidates = [endpoint(), endpoint(), endpoint()];
const picker = create(plugin);
for (let i = 0; i < 50; i += 1) {
  assert.notEqual(picker.pick(candidates, Float64Array.of(3, 1, 2))[0], candidates[1]);
}`,
  isInProfile: true,
};

const PRODUCER: Template = {
  summary: 'Notes on the request how long its body is, for other plugins to read.',
  define: 'defineProducer',
  contract: 'DataProducer',
  types: ['Endpoint', 'InferenceRequest'],
  values: ['attributeKey'],
  parameter: {
    name: 'longFrom',
    declaration: "z.int().min(0).default(100_000).describe('Bytes of a body that is long.')",
    value: '100000',
  },
  code: `/** Runs for every request before it is scheduled. Return a promise only when it must wait; it is given 400 ms. */
produce(request: InferenceRequest, _candidates: readonly Endpoint[]): void {
  request.attributes.set(IS_LONG, request.bodySizeBytes >= this.#longFrom);
}`,
  testValues: ['create', 'request'],
  testName: 'long bodies are noted',
  test: `const one = request();
one.bodySizeBytes = 100_000;
create(plugin).produce(one, []);
assert.equal(one.attributes.get(IS_LONG), true);`,
  isInProfile: false,
};

const SCREENER: Template = {
  summary: 'Takes endpoints out for every profile that carry a label.',
  define: 'defineScreener',
  contract: 'Screener',
  types: ['Endpoint', 'InferenceRequest'],
  values: [],
  parameter: {
    name: 'label',
    declaration: "z.string().default('draining').describe('Label of endpoints that get no requests.')",
    value: 'draining',
  },
  code: `/** Returns those of its candidates that stay; when it returns none, the request is refused with 503. */
screen(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
  return candidates.filter((candidate) => !candidate.labels.has(this.#label));
}`,
  testValues: ['create', 'endpoint', 'request'],
  testName: 'labelled endpoints go',
  test: `const [draining, other] = [endpoint({ labels: { draining: '' } }), endpoint()];
assert.deepEqual(create(plugin).screen(request(), [draining, other]), [other]);`,
  isInProfile: false,
};

const ADMITTER: Template = {
  summary: 'Refuses requests of low priority while every endpoint is busy.',
  define: 'defineAdmitter',
  contract: 'Admitter',
  types: ['Endpoint', 'InferenceRequest'],
  values: ['RejectionError'],
  parameter: {
    name: 'maxWaiting',
    declaration: "z.int().min(0).default(10).describe('Waiting requests of an endpoint that is busy.')",
    value: '10',
  },
  code: `/** Why the request is refused; undefined lets it in. */
admit(request: InferenceRequest, candidates: readonly Endpoint[]): RejectionError | undefined {
  const isBusy = candidates.every((candidate) => candidate.metrics.waitingQueueSize > this.#maxWaiting);
  if (request.priority >= 0 || !isBusy) return undefined;
  return new RejectionError('resource-exhausted', 'all endpoints are busy', { reason: 'rejected-saturated' });
}`,
  testValues: ['create', 'endpoint', 'request'],
  testName: 'only low priority is refused',
  test: `const busy = [endpoint({ waitingQueueSize: 11 })];
assert.equal(create(plugin).admit(request({ priority: -1 }), busy)?.httpStatus, 429);
assert.equal(create(plugin).admit(request({ priority: 0 }), busy), undefined);`,
  isInProfile: false,
};

const HEADER_PROCESSOR: Template = {
  summary: 'Shares the pool fairly between the values of a header.',
  define: 'defineHeaderProcessor',
  contract: 'HeaderProcessor',
  types: ['InferenceRequest'],
  values: [],
  parameter: {
    name: 'header',
    declaration:
      "z.string().default('x-tenant').describe('Header that says whose request it is, lower case.')",
    value: 'x-tenant',
  },
  code: `/** Runs once for every request before admission; a RejectionError that it throws refuses the request. */
requestHeaders(request: InferenceRequest): void {
  request.fairnessId = request.headers.get(this.#header) ?? request.fairnessId;
}`,
  testValues: ['create', 'request'],
  testName: 'the header is the fairness id',
  test: `const one = request({ headers: { 'x-tenant': 'blue' } });
create(plugin).requestHeaders(one);
assert.equal(one.fairnessId, 'blue');`,
  isInProfile: false,
};

const RESPONSE_HEADER: Template = {
  summary: 'Says in the response which endpoint served it.',
  define: 'defineResponseHeaderHook',
  contract: 'ResponseHeaderHook',
  types: ['InferenceRequest', 'InferenceResponse'],
  values: [],
  parameter: {
    name: 'header',
    declaration: "z.string().default('x-served-by').describe('Header that is set, lower case.')",
    value: 'x-served-by',
  },
  code: `/** Sees, and may change, the headers of every response. */
responseHeaders(request: InferenceRequest, response: InferenceResponse): void {
  response.headers?.set(this.#header, request.endpoint?.name ?? '');
}`,
  testValues: ['create', 'endpoint', 'request', 'response'],
  testName: 'the header names the endpoint',
  test: `const one = request();
one.endpoint = endpoint({ name: 'gpu-7' });
const answer = response();
create(plugin).responseHeaders(one, answer);
assert.equal(answer.headers?.get('x-served-by'), 'gpu-7');`,
  isInProfile: false,
};

/** Templates by kind, as `epp new-plugin` names it. */
export const TEMPLATES: ReadonlyMap<string, Template> = new Map([
  ['scorer', SCORER],
  ['filter', FILTER],
  ['picker', PICKER],
  ['producer', PRODUCER],
  ['screener', SCREENER],
  ['admitter', ADMITTER],
  ['header-processor', HEADER_PROCESSOR],
  ['response-header', RESPONSE_HEADER],
]);
