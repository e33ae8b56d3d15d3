// A strict reader of the Prometheus text format 0.0.4: every line must be one that the format knows, every sample belong
// to a described metric, and a histogram be whole. What a lenient scraper would forgive is an error here.
const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (NaN|[+-]?(?:Inf|\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?))$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
const TYPES = ['counter', 'gauge', 'histogram'];
const SUFFIXES = /_(?:bucket|sum|count)$/;

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};
export type Exposition = {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** Sum over all samples of this name that carry these labels; `undefined` where there is none. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;
};

export function readExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const help = new Set<string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.split('\n').slice(0, -1)) {
    if (line === '') continue;
    if (line.startsWith('#')) readComment(line, { types, help });
    else samples.push(readSample(line, types, seen));
  }
  for (const name of types.keys()) if (!help.has(name)) throw new Error(`${name} has no HELP`);
  checkHistograms(types, samples);
  const value: Exposition['value'] = (name, labels = {}) => {
    const hits = samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, wanted]) => sample.labels[label] === wanted),
    );
    return hits.length === 0 ? undefined : hits.reduce((sum, hit) => sum + hit.value, 0);
  };
  return { types, samples, value };
}

function readComment(line: string, at: { types: Map<string, string>; help: Set<string> }): void {
  const [, kind, name = '', rest = ''] = COMMENT.exec(line) ?? [];
  if (kind === undefined) throw new Error(`no comment of the format: ${line}`);
  if (kind === 'HELP') {
    if (at.help.has(name)) throw new Error(`${name} is described twice`);
    at.help.add(name);
    return;
  }
  if (at.types.has(name)) throw new Error(`${name} has two types`);
  if (!TYPES.includes(rest)) throw new Error(`${name} is a ${rest}`);
  at.types.set(name, rest);
}

function readSample(line: string, types: ReadonlyMap<string, string>, seen: Set<string>): Sample {
  const [, name = '', labelText = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (name === '') throw new Error(`no sample of the format: ${line}`);
  const family =
    types.get(name) ?? (types.get(name.replace(SUFFIXES, '')) === 'histogram' ? 'histogram' : undefined);
  if (family === undefined) throw new Error(`${name} has no TYPE before its first sample`);
  const labels = readLabels(labelText, line);
  const id = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
  if (seen.has(id)) throw new Error(`the same series twice: ${line}`);
  seen.add(id);
  const number = Number(value.replace('Inf', 'Infinity'));
  if (family === 'counter' && !(number >= 0)) throw new Error(`a counter that is no count: ${line}`);
  return { name, labels, value: number };
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [whole, label = '', value = ''] = LABEL.exec(text) ?? [];
    if (whole === undefined) throw new Error(`labels that cannot be read: ${line}`);
    if (Object.hasOwn(labels, label)) throw new Error(`label ${label} twice: ${line}`);
    labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

/** Per series: buckets that grow, the last of them +Inf, and as many as the count says. */
function checkHistograms(types: ReadonlyMap<string, string>, samples: readonly Sample[]): void {
  for (const [name, type] of types) {
    if (type !== 'histogram') continue;
    const seriesOf = ({ labels: { le: _, ...rest } }: Sample): string =>
      JSON.stringify(Object.entries(rest).sort());
    const buckets = Map.groupBy(
      samples.filter((one) => one.name === `${name}_bucket`),
      seriesOf,
    );
    for (const [series, list] of buckets) {
      const bounds = list.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity')));
      const counts = list.map(({ value }) => value);
      const grows = (numbers: readonly number[], least: number): boolean =>
        numbers.every((one, at) => at === 0 || one - (numbers[at - 1] ?? 0) > least);
      const count = samples.find((one) => one.name === `${name}_count` && seriesOf(one) === series)?.value;
      const sum = samples.find((one) => one.name === `${name}_sum` && seriesOf(one) === series)?.value;
      if (!grows(bounds, 0) || !grows(counts, -1) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
        throw new Error(`${name} ${series} has odd buckets`);
      if (count !== counts.at(-1) || sum === undefined) throw new Error(`${name} ${series} is not whole`);
    }
  }
}
