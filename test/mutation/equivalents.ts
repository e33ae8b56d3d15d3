// Mutants that no test can kill, because the mutated program does the same. Each with its reason; keep this list short:
// most survivors show a missing sentence or a line that is not needed. An entry that fits nothing any more fails the run.

export type Equivalent = {
  readonly file: string;
  /** The whole line without its indent, the part of it that is changed, and into what. */
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly because: string;
};

export const EQUIVALENTS: readonly Equivalent[] = [
  {
    file: 'src/platform/net/url.ts',
    line: 'const [, bracketed, name, givenPort] = AUTHORITY.exec(authority.toLowerCase()) ?? [];',
    from: '[]',
    to: '["Stryker was here"]',
    because: 'the first place is the whole match, which nobody reads',
  },
  {
    file: 'src/platform/net/url.ts',
    line: '} catch {',
    from: '{\n    return undefined;\n  }',
    to: '{}',
    because: 'a function that says nothing answers undefined; the compiler wants it said',
  },
  {
    file: 'src/platform/net/response-headers.ts',
    line: 'return value === undefined || !/^\\d{1,15}$/.test(value) ? undefined : Number(value);',
    from: 'value === undefined',
    to: 'false',
    because: 'tested as text, undefined is no row of digits either; the compiler does not know',
  },
  {
    file: 'src/features/policy/body.ts',
    line: "place(root, pathOf(name), decodeField(cut < 0 ? '' : field.slice(cut + 1)));",
    from: 'cut < 0',
    to: 'cut <= 0',
    because: 'a field without a name is refused before its value is looked at',
  },
  {
    file: 'src/features/policy/body.ts',
    line: 'if (thrown instanceof Conflict) return broken(thrown.message);',
    from: 'thrown instanceof Conflict',
    to: 'true',
    because: 'nothing else is thrown in there; if it were, a mistake of ours would have to show',
  },
  {
    file: 'src/features/policy/constraint.ts',
    line: 'absent: () => false,',
    from: '() => false',
    to: '() => undefined',
    because: 'both are taken for no',
  },
  {
    file: 'src/features/policy/constraint.ts',
    line: "const unread = body.kind === 'broken' || (body.kind === 'opaque' && body.holdsFields === true);",
    from: "body.kind === 'opaque'",
    to: 'true',
    because: 'no other kind has holdsFields; the compiler wants to see it',
  },
  {
    file: 'src/features/policy/model.ts',
    line: "return parts.length === PARTS || (parts.length === PARTS - 1 && parts.at(-1) === '*');",
    from: '-1',
    to: '+1',
    because: 'of two parts, the last is the second',
  },
];
