import type { Endpoint } from './endpoint.ts';

/** Says how full a set of endpoints is. */
export interface SaturationDetector {
  /** 0 idle, 1 full, above 1 overloaded (not clamped); 1 for no endpoints. `nowMs`: `Clock.nowMs()`. */
  saturation(endpoints: readonly Endpoint[], nowMs: number): number;
}
