import { type Endpoint, EndpointMetrics, staleAfterMs } from '../framework/endpoint.ts';

/**
 * Sets what filters and scorers will read of each candidate. An endpoint scraped at most `stalenessMs` ago, or
 * whose next scrape is not late, is read as scraped. Any other gets a cautious estimate, so that one nobody heard of never looks idle beside one that
 * reports:
 *
 *   waitingQueueSize    = max(max waiting over the fresh candidates, own in-flight requests)
 *   runningRequestsSize = max(max running over the fresh candidates, own in-flight requests)
 *   kvCacheUsage        = max(own last value, max over the fresh candidates)
 *   adapters, cache     = own last values
 *
 * With nobody fresh, this picker's own in-flight counts decide. The in-flight count is taken whole in both sums:
 * which of those requests the endpoint had already counted at its last scrape is unknown, and an estimate that is
 * too high only lasts until the next scrape. `stalenessMs` Infinity trusts every value forever, as llm-d-router does.
 *
 * One loop and no allocation while all are fresh; an endpoint keeps one estimate object for as long as it is stale.
 * Call it synchronously before scheduling: the estimates depend on the candidates.
 */
export function refreshLoadViews(candidates: readonly Endpoint[], nowMs: number, stalenessMs: number): void {
  let waiting = 0;
  let running = 0;
  let kvCacheUsage = 0;
  let hasStale = false;
  for (const candidate of candidates) {
    const scraped = candidate.scraped;
    if (nowMs - scraped.updatedAtMs <= staleAfterMs(candidate, stalenessMs)) {
      candidate.isFresh = true;
      candidate.metrics = scraped;
      if (scraped.waitingQueueSize > waiting) waiting = scraped.waitingQueueSize;
      if (scraped.runningRequestsSize > running) running = scraped.runningRequestsSize;
      if (scraped.kvCacheUsage > kvCacheUsage) kvCacheUsage = scraped.kvCacheUsage;
    } else {
      candidate.isFresh = false;
      hasStale = true;
    }
  }
  if (!hasStale) return;
  for (const candidate of candidates) {
    if (candidate.isFresh) continue;
    const scraped = candidate.scraped;
    if (candidate.metrics === scraped) candidate.metrics = new EndpointMetrics();
    const estimate = candidate.metrics;
    const inFlight = candidate.inFlightRequests;
    estimate.waitingQueueSize = Math.max(waiting, inFlight);
    estimate.runningRequestsSize = Math.max(running, inFlight);
    estimate.kvCacheUsage = Math.max(scraped.kvCacheUsage, kvCacheUsage);
    estimate.activeModels = scraped.activeModels;
    estimate.waitingModels = scraped.waitingModels;
    estimate.maxActiveModels = scraped.maxActiveModels;
    estimate.cacheBlockSize = scraped.cacheBlockSize;
    estimate.cacheNumBlocks = scraped.cacheNumBlocks;
    estimate.updatedAtMs = scraped.updatedAtMs;
  }
}
