// YAML 1.2 core, bounded: no tags, no merge keys, no alias bombs, no duplicate keys. Every mistake comes with its line.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
  visit,
} from 'yaml';
import {
  CONFIG_ALIASES_MAX,
  CONFIG_ALIASES_WRITTEN_MAX,
  CONFIG_BYTES_MAX,
  CONFIG_MISTAKES_MAX,
  CONFIG_NESTING_MAX,
} from '#kernel/limits.ts';

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
  const said = [...document.errors, ...document.warnings].map((error) => {
    const place = at(error.pos[0]);
    const message = plainWords(error.message);
    return mistake(isIndentation(message) ? deeperLine(text, place) : place, message);
  });
  // One slip of indentation makes several sentences of the parser; the first is enough.
  const mistakes = said.filter(({ line }, index) => said.findIndex((one) => one.line === line) === index);
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

const ODD_INDENTATION = 'odd indentation';

const mistake = (at: { line: number; column: number }, message: string, path = ''): Mistake => ({
  ...at,
  path,
  message,
  severity: 'error',
});
const only = (message: string, line = 0): YamlRead => ({
  mistakes: [mistake({ line, column: 0 }, `the file ${message}`)],
});

const isIndentation = (message: string): boolean => message.startsWith(ODD_INDENTATION);

function plainWords(message: string): string {
  if (/ end with |expected a closing|missing closing/i.test(message))
    return `unclosed bracket or quote: ${message}`;
  if (/tag/i.test(message)) return `tags are not supported: ${message}`;
  // The parser's words for a line that is pushed too far right.
  return /mapping|compact|implicit|indent/i.test(message) ? `${ODD_INDENTATION}: ${message}` : message;
}

/** The parser names the line before the one that was pushed to the right. */
function deeperLine(text: string, place: { line: number; column: number }): typeof place {
  const lines = text.split('\n');
  const indentation = (line: string): number => line.length - line.trimStart().length;
  const own = indentation(lines[place.line - 1] ?? '');
  const next = lines.findIndex((line, index) => index >= place.line && line.trim() !== '');
  const deeper = next < 0 ? 0 : indentation(lines[next] ?? '');
  return deeper > own ? { line: next + 1, column: deeper + 1 } : place;
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

type Locate = (offset: number) => { readonly line: number; readonly column: number };

/** YAML 1.1 reads these as true and false, YAML 1.2 as text: whoever wrote one bare may mean either. */
const OLD_BOOLEAN_KEY = /^(?:yes|no|y|n|on|off)$/i;
/** As values `on` and `off` are settings of ours. */
const OLD_BOOLEAN_VALUE = /^(?:yes|no|y|n)$/i;
const CORE_TAG = /^tag:yaml\.org,2002:(?:map|seq|str|int|float|bool|null)$/;

/** What the syntax allows and this file may not hold. */
function forbidden(contents: Node | null, at: Locate): Mistake[] {
  const found: Mistake[] = [];
  let aliases = 0;
  if (contents === null) return found;
  visit(contents, {
    Pair: (_key, pair) => {
      const place = at((pair.key as Node | null)?.range?.[0] ?? 0);
      const name = isScalar(pair.key) ? String(pair.key.value) : '';
      const value = isPlain(pair.value) ? pair.value : undefined;
      if (name === '<<')
        found.push(mistake(place, 'merge keys (<<) are not offered; write the keys out', '<<'));
      if (name === '__proto__') found.push(mistake(place, '__proto__ is no key', '__proto__'));
      if (isPlain(pair.key) && OLD_BOOLEAN_KEY.test(name)) found.push(mistake(place, quoteIt(name), name));
      if (value !== undefined && OLD_BOOLEAN_VALUE.test(String(value.value)))
        found.push(mistake(at(value.range?.[0] ?? 0), quoteIt(String(value.value)), name));
    },
    Seq: (_key, list) => {
      for (const item of list.items)
        if (isPlain(item) && OLD_BOOLEAN_VALUE.test(String(item.value)))
          found.push(mistake(at(item.range?.[0] ?? 0), quoteIt(String(item.value))));
    },
    Node: (_key, node) => {
      const place = at(node.range?.[0] ?? 0);
      if (isAlias(node)) {
        aliases += 1;
        if (aliases > CONFIG_ALIASES_WRITTEN_MAX) found.push(mistake(place, 'too many alias expansions'));
      } else if (node.tag !== undefined && !CORE_TAG.test(node.tag)) {
        found.push(mistake(place, `tag ${node.tag} is not supported`));
      }
    },
  });
  return found.slice(0, CONFIG_MISTAKES_MAX);
}

const isPlain = (node: unknown): node is Scalar => isScalar(node) && node.type === 'PLAIN';

const quoteIt = (word: string): string =>
  `${word} is read as a truth value by some YAML readers; quote it, or write true or false`;

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
