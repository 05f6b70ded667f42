import { parseMetricSpec } from '../../../util/metric-spec.ts';
import { PageScanner } from '../../../util/prometheus-text.ts';
import type { SeriesPick } from './scalar-pick.ts';

/** A pick and the labels a sample must have to be offered to it. */
interface Target {
  readonly labels: readonly { readonly name: Buffer; readonly value: Buffer }[];
  readonly pick: SeriesPick;
}

/**
 * Reads several metrics off a page in one pass. Fill it with `add`, then `read` any number of pages; what the picks
 * say counts until the next page.
 */
export class PageReader {
  readonly #picks: SeriesPick[] = [];
  /** By name index of the scanner. */
  readonly #targets: Target[][] = [];
  readonly #names: string[] = [];
  #scanner: PageScanner | undefined = undefined;

  /**
   * Offers `pick` every sample that `specText` selects, and returns it; one of an empty text never finds anything.
   * Throws `MetricSpecError`.
   */
  add<Pick extends SeriesPick>(specText: string, pick: Pick): Pick {
    const spec = parseMetricSpec(specText);
    if (spec === undefined) return pick;
    this.#scanner = undefined;
    this.#picks.push(pick);
    let name = this.#names.indexOf(spec.name);
    if (name < 0) {
      name = this.#names.push(spec.name) - 1;
      this.#targets.push([]);
    }
    const labels = spec.labels.map((label) => ({
      name: Buffer.from(label.name),
      value: Buffer.from(label.value),
    }));
    this.#targets[name]?.push({ labels, pick });
    return pick;
  }

  /** Reads the whole page. Throws `PageError` when it is malformed. */
  read(page: Uint8Array): void {
    for (const pick of this.#picks) pick.reset();
    this.#scanner ??= new PageScanner(this.#names);
    const scanner = this.#scanner;
    scanner.open(page);
    for (let name = scanner.next(); name >= 0; name = scanner.next()) {
      for (const { labels, pick } of this.#targets[name] ?? []) {
        if (hasLabels(scanner, labels)) pick.offer(scanner);
      }
    }
  }
}

function hasLabels(scanner: PageScanner, labels: Target['labels']): boolean {
  for (const label of labels) if (!scanner.hasLabel(label.name, label.value)) return false;
  return true;
}
