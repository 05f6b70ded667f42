import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import type { BodyMode } from './body-mode.ts';
import type { RefusalOptions } from './errors.ts';
import type { RequestStage, ResponseStage } from './exchange.ts';
import type { PoolHintOptions } from './pool-hint.ts';

/** Settings that all exchanges share. */
export interface ExchangeOptions {
  /** `auto`: as the data plane announces it. */
  readonly requestBodyMode: BodyMode | 'auto';
  readonly responseBodyMode: BodyMode | 'auto';
  /** A request body above this is refused with 413. */
  readonly maxRequestBodyBytes: number;
  /** Time asked for when a decision must wait while the data plane runs a message timer. */
  readonly messageTimeoutMs: number;
  readonly refusals: RefusalOptions;
  /** Where requests say which pool they are for; undefined where there is one pool. */
  readonly poolHints: PoolHintOptions | undefined;
}

/** The parts around an exchange that it talks to. */
export interface ExchangeServices {
  readonly requestStage: RequestStage;
  readonly responseStage: ResponseStage;
  readonly clock: Clock;
  readonly log: Log;
  readonly options: ExchangeOptions;
}
