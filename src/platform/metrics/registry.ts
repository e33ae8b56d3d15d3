// Metrics in a registry of their own, in the text format of Prometheus. A label's value is always one of few known words.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { EVENT_LOOP_SAMPLE_MS } from '#kernel/limits.ts';

export type Named = { readonly name: string; readonly help: string };
type Labelled<Label extends string> = Named & { readonly labels: readonly Label[] };
type Labels<Label extends string> = Readonly<Record<Label, string>>;

export type Metrics = {
  readonly counter: <Label extends string>(
    of: Labelled<Label>,
  ) => (labels: Labels<Label>, by?: number) => void;
  /** `value` and `buckets` in the unit that the name ends with. */
  readonly histogram: <Label extends string>(
    of: Labelled<Label> & { readonly buckets: readonly number[] },
  ) => (labels: Labels<Label>, value: number) => void;
  /** `read` is asked whenever somebody looks. */
  readonly gauge: (of: Named, read: () => number) => void;
  readonly constant: (of: Named, labels: Readonly<Record<string, string>>) => void;
  /**
   * Memory, CPU, open files, delay of the event loop, garbage collection: under the names that dashboards know. Once, and not
   * while a start is waited for.
   */
  readonly watchProcess: () => void;
  readonly text: () => Promise<string>;
};

/** What `text` is, for the Content-Type header. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** How the package writes what the format calls NaN, such as the mean of nothing. */
const NOT_A_NUMBER = / Nan$/gm;

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    counter: ({ name, help, labels }) => {
      const counter = new Counter({ name, help, labelNames: [...labels], registers });
      return (given, by = 1) => counter.inc(given, by);
    },
    histogram: ({ name, help, labels, buckets }) => {
      const options = { name, help, labelNames: [...labels], buckets: [...buckets], registers };
      const histogram = new Histogram(options);
      return (given, value) => histogram.observe(given, value);
    },
    gauge: ({ name, help }, read) => {
      const gauge: Gauge = new Gauge({ name, help, registers, collect: (): void => gauge.set(read()) });
    },
    constant: ({ name, help }, labels) => {
      new Gauge({ name, help, labelNames: Object.keys(labels), registers }).set(labels, 1);
    },
    watchProcess: () =>
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS }),
    text: async () => (await registry.metrics()).replaceAll(NOT_A_NUMBER, ' NaN'),
  };
}
