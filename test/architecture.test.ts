// The house stands as src/README.md draws it: layers, rooms, where SQL, time, chance, process and dialling may be, sizes.
// Every check reads the source text; none knows a file by name unless the rule does.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import {
  blank,
  blocksOf,
  lineAt,
  parametersOf,
  type Source,
  sourcesBelow,
} from '#test/support/source-text.ts';

process.chdir(new URL('..', import.meta.url).pathname);

const FILE_LINES_MAX = 400;
const TEST_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;
const NESTING_MAX = 3;
const POSITIONAL_MAX = 2;
const OPENING_COMMENT_LINES_MAX = 4;

const sources = sourcesBelow('src');
const tests = sourcesBelow('test').filter(({ path }) => !path.startsWith('test/corpus/'));
const everything = [...sources, ...tests];

/** Fails with every find, one a line, so that one run shows all there is to mend. */
function none(finds: readonly string[], rule: string): void {
  assert.equal(finds.length, 0, `${rule}:\n  ${finds.join('\n  ')}`);
}

function findInCode(pattern: RegExp, where: (path: string) => boolean, among = sources): string[] {
  return among
    .filter(({ path }) => where(path))
    .flatMap(({ path, code }) =>
      [...code.matchAll(pattern)].map((find) => `${path}:${lineAt(code, find.index)}: ${find[0].trim()}`),
    );
}

function findInLiterals(pattern: RegExp, where: (path: string) => boolean): string[] {
  return sources
    .filter(({ path }) => where(path))
    .flatMap(({ path, literals }) =>
      literals.filter(({ text }) => pattern.test(text)).map(({ line, text }) => `${path}:${line}: ${text}`),
    );
}

const findImports = (pattern: RegExp, where: (path: string) => boolean): string[] =>
  sources
    .filter(({ path }) => where(path))
    .flatMap(({ path, imports }) =>
      imports.filter((name) => pattern.test(name)).map((name) => `${path}: ${name}`),
    );

type Layer = { readonly members: readonly string[]; readonly mayImport: readonly string[] | 'everything' };

function readLayers(): readonly Layer[] {
  const rows = readFileSync('src/README.md', 'utf8').matchAll(/^\| *\d+ *\|([^|\n]+)\|([^|\n]+)\|$/gm);
  return [...rows].map(([, members = '', may = '']) => ({
    members: members.trim().split(/[\s,]+/),
    mayImport:
      may.trim() === 'everything'
        ? 'everything'
        : may
            .trim()
            .split(/[\s,–]+/)
            .filter(Boolean),
  }));
}
const layers = readLayers();

/** `features` of src/features/keys/store.ts, `main.ts` of src/main.ts. */
const memberOf = (path: string): string => path.split('/')[1] ?? '';
const layerOf = (path: string): Layer | undefined =>
  layers.find(({ members }) => members.includes(memberOf(path)));

/** Path below the root of what an import inside our own code names; undefined for a package. */
function target(from: string, name: string): string | undefined {
  if (name.startsWith('#')) return `src/${name.slice(1)}`;
  return name.startsWith('.') ? posix.join(posix.dirname(from), name) : undefined;
}

type Edge = { readonly from: string; readonly name: string; readonly to: string };

const edges: readonly Edge[] = sources.flatMap(({ path, imports }) =>
  imports.flatMap((name) => {
    const to = target(path, name);
    return to === undefined ? [] : [{ from: path, name, to }];
  }),
);

/** Functions with three positional parameters that wait for a mend. */
const CROWDED_FUNCTIONS_LEFT = 21;

describe('the reader of sources', () => {
  it('blanks comments, texts and regular expressions, and nothing else', () => {
    const text = `const a = /[/"]x/.test(\`b\${c("d")}e\`); // f\nconst g = 1 / 2 / h; /* i */`;
    const { code, literals } = blank(text);
    assert.equal(code.length, text.length);
    assert.equal(code.replace(/\s+/g, ''), `consta=//.test(\`\${c("")}\`);constg=1/2/h;`);
    assert.deepEqual(
      literals.map((literal) => literal.text),
      ['b', 'd', 'e'],
    );
  });

  it('tells functions from control blocks, objects and types, and counts parameters', () => {
    const code = [
      'function one(a: A, b: B): Result<C> {',
      '  if (a) {',
      '    for (const c of b) {',
      '      use({ c });',
      '    }',
      '  }',
      '}',
      'const two = (a: A, b: (x: X, y: Y) => B, c: C): D => {',
      '};',
    ].join('\n');
    const kinds = blocksOf(code).map(({ kind, nesting, lines }) => `${kind} ${nesting} ${lines}`);
    assert.deepEqual(kinds, ['other 2 1', 'control 2 3', 'control 1 5', 'function 0 7', 'function 0 2']);
    assert.deepEqual(
      parametersOf(code).map(({ list }) => list.length),
      [2, 3],
    );
  });
});

describe('layers', () => {
  it('has a table that names every folder and file of src', () => {
    const present = readdirSync('src').filter((name) => !name.endsWith('.md'));
    const named = layers.flatMap(({ members }) => members);
    assert.deepEqual(present.sort(), named.toSorted());
  });

  it('imports only what its layer allows', () => {
    const forbidden = edges.filter(({ from, to }) => {
      const may = layerOf(from)?.mayImport;
      if (may === 'everything' || memberOf(from) === memberOf(to)) return false;
      return may === undefined || !may.includes(memberOf(to));
    });
    none(
      forbidden.map(({ from, name }) => `${from}: ${name}`),
      'forbidden imports',
    );
  });

  it('writes an import across folders with #layer/ and one inside a folder with ./', () => {
    const wrong = edges.filter(({ from, name, to }) => {
      if (name === '../package.json') return from !== 'src/main.ts';
      const sameFolder = posix.dirname(from) === posix.dirname(to);
      return sameFolder ? !name.startsWith('./') : !name.startsWith('#');
    });
    none(
      wrong.map(({ from, name }) => `${from}: ${name}`),
      'imports that do not name their layer',
    );
  });

  it('imports only files that exist, with their extension', () => {
    none(
      edges.filter(({ to }) => !existsSync(to)).map(({ from, name }) => `${from}: ${name}`),
      'imports of nothing',
    );
  });

  it('lets a feature import no more of another than its model.ts', () => {
    const feature = (path: string): string | undefined => /^src\/features\/([^/]+)\//.exec(path)?.[1];
    const wrong = edges.filter(({ from, to }) => {
      const [own, other] = [feature(from), feature(to)];
      return own !== undefined && other !== undefined && own !== other && posix.basename(to) !== 'model.ts';
    });
    none(
      wrong.map(({ from, name }) => `${from}: ${name}`),
      'a feature reaches into another',
    );
  });

  it('has no import cycle', () => {
    const next = Map.groupBy(edges, ({ from }) => from);
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (path: string, trail: readonly string[]): void => {
      const at = trail.indexOf(path);
      if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
      if (at >= 0 || done.has(path)) return;
      for (const { to } of next.get(path) ?? []) walk(to, [...trail, path]);
      done.add(path);
    };
    for (const { path } of sources) walk(path, []);
    none(cycles, 'import cycles');
  });
});

const isStore = (path: string): boolean =>
  /^src\/features\/[^/]+\/(?:(?:[a-z]+-)?store|migrations)\.ts$/.test(path) ||
  path.startsWith('src/platform/storage/');
const isOutside =
  (...prefixes: readonly string[]) =>
  (path: string): boolean =>
    !prefixes.some((prefix) => path.startsWith(prefix));

describe('state', () => {
  it('has SQL in store.ts, migrations.ts and platform/storage only', () => {
    const outside = (path: string): boolean => !isStore(path);
    const text =
      /^\s*(?:SELECT\s|INSERT\s+(?:OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX|TRIGGER|VIEW)\s|DROP\s+|ALTER\s+TABLE|PRAGMA\s|BEGIN\b|COMMIT\b|ROLLBACK\b|SAVEPOINT\s)/;
    const builders = /\.(?:selectFrom|insertInto|updateTable|deleteFrom|pragma|prepare)\b|\bsql`/g;
    none(
      [...findInLiterals(text, outside), ...findInCode(builders, outside)],
      'SQL outside store.ts and migrations.ts',
    );
    none(
      findImports(/^(?:kysely|better-sqlite3|node:sqlite)/, outside),
      'a database package outside its place',
    );
  });

  it('never uses a transaction or a stream of Kysely', () => {
    // A query beside an open transaction hangs, an open stream blocks every write. The driver's own are synchronous.
    const kysely = (path: string): boolean =>
      !path.startsWith('src/platform/storage/') || path.endsWith('/compiler.ts');
    none(
      findInCode(/\.(?:transaction|startTransaction|stream)\(/g, kysely),
      'Kysely transactions or streams',
    );
  });
});

describe('invariant 11: each power has one place', () => {
  it('knows time and chance in platform/host only', () => {
    const elsewhere = isOutside('src/platform/host/');
    const code =
      /\bDate\.now\b|\bnew Date\(\s*\)|(?<!new )\bDate\(\s*\)|\bMath\.random\b|\b(?:web)?[cC]rypto\.(?:random|getRandom)\w*|\brandombytes_\w+|\bperformance\.(?:now|timeOrigin)\b|\bhrtime\b|\bTemporal\.Now\b/g;
    none(findInCode(code, elsewhere), 'time or chance outside platform/host');
    const named =
      /\bimport\b[^;]*\b(?:random(?:UUID|Bytes|Int|FillSync|Fill)|getRandomValues|webcrypto)\b[^;]*\bfrom\b/g;
    none(findInCode(named, elsewhere), 'chance imported outside platform/host');
  });

  it('dials in platform/net only', () => {
    const elsewhere = isOutside('src/platform/net/');
    const packages =
      /^(?:undici|node:(?:tls|http2|https|dgram|dns|dns\/promises)|(?:tls|https?|http2|dgram|dns|net))$/;
    none(findImports(packages, elsewhere), 'a module that dials outside platform/net');
    const client = /\bimport\s*(?!type\b)\{([^}]*)\}\s*from\s*'node:(?:http|net)'/g;
    const finds = sources
      .filter(({ path }) => elsewhere(path))
      .flatMap(({ path, text }) =>
        [...text.matchAll(client)]
          .filter(([, names = '']) =>
            /\b(?<!type )(?:request|get|Agent|ClientRequest|connect|createConnection|Socket)\b/.test(names),
          )
          .map(([line]) => `${path}: ${line}`),
      );
    none(finds, 'a client of node:http or node:net outside platform/net');
    none(
      findInCode(/(?<![.\w])fetch\(|\bglobalThis\.fetch\b|\bnew (?:WebSocket|EventSource)\(/g, elsewhere),
      'a dial outside platform/net',
    );
  });

  it('knows the process in main.ts only', () => {
    const elsewhere = (path: string): boolean => path !== 'src/main.ts';
    none(
      findInCode(/(?<![.\w'"])process\s*(?!\.dlopen\b)[.[]|\bglobalThis\.process\b/g, elsewhere),
      'process outside main.ts',
    );
    // Loading a library says nothing about the process, and the threads have to do it, too.
    const loader = 'src/platform/host/addon.ts';
    none(
      findInCode(/\bdlopen\b/g, (path) => path !== loader),
      `a library loaded outside ${loader}`,
    );
    none(
      findImports(/^(?:node:)?(?:process|child_process|cluster|repl|inspector)/, elsewhere),
      'process modules',
    );
  });

  it('prints nowhere by console and evaluates no text', () => {
    const everywhere = (): boolean => true;
    none(findInCode(/(?<![.\w])console\s*[.[]/g, everywhere), 'console');
    none(findInCode(/(?<![.\w])(?:eval|Function)\s*\(|\bnew Function\b/g, everywhere), 'evaluated text');
    none(findImports(/^(?:node:)?vm$/, everywhere), 'evaluated text');
  });
});

describe('norms', () => {
  it('exports by name only', () => {
    const isDefault = /\bexport\s+default\b|\bas\s+default\b/g;
    none(
      findInCode(isDefault, () => true, everything),
      'default exports',
    );
  });

  it('names files in kebab case, and after what they hold', () => {
    const catchAll = /(?:^|[-.])(?:index|utils?|helpers?|common|manager|service|impl|base|misc)(?:[-.]|$)/;
    const wrong = everything.filter(({ path }) => {
      const name = posix.basename(path).replace(/\.(?:test|types)?\.?tsx?$/, '');
      return !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) || catchAll.test(name);
    });
    none(
      wrong.map(({ path }) => path),
      'file names',
    );
  });

  it('opens every file with one to four lines that say what it is for', () => {
    const wrong = everything.filter(({ text }) => {
      const opening = /^(?:\/\/ [^\n]*\n)+/.exec(text)?.[0].split('\n').length ?? 0;
      return opening - 1 < 1 || opening - 1 > OPENING_COMMENT_LINES_MAX;
    });
    none(
      wrong.map(({ path }) => path),
      'files without an opening comment',
    );
  });

  it('keeps files and functions small, blocks flat and parameters few', (t) => {
    const long = everything.filter(
      ({ path, lines }) => lines > (path.startsWith('src/') ? FILE_LINES_MAX : TEST_LINES_MAX),
    );
    none(
      long.map(({ path, lines }) => `${path}: ${lines} lines`),
      'files that are too long',
    );
    const blocks = sources.flatMap(({ path, code }) => blocksOf(code).map((block) => ({ ...block, path })));
    const functions = blocks.filter(({ kind }) => kind === 'function');
    const place = ({ path, line }: { path: string; line: number }, what: string): string =>
      `${path}:${line}: ${what}`;
    none(
      functions
        .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
        .map((one) => place(one, `${one.lines} lines`)),
      'functions that are too long',
    );
    none(
      blocks.filter(({ nesting }) => nesting > NESTING_MAX).map((one) => place(one, `${one.nesting} deep`)),
      'blocks nested too deep',
    );
    none(tooManyParameters(sources), 'functions with too many parameters');
    // A ratchet: the norm is two and an options object. What still has a plain third is counted, and may only become less.
    const third = plainThird(sources);
    assert.ok(
      third.length <= CROWDED_FUNCTIONS_LEFT,
      `functions with a plain third parameter:\n  ${third.join('\n  ')}`,
    );
    t.diagnostic(`${sources.length} files, median ${median(sources.map(({ lines }) => lines))} lines`);
    t.diagnostic(
      `${functions.length} functions, median ${median(functions.map(({ lines }) => lines))} lines`,
    );
    t.diagnostic(`${third.length} functions take a plain third parameter`);
    t.diagnostic(`${tests.length} test files, median ${median(tests.map(({ lines }) => lines))} lines`);
  });

  it('keeps the root to what was agreed', () => {
    const agreed =
      'package.json package-lock.json tsconfig.json src build.mjs config.example.yaml test README.md LICENSE CHANGELOG.md'.split(
        ' ',
      );
    // What git does not track is nobody's concern.
    const made = ['node_modules', 'dist', 'data', 'config.yaml', 'stack.key'];
    const present = readdirSync('.').filter(
      (name) => !name.startsWith('.') && !made.includes(name) && !name.endsWith('.log'),
    );
    assert.deepEqual(present.sort(), agreed.sort());
  });
});

/** Two by position, then one object. */
function tooManyParameters(among: readonly Source[]): string[] {
  return among.flatMap(({ path, code }) =>
    parametersOf(code)
      .filter(({ list }) => list.length > POSITIONAL_MAX + 1)
      .map(({ line, list }) => `${path}:${line}: (${list.join(', ')})`),
  );
}

/** A third that is plain text or a number is no object. Shown, for whoever next touches the file. */
function plainThird(among: readonly Source[]): string[] {
  const plain = /^[\w$]+\??:\s*(?:string|number|bigint|boolean)(?:\s*\|\s*\w+)*(?:\s*=.*)?$/;
  return among.flatMap(({ path, code }) =>
    parametersOf(code)
      .filter(({ list }) => plain.test(list[POSITIONAL_MAX] ?? ''))
      .map(({ line }) => `${path}:${line}`),
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
