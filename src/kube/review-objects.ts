import { type Fields, fieldsOf, type KubeObject } from './objects.ts';

/** Who a token belongs to, as TokenReview says it and SubjectAccessReview wants it. */
export interface User {
  /** Never empty. */
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Fields;
}

/** Name of callers without identity, who are nobody here. */
const ANONYMOUS = 'system:anonymous';

/** The question who holds `token`; no audience is named, so it must be one of the API server's. */
export function tokenReview(token: string): KubeObject {
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    metadata: {},
    spec: { token },
  };
}

/** The question whether `user` may do `verb` on a path outside of resources. */
export function subjectAccessReview(
  user: User,
  attributes: { readonly verb: string; readonly path: string },
): KubeObject {
  const { username, uid, groups, extra } = user;
  return {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: { user: username, uid, groups, extra, nonResourceAttributes: attributes },
  };
}

/** The user of an answered TokenReview; undefined when the token is nobody's. */
export function userOf(review: KubeObject): User | undefined {
  const status = fieldsOf(review.status);
  const user = fieldsOf(status['user']);
  const { username } = user;
  if (status['authenticated'] !== true || typeof username !== 'string') return undefined;
  if (username === '' || username === ANONYMOUS) return undefined;
  const { uid, groups } = user;
  return {
    username,
    uid: typeof uid === 'string' ? uid : '',
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    extra: fieldsOf(user['extra']),
  };
}

/** Whether an answered SubjectAccessReview allows. */
export function allowedOf(review: KubeObject): boolean {
  const status = fieldsOf(review.status);
  return status['allowed'] === true && status['denied'] !== true;
}
