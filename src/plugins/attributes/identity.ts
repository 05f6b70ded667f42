import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** On the request: session id. `producer`: instance name; '' means `session-id-producer`. */
export function sessionIdKey(producer: string): AttributeKey<string> {
  return attributeKey('SessionIDDataKey', producer === '' ? 'session-id-producer' : producer);
}

/** On the request: who the calling agent is; fallback fairness id. */
export const AGENT_IDENTITY: AttributeKey<string> = attributeKey('agent-identity', '');
