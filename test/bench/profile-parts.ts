// A CPU profile of V8, summed up by the part of the program that the time was spent in: libraries, Node's own layers, our
// folders, the database, the collector. Pure: what a profile says is tested without one being made.

export type CallFrame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };
export type ProfileNode = {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
};
/** As V8 writes it; times in µs of the monotonic clock. */
export type CpuProfile = {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};
/** Between two moments of the monotonic clock, in µs, in which so many calls were answered. */
export type Period = { readonly fromUs: number; readonly toUs: number; readonly calls: number };
export type Share = { readonly name: string; readonly percent: number; readonly usPerCall: number };
export type ThreadProfile = {
  readonly thread: string;
  readonly parts: readonly Share[];
  /** What costs most, as `function file:line`, each without what it calls. */
  readonly functions: readonly Share[];
};

const PART_BY_URL: readonly (readonly [RegExp, string])[] = [
  [/node_modules\/undici\//, 'undici'],
  [/node_modules\/(?:express|router|path-to-regexp|body-parser|send|on-finished|ee-first)\//, 'express'],
  [/node_modules\/@modelcontextprotocol\//, 'MCP SDK'],
  [/node_modules\/(?:libsodium|libsodium-wrappers)\/|^wasm:/, 'libsodium'],
  [/node_modules\/better-sqlite3\//, 'sqlite'],
  [/node_modules\/((?:@[^/]+\/)?[^/]+)\//, 'library $1'],
  [/^node:(?:_http|http|internal\/http)/, 'node: http'],
  [/^node:(?:net|_stream|stream|internal\/(?:streams|stream_base|net))/, 'node: sockets and streams'],
  [/^node:(?:crypto|internal\/crypto)/, 'node: crypto'],
  [/^node:(?:buffer|internal\/buffer|string_decoder)/, 'node: buffers'],
  [
    /^node:(?:worker_threads|internal\/(?:worker|per_context\/messageport))/,
    'node: messages between threads',
  ],
  [/^node:(?:timers|internal\/(?:timers|process\/task_queues|process\/promises))/, 'node: timers and tasks'],
  [/^node:(?:events|internal\/(?:event_target|abort_controller))/, 'node: events and signals'],
  [/^node:/, 'node: other'],
  [/\/src\/(kernel|platform|features|pipeline|surfaces)\/([^/]+)\/[^/]+\.ts$/, 'ours: $1/$2'],
  [/\/src\/(kernel|pipeline)\/[^/]+\.ts$/, 'ours: $1'],
  [/\/src\//, 'ours: root'],
];
const PART_BY_NAME = new Map([
  ['(garbage collector)', 'garbage collector'],
  ['(idle)', 'idle'],
  ['(program)', 'engine and system calls'],
  ['(root)', 'engine and system calls'],
  ['postMessage', 'node: messages between threads'],
]);
const STORAGE = /\/src\/platform\/storage\//;
const FUNCTIONS_SHOWN = 25;

/** What native code is part of is said by whoever called it; the database's is called by our storage. */
function partOf({ callFrame }: ProfileNode, parent: ProfileNode | undefined, parentPart: string): string {
  const { url, functionName } = callFrame;
  const byName = PART_BY_NAME.get(functionName);
  if (byName !== undefined) return byName;
  if (url === '') return parent !== undefined && STORAGE.test(parent.callFrame.url) ? 'sqlite' : parentPart;
  for (const [pattern, name] of PART_BY_URL) {
    const find = pattern.exec(url);
    if (find !== null) return name.replace('$1', find[1] ?? '').replace('$2', find[2] ?? '');
  }
  return 'other';
}

const place = ({ functionName, url, lineNumber }: CallFrame): string => {
  const file = url.replace(/^.*\/(?=src\/|node_modules\/)/, '').replace(/^node_modules\//, '');
  return `${functionName === '' ? '(anonymous)' : functionName} ${file}${file === '' ? '' : `:${lineNumber + 1}`}`;
};

/** Part of every node, from the root down. */
function partsOf(nodes: readonly ProfileNode[]): Map<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(
    nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)),
  );
  const parts = new Map<number, string>();
  const find = (node: ProfileNode): string => {
    const known = parts.get(node.id);
    if (known !== undefined) return known;
    const parent = parents.get(node.id);
    const part = partOf(node, parent, parent === undefined ? 'engine and system calls' : find(parent));
    parts.set(node.id, part);
    return part;
  };
  for (const node of byId.values()) find(node);
  return parts;
}

/** Self time of every node in the period, in µs. */
function selfTimes(
  { samples, timeDeltas, startTime }: CpuProfile,
  { fromUs, toUs }: Period,
): Map<number, number> {
  const times = new Map<number, number>();
  let now = startTime;
  samples.forEach((id, at) => {
    const delta = timeDeltas[at] ?? 0;
    now += delta;
    if (now >= fromUs && now <= toUs) times.set(id, (times.get(id) ?? 0) + delta);
  });
  return times;
}

function shares(times: ReadonlyMap<string, number>, calls: number): Share[] {
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .map(([name, time]) => ({ name, percent: (100 * time) / total, usPerCall: time / calls }))
    .sort((a, b) => b.percent - a.percent);
}

export function threadProfile(thread: string, profile: CpuProfile, period: Period): ThreadProfile {
  const parts = partsOf(profile.nodes);
  const byPart = new Map<string, number>();
  const byFunction = new Map<string, number>();
  const times = selfTimes(profile, period);
  for (const { id, callFrame } of profile.nodes) {
    const time = times.get(id) ?? 0;
    const part = parts.get(id) ?? 'other';
    byPart.set(part, (byPart.get(part) ?? 0) + time);
    const name = place(callFrame);
    byFunction.set(name, (byFunction.get(name) ?? 0) + time);
  }
  const hasTime = ({ percent }: Share): boolean => percent > 0;
  return {
    thread,
    parts: shares(byPart, period.calls).filter(hasTime),
    functions: shares(byFunction, period.calls).filter(hasTime).slice(0, FUNCTIONS_SHOWN),
  };
}
