/** One query of a panel. `SEL` stands for the labels that the dashboard's variables choose. */
export interface Query {
  readonly expr: string;
  /** Of Grafana: `{{label}}` is replaced. */
  readonly legend: string;
}

/** Quantiles of a histogram over all series, a query each. */
export function quantiles(metric: string, labels = 'SEL'): readonly Query[] {
  return [0.5, 0.9, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (rate(llm_d_epp_${metric}_bucket{${labels}}[$__rate_interval])))`,
    legend: `p${quantile * 100}`,
  }));
}

/** The 99th percentile of a histogram for each value of a label. */
export function tail(metric: string, label: string): Query {
  return {
    expr: `histogram_quantile(0.99, sum by (le, ${label}) (rate(llm_d_epp_${metric}_bucket{SEL}[$__rate_interval])))`,
    legend: `{{${label}}}`,
  };
}

/** Rate of a counter, added up but for a label. */
export function rate(counter: string, label: string): Query {
  return {
    expr: `sum by (${label}) (rate(llm_d_epp_${counter}{SEL}[$__rate_interval]))`,
    legend: `{{${label}}}`,
  };
}

/** Mean of what a histogram observed. */
export function mean(metric: string, label: string): Query {
  const of = (part: string) => `sum by (${label}) (rate(llm_d_epp_${metric}_${part}{SEL}[$__rate_interval]))`;
  return { expr: `${of('sum')} / ${of('count')}`, legend: `{{${label}}}` };
}

/** A gauge of the pool, which every replica has: the largest of them. */
export function pool(gauge: string, legend: string): Query {
  return { expr: `max by (name) (llm_d_epp_${gauge}{SEL})`, legend: `{{name}} ${legend}` };
}

/** Mean of a gauge of the pool, with one standard deviation to either side. */
export function spread(gauge: string): readonly Query[] {
  return [
    pool(`average_${gauge}`, 'mean'),
    {
      expr: `max by (name) (llm_d_epp_average_${gauge}{SEL} + llm_d_epp_std_dev_${gauge}{SEL})`,
      legend: '{{name}} +1σ',
    },
    {
      expr: `max by (name) (clamp_min(llm_d_epp_average_${gauge}{SEL} - llm_d_epp_std_dev_${gauge}{SEL}, 0))`,
      legend: '{{name}} −1σ',
    },
  ];
}
