// Source files as the architecture test sees them: code with comments and texts blanked out, imports, texts, functions.
// Positions and line breaks stay, so that a find in the blanked code names the real line.
import { readdirSync, readFileSync } from 'node:fs';

export type Source = {
  /** Path below the root of the repository. */
  readonly path: string;
  readonly text: string;
  /** The text with the contents of comments, strings, templates and regular expressions replaced by blanks. */
  readonly code: string;
  /** Contents of strings and of the fixed parts of templates. */
  readonly literals: readonly Literal[];
  readonly imports: readonly string[];
  readonly lines: number;
};
export type Literal = { readonly line: number; readonly text: string };
export type Block = {
  readonly line: number;
  readonly lines: number;
  readonly kind: 'function' | 'control' | 'other';
  /** Control blocks around and including this one, up to the function. */
  readonly nesting: number;
};

const PARTS =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"|`|\/|[{}]|[A-Za-z_$][\w$]*|[^\s]/g;
/** After these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEX = /^(?:[(,=:[!&|?{};+\-*%<>~^}]|return|typeof|case|of|in|await|)$/;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** Over blanked code: what stands between the quotes is blank. */
const IMPORT = /(?:^(?:import|export)\b[^;'"=]*?\bfrom\s*|^import\s*|\bimport\(\s*)(['"]) *\1/gm;
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;

export function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const { code, literals } = blank(text);
  const imports = [...code.matchAll(IMPORT)].map(({ 0: found, index }) =>
    text.slice(index, index + found.length - 1).replace(/^[\s\S]*['"]/, ''),
  );
  return { path, text, code, literals, imports, lines: text.split('\n').length - 1 };
}

export function sourcesBelow(folder: string): readonly Source[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|tsx|mts|cts)$/.test(entry.name))
    .map((entry) => readSource(`${entry.parentPath}/${entry.name}`))
    .sort((a, b) => a.path.localeCompare(b.path));
}

export function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

/** Exported for its own test. */
export function blank(text: string): { code: string; literals: Literal[] } {
  // By code unit, as the positions of a match count.
  const code = text.split('');
  const literals: Literal[] = [];
  const templates: number[] = [];
  let depth = 0;
  let before = '';
  const erase = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) if (code[at] !== '\n') code[at] = ' ';
  };
  const literal = (from: number, to: number): void => {
    literals.push({ line: lineAt(text, from), text: text.slice(from, to) });
    erase(from, to);
  };
  /** Reads the fixed part of a template from `from`; answers where code goes on. */
  const template = (from: number): number => {
    TEMPLATE.lastIndex = from;
    const to = from + (TEMPLATE.exec(text)?.[0].length ?? 0);
    literal(from, to);
    if (text[to] === '`') return to + 1;
    templates.push(depth);
    depth += 1;
    return to + 2;
  };
  PARTS.lastIndex = 0;
  for (let part = PARTS.exec(text); part !== null; part = PARTS.exec(text)) {
    const [token] = part;
    const [from, to] = [part.index, part.index + token.length];
    if (token.startsWith('//') || token.startsWith('/*')) {
      erase(from, to);
      continue;
    }
    if (/^['"]/.test(token)) literal(from + 1, to - 1);
    else if (token === '`') PARTS.lastIndex = template(to);
    else if (token === '/' && BEFORE_REGEX.test(before)) {
      REGEX.lastIndex = from;
      const length = REGEX.exec(text)?.[0].length ?? 1;
      erase(from + 1, from + length - 1);
      PARTS.lastIndex = from + length;
    } else if (token === '{') depth += 1;
    else if (token === '}') {
      depth -= 1;
      if (templates.at(-1) === depth) {
        templates.pop();
        PARTS.lastIndex = template(to);
      }
    }
    before = /^['"`]/.test(token) ? 'x' : token;
  }
  return { code: code.join(''), literals };
}

const CONTROL =
  /\b(?:if|for|while|switch|catch)\s*(?:await\s*)?\(.*\)\s*$|\b(?:else|try|do|finally|catch)\s*$/s;

/** Every brace block with its kind, from the words before its brace. */
export function blocksOf(code: string): readonly Block[] {
  const open: { at: number; kind: Block['kind']; nesting: number }[] = [];
  const blocks: Block[] = [];
  for (const { 0: char, index: at } of code.matchAll(/[{}]/g)) {
    if (char === '{') {
      const outer = open.at(-1);
      const kind = kindOf(code.slice(Math.max(0, at - 2000), at));
      const around = kind === 'function' ? 0 : (outer?.nesting ?? 0);
      open.push({ at, kind, nesting: around + (kind === 'control' ? 1 : 0) });
      continue;
    }
    const begun = open.pop();
    if (begun === undefined) continue;
    const line = lineAt(code, begun.at);
    blocks.push({ ...begun, line, lines: lineAt(code, at) - line + 1 });
  }
  return blocks;
}

function kindOf(before: string): Block['kind'] {
  const head = before.trimEnd();
  if (head.endsWith('=>') || head.endsWith('=> (') || head.endsWith('=>(')) return 'function';
  if (/\b(?:else|try|do|finally|catch)$/.test(head)) return 'control';
  // `name(…): Type {` and `function name(…) {`: what stands between the last closing bracket and the brace is a type.
  const closing = head.lastIndexOf(')');
  if (closing < 0 || !/^\)\s*(?::\s*[\w$.<>[\]|&,\s'"]*)?$/.test(head.slice(closing))) return 'other';
  const opening = matching(head, closing);
  const word = /([\w$#]+)\s*$/.exec(head.slice(0, opening).replace(/\bawait\s*$/, ''))?.[1] ?? '';
  if (CONTROL.test(`${word}()`)) return 'control';
  return /[\w$#>]\s*$/.test(head.slice(0, opening)) ? 'function' : 'other';
}

function matching(text: string, closing: number): number {
  let depth = 0;
  for (let at = closing; at >= 0; at -= 1) {
    if (text[at] === ')') depth += 1;
    if (text[at] === '(') depth -= 1;
    if (depth === 0) return at;
  }
  return 0;
}

export type Parameters = { readonly line: number; readonly list: readonly string[] };

/** Parameters of every declared function and of every arrow function that has a name. */
export function parametersOf(code: string): readonly Parameters[] {
  const heads = /\bfunction\s*\*?\s*[\w$]+(?:<[^(]*>)?\s*(\()|\bconst [\w$]+\s*=\s*(?:async )?(\()/g;
  return [...code.matchAll(heads)].flatMap((head) => {
    const at = head.index + head[0].length - 1;
    const end = closingOf(code, at);
    const arrow = /^\s*(?::[^=;]*)?=>/.test(code.slice(end + 1));
    if (head[2] !== undefined && !arrow) return [];
    return [{ line: lineAt(code, at), list: splitAtCommas(code.slice(at + 1, end)) }];
  });
}

export function closingOf(code: string, opening: number): number {
  let depth = 0;
  for (let at = opening; at < code.length; at += 1) {
    if (code[at] === '(') depth += 1;
    if (code[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return code.length;
}

function splitAtCommas(text: string): readonly string[] {
  const parts = [''];
  let depth = 0;
  for (const char of text.replaceAll('=>', '  ')) {
    if ('([{<'.includes(char)) depth += 1;
    if (')]}>'.includes(char)) depth -= 1;
    if (char === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}
