import type { CounterCell, HistogramCell, Instruments, Labels } from '../framework/instruments.ts';
import { LabelBound } from './label-bound.ts';
import { BOUNDED_LABELS, fullName, METRICS, type Metric } from './metrics.ts';
import { Family, seriesKey } from './series.ts';

/** Values of a client-chosen label that are told apart; later ones become `other`. The reference's bound. */
const MAX_LABEL_VALUES = 1000;

/** A metric or label set that is not in the table of metrics: a mistake in the code that asks for it. */
class MetricError extends Error {
  override readonly name = 'MetricError';
}

/** What the page of metrics shows besides the canonical names. */
export interface RegistryOptions {
  /** Also show each metric under the name that the reference has deprecated, and those that have no other. */
  readonly deprecatedTwins: boolean;
}

/** Every metric of the process: hands out cells to count in and renders them as text. */
export class MetricRegistry implements Instruments {
  readonly #families = new Map<string, Family>();
  readonly #bounds = {
    model: new LabelBound(MAX_LABEL_VALUES),
    fairness: new LabelBound(MAX_LABEL_VALUES),
  } as const;
  /** Renders one family each, sorted by full name as scrapers' users expect. */
  readonly #pages: readonly (() => Generator<string>)[];

  constructor(options: RegistryOptions) {
    const pages: { readonly name: string; readonly render: () => Generator<string> }[] = [];
    for (const metric of METRICS) {
      const family = new Family(metric);
      const name = fullName(metric);
      this.#families.set(metric.name, family);
      if (options.deprecatedTwins || metric.replacedBy === undefined) {
        pages.push({ name, render: () => family.render(name) });
      }
      if (options.deprecatedTwins && metric.twin !== undefined) {
        pages.push({ name: metric.twin.name, render: () => family.renderTwin(name) });
      }
    }
    pages.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#pages = pages.map((page) => page.render);
  }

  counter(name: string, labels: Labels): CounterCell {
    const family = this.#family(name, 'counter');
    return family.counter(this.#bounded(family.metric, labels));
  }

  histogram(name: string, labels: Labels): HistogramCell {
    const family = this.#family(name, 'histogram');
    return family.histogram(this.#bounded(family.metric, labels));
  }

  /** Registrations whose client-chosen labels fell together as `other` are summed. */
  gauge(name: string, labels: Labels, read: () => number): () => void {
    return this.#gauge(name, labels, read, '');
  }

  /**
   * The same metrics for one of many parts of the process that do not know of each other: where two of them register a
   * gauge with the same labels, it shows their sum.
   */
  forPart(part: string): Instruments {
    return {
      counter: (name, labels) => this.counter(name, labels),
      histogram: (name, labels) => this.histogram(name, labels),
      gauge: (name, labels, read) => this.#gauge(name, labels, read, part),
    };
  }

  #gauge(name: string, labels: Labels, read: () => number, part: string): () => void {
    const family = this.#family(name, 'gauge');
    const owner = seriesKey([...valuesOf(family.metric, labels), part]);
    return family.gauge(this.#bounded(family.metric, labels), owner, read);
  }

  /** `value` as metrics may show it: itself, or `other` when the label has too many values. */
  admit(label: 'model' | 'fairness', value: string): string {
    return this.#bounds[label].admit(value);
  }

  /** Always shows this model by its name; for models that the operator configured. */
  pinModel(name: string): void {
    this.#bounds.model.pin(name);
  }

  /** The page in pieces of bounded size, so that whoever sends it can let other work run in between. */
  *render(): Generator<string> {
    for (const page of this.#pages) yield* page();
  }

  #family(name: string, type: Metric['type']): Family {
    const family = this.#families.get(name);
    if (family === undefined) throw new MetricError(`metric ${name} is not in the table`);
    if (family.metric.type !== type) {
      throw new MetricError(`metric ${name} is a ${family.metric.type}, not a ${type}`);
    }
    return family;
  }

  #bounded(metric: Metric, labels: Labels): readonly string[] {
    return valuesOf(metric, labels).map((value, i) => {
      const bound = BOUNDED_LABELS.get(metric.labels[i] ?? '');
      return bound === undefined ? value : this.#bounds[bound].admit(value);
    });
  }
}

/** Label values in the order of the table. Throws when the names differ from the table's. */
function valuesOf(metric: Metric, labels: Labels): readonly string[] {
  const values: string[] = [];
  for (const name of metric.labels) {
    const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
    if (value !== undefined) values.push(value);
  }
  if (values.length !== metric.labels.length || Object.keys(labels).length !== values.length) {
    throw new MetricError(
      `metric ${metric.name}: got labels ${Object.keys(labels).join()}, want ${metric.labels.join()}`,
    );
  }
  return values;
}
