import { createHash } from 'node:crypto';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import { type KubeApi, KubeError } from './api.ts';
import { bounded } from './deadline.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { FaultLog } from './fault-log.ts';
import type { KubeObject, Resource } from './objects.ts';
import { describeCall } from './paths.ts';
import { allowedOf, subjectAccessReview, tokenReview, type User, userOf } from './review-objects.ts';

/** A request to be judged. */
export interface AccessQuestion {
  /** As in the request line. */
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Value of the `authorization` header; undefined when there is none. */
  readonly authorization: string | undefined;
}

/** HTTP status: 200 to go on, 401 who is this, 403 may not, 500 cannot be said. */
export interface AccessAnswer {
  readonly status: 200 | 401 | 403 | 500;
}

const TOKEN_REVIEWS: Resource = { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews' };
const ACCESS_REVIEWS: Resource = {
  group: 'authorization.k8s.io',
  version: 'v1',
  plural: 'subjectaccessreviews',
};

/** How long answers hold, as in controller-runtime; a token that is not valid may become so. */
const TOKEN_LIFETIME_MS = 60_000;
const BAD_TOKEN_LIFETIME_MS = 10_000;
const ALLOWED_LIFETIME_MS = 300_000;
const DENIED_LIFETIME_MS = 30_000;

/** Scrapers are few; whoever tries many tokens or paths must not fill the memory. */
const CACHE_CAPACITY = 1024;
/** Nor flood the API server: questions beyond these are answered with 500. */
const MAX_OPEN_QUESTIONS = 32;
/** Scrapes time out after ten seconds by default. */
const QUESTION_LIMIT_MS = 8000;
/** Tokens are a few kilobytes at most. */
const MAX_TOKEN_LENGTH = 16_384;

/**
 * Asks Kubernetes who a caller is (TokenReview of the bearer token, RFC 6750) and whether the path and verb are allowed
 * (SubjectAccessReview of a non-resource URL). Answers are cached, equal questions asked once at a time.
 */
export class AccessReview {
  readonly #api: KubeApi;
  readonly #clock: Clock;
  /** By hash of the token, so that no token stays in memory; `undefined` inside is a token of nobody. */
  readonly #users: ExpiringCache<{ readonly user: User | undefined }>;
  /** By hash of user, verb and path. */
  readonly #decisions: ExpiringCache<boolean>;
  readonly #open = new Map<string, Promise<unknown>>();
  readonly #tokenFaults: FaultLog;
  readonly #accessFaults: FaultLog;

  constructor(options: { readonly api: KubeApi; readonly clock: Clock; readonly log: Log }) {
    const { api, clock, log } = options;
    this.#api = api;
    this.#clock = clock;
    this.#users = new ExpiringCache(clock, CACHE_CAPACITY);
    this.#decisions = new ExpiringCache(clock, CACHE_CAPACITY);
    this.#tokenFaults = faultLog(log, 'create tokenreviews.authentication.k8s.io', 'tokens');
    this.#accessFaults = faultLog(log, 'create subjectaccessreviews.authorization.k8s.io', 'access');
  }

  /** Never rejects. */
  async authorize(question: AccessQuestion): Promise<AccessAnswer> {
    const token = bearerToken(question.authorization);
    if (token === '') return { status: 401 };
    try {
      const user = await this.#userOf(token);
      if (user === undefined) return { status: 401 };
      const isAllowed = await this.#isAllowed(user, question.method.toLowerCase(), question.path);
      return { status: isAllowed ? 200 : 403 };
    } catch {
      return { status: 500 }; // logged where it failed
    }
  }

  async #userOf(token: string): Promise<User | undefined> {
    const key = hash('token', token);
    const known = this.#users.get(key);
    if (known !== undefined) return known.user;
    return this.#once(key, async () => {
      const review = await this.#ask(TOKEN_REVIEWS, tokenReview(token), this.#tokenFaults);
      const user = userOf(review);
      this.#users.set(key, { user }, user === undefined ? BAD_TOKEN_LIFETIME_MS : TOKEN_LIFETIME_MS);
      return user;
    });
  }

  async #isAllowed(user: User, verb: string, path: string): Promise<boolean> {
    const key = hash('access', JSON.stringify([user, verb, path]));
    const known = this.#decisions.get(key);
    if (known !== undefined) return known;
    return this.#once(key, async () => {
      const review = await this.#ask(
        ACCESS_REVIEWS,
        subjectAccessReview(user, { verb, path }),
        this.#accessFaults,
      );
      const isAllowed = allowedOf(review);
      this.#decisions.set(key, isAllowed, isAllowed ? ALLOWED_LIFETIME_MS : DENIED_LIFETIME_MS);
      return isAllowed;
    });
  }

  /** The question that is already open under `key`, else `ask`. */
  async #once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const open = this.#open.get(key);
    if (open !== undefined) return open as Promise<T>; // a key names one kind of question
    const asked = ask();
    this.#open.set(key, asked);
    try {
      return await asked;
    } finally {
      this.#open.delete(key);
    }
  }

  async #ask(resource: Resource, review: KubeObject, faults: FaultLog): Promise<KubeObject> {
    try {
      if (this.#open.size >= MAX_OPEN_QUESTIONS) {
        throw new KubeError(0, 'TooManyRequests', `${MAX_OPEN_QUESTIONS} access questions are open already`);
      }
      const answer = await bounded((signal) => this.#api.create(resource, '', review, signal), {
        clock: this.#clock,
        call: describeCall('creation', resource, ''),
        limitMs: QUESTION_LIMIT_MS,
      });
      if (typeof answer.status !== 'object' || answer.status === null) {
        throw new KubeError(0, 'Invalid', `${resource.plural}: got an answer without status, want one`);
      }
      faults.worked();
      return answer;
    } catch (error) {
      faults.failed(error);
      throw error;
    }
  }
}

function faultLog(log: Log, permission: string, what: string): FaultLog {
  return new FaultLog(log, {
    permission,
    failing: `Kubernetes cannot be asked about ${what}, the metrics port answers 500`,
    working: `Kubernetes answers about ${what} again`,
  });
}

/** Token of `Bearer <token>`; '' for everything else. */
function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization.length > MAX_TOKEN_LENGTH) return '';
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}

function hash(kind: string, text: string): string {
  return `${kind} ${createHash('sha256').update(text).digest('base64')}`;
}
