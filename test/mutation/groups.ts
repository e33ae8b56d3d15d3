// What is mutated, and the tests that judge it: their own and no others, so that a mutant dies of a sentence about it.
// Both are patterns; a new file of a group is mutated without being named here.

export type Group = {
  readonly name: string;
  readonly modules: readonly string[];
  readonly tests: readonly string[];
};

export const GROUPS: readonly Group[] = [
  {
    name: 'url-gate',
    modules: ['src/platform/net/url.ts', 'src/platform/net/address.ts'],
    tests: ['test/platform/net/url*.test.ts', 'test/platform/net/address*.test.ts'],
  },
  {
    name: 'header-builder',
    modules: ['src/platform/net/request-headers.ts', 'src/platform/net/response-headers.ts'],
    tests: ['test/platform/net/request-headers*.test.ts', 'test/platform/net/response-headers*.test.ts'],
  },
  {
    name: 'action-matcher',
    modules: ['src/features/policy/*.ts'],
    tests: ['test/features/policy/*.test.ts'],
  },
  {
    name: 'scrubber',
    modules: [
      'src/pipeline/redact*.ts',
      'src/pipeline/redaction/*.ts',
      'src/pipeline/matcher*.ts',
      'src/pipeline/scrub*.ts',
    ],
    tests: [
      'test/pipeline/redact*.test.ts',
      'test/pipeline/redaction/*.test.ts',
      'test/pipeline/matcher*.test.ts',
      'test/pipeline/scrub*.test.ts',
    ],
  },
];

/** In percent, for each group. */
export const SCORE_MIN = 90;
