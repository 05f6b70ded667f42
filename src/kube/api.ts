import type { ObjectKind } from '../framework/hooks.ts';
import type { KubeObject, ObjectList, Resource, Selection } from './objects.ts';

/** Why a call failed without a status, as `reason` of `KubeError`. */
export type OwnReason =
  /** Nothing, or not all of it, came: refused, reset, cut, or the credentials cannot be read. */
  | 'Unreachable'
  /** No answer within the call's own time. */
  | 'TimedOut'
  /** The caller's signal aborted. */
  | 'Cancelled'
  /** What came is not what the API sends. */
  | 'InvalidAnswer';

/** An answer of the API server that is not the one wanted; `status` 0 when there was none. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** HTTP status, or the code of a watch's ERROR event. */
  readonly status: number;
  /** `reason` of the Status object, such as `Expired` or `AlreadyExists`; an `OwnReason` with status 0; '' when unknown. */
  readonly reason: string;
  /** What the server asked to wait before the next attempt; 0 when it asked for nothing. */
  readonly retryAfterMs: number;

  constructor(
    status: number,
    reason: string,
    message: string,
    options: ErrorOptions & { readonly retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** HTTP status that a call failed with; 0 when there was no answer, or the failure is of another kind. */
export function statusOf(error: unknown): number {
  return error instanceof KubeError ? error.status : 0;
}

/** A change that a watch tells of. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KubeObject;
}

/** How the server has a kind. */
export interface ServedKind {
  readonly resource: Resource;
  /** Its objects are in namespaces. */
  readonly isNamespaced: boolean;
}

/**
 * What this product needs of the API server. Every call ends within a time of its own, or when `signal` aborts, and
 * fails with `KubeError` that names the resource, what was got and what was wanted.
 */
export interface KubeApi {
  /** One page; `limit` 0 for no limit, `continueToken` '' for the first. */
  list(
    resource: Resource,
    selection: Selection,
    page: { readonly limit: number; readonly continueToken: string },
    signal: AbortSignal,
  ): Promise<ObjectList>;
  /**
   * Changes after `resourceVersion`, bookmarks included, in order; resolves when the server ends the watch after
   * `timeoutS`, rejects when it breaks or the version is too old (status 410). `opened` is called when the server has
   * accepted the watch, before the first event.
   */
  watch(
    resource: Resource,
    selection: Selection,
    options: { readonly resourceVersion: string; readonly timeoutS: number; readonly opened?: () => void },
    event: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** One object; undefined when there is none. */
  get(
    resource: Resource,
    place: { readonly namespace: string; readonly name: string },
    signal: AbortSignal,
  ): Promise<KubeObject | undefined>;
  /** Creates `object`; also for reviews, whose answer is the object returned. */
  create(resource: Resource, namespace: string, object: KubeObject, signal: AbortSignal): Promise<KubeObject>;
  /** Replaces `object`; fails with 409 when its `resourceVersion` is not the current one. */
  replace(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<KubeObject>;
  /** Whether the server has the resource; rejects when it cannot say. */
  serves(resource: Resource, signal: AbortSignal): Promise<boolean>;
  /** How the server has a kind; undefined when it has none of it; rejects when it cannot say. */
  find(kind: ObjectKind, signal: AbortSignal): Promise<ServedKind | undefined>;
}
