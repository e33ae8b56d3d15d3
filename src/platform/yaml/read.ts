// YAML 1.2 core, bounded: no tags, no merge keys, no alias bombs, no duplicate keys. Every mistake comes with its line.
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, visit } from 'yaml';
import { CONFIG_ALIASES_MAX, CONFIG_BYTES_MAX, CONFIG_NESTING_MAX } from '#kernel/limits.ts';

export type Mistake = {
  readonly line: number;
  readonly column: number;
  /** Key path as written in the file. */
  readonly path: string;
  readonly message: string;
  readonly severity: 'error' | 'warning';
};
export type KeyPath = readonly (string | number)[];
export type YamlFile = {
  readonly value: Readonly<Record<string, unknown>>;
  /** Position of the value, or of the key where `key` is true. */
  readonly locate: (path: KeyPath, key?: boolean) => { readonly line: number; readonly column: number };
};
export type YamlRead = { readonly file: YamlFile } | { readonly mistakes: readonly Mistake[] };

export function readYaml(text: string): YamlRead {
  if (Buffer.byteLength(text) > CONFIG_BYTES_MAX) return only('is larger than 1 MiB');
  if (text.trim() === '') return only('is empty');
  // Before the parser: its recursion is as deep as the text.
  const deep = tooDeep(text);
  if (deep !== undefined) return only(`nesting is deeper than ${CONFIG_NESTING_MAX} levels`, deep);
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: true,
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
  });
  const [document] = Array.isArray(documents) ? documents : [];
  if (document === undefined) return only('is empty');
  if (Array.isArray(documents) && documents.length > 1) return only('holds more than one document');
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const mistakes = [...document.errors, ...document.warnings].map((error) =>
    mistake(at(error.pos[0]), plainWords(error.message)),
  );
  mistakes.push(...forbidden(document.contents, at));
  if (mistakes.length > 0) return { mistakes };
  if (!isMap(document.contents))
    return only(document.contents === null ? 'is empty' : 'must be a mapping at the top', 1);
  const root = document.contents;
  return {
    file: {
      value: document.toJS({ maxAliasCount: CONFIG_ALIASES_MAX }) as Record<string, unknown>,
      locate: (path, key = false) => at(offsetOf(root, path, key)),
    },
  };
}

const mistake = (at: { line: number; column: number }, message: string, path = ''): Mistake => ({
  ...at,
  path,
  message,
  severity: 'error',
});
const only = (message: string, line = 0): YamlRead => ({
  mistakes: [mistake({ line, column: 0 }, `the file ${message}`)],
});

function plainWords(message: string): string {
  if (/indent/i.test(message)) return message;
  if (/must end with|expected a closing|missing closing/i.test(message))
    return `unclosed bracket or quote: ${message}`;
  if (/tag/i.test(message)) return `tags are not supported: ${message}`;
  // The parser's words for a line that is pushed too far right.
  if (/mapping|compact|implicit/i.test(message)) return `${message} (check the indentation)`;
  return message;
}

function tooDeep(text: string): number | undefined {
  let depth = 0;
  let line = 1;
  for (const char of text) {
    if (char === '\n') line += 1;
    if (char === '[' || char === '{') depth += 1;
    if (char === ']' || char === '}') depth -= 1;
    if (depth > CONFIG_NESTING_MAX) return line;
  }
  return undefined;
}

function forbidden(
  contents: Node | null,
  at: (offset: number) => { line: number; column: number },
): Mistake[] {
  const found: Mistake[] = [];
  let aliases = 0;
  if (contents === null) return found;
  visit(contents, {
    Pair: (_key, pair) => {
      const name = isScalar(pair.key) ? String(pair.key.value) : '';
      const place = at((pair.key as Node | null)?.range?.[0] ?? 0);
      if (name === '<<')
        found.push(mistake(place, 'merge keys (<<) are not offered; write the keys out', '<<'));
      if (name === '__proto__') found.push(mistake(place, '__proto__ is no key', '__proto__'));
    },
    Node: (_key, node) => {
      const place = at(node.range?.[0] ?? 0);
      if (isAlias(node)) {
        aliases += 1;
        if (aliases > CONFIG_ALIASES_MAX / 4) found.push(mistake(place, 'too many alias expansions'));
      } else if (
        node.tag !== undefined &&
        !/^tag:yaml\.org,2002:(?:map|seq|str|int|float|bool|null)$/.test(node.tag)
      ) {
        found.push(mistake(place, `tag ${node.tag} is not supported`));
      }
    },
  });
  return found.slice(0, 20);
}

function offsetOf(root: Node, path: KeyPath, key: boolean): number {
  let node: Node | null = root;
  let offset = 0;
  for (const [at, step] of path.entries()) {
    const last = at === path.length - 1;
    if (isMap(node)) {
      const pair: { key: unknown; value: unknown } | undefined = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return offset;
      const keyOffset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
      offset = last && key ? keyOffset : (node?.range?.[0] ?? keyOffset);
    } else if (isSeq(node)) {
      node = (node.items[Number(step)] as Node | undefined) ?? null;
      offset = node?.range?.[0] ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}
