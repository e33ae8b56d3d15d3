// `METHOD /path` patterns over the raw path (contract 6): `*` is one non-empty segment, `**` the rest, also empty.
import type { CallPattern } from './model.ts';

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const SHAPE = /^([A-Za-z]+) (\/\S*)$/;
/** RFC 3986 pchar without what the URL gate refuses. */
const SEGMENT = /^(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-F]{2})*$/;

export function parsePattern(text: string): CallPattern | { readonly problem: string } {
  const shape = SHAPE.exec(text);
  if (shape === null) return { problem: `${text}: write METHOD /path` };
  const [, method, path] = shape as unknown as readonly [text: string, method: string, path: string];
  if (!METHODS.some((known) => known === method)) {
    const upper = METHODS.find((known) => known === method.toUpperCase());
    return {
      problem: upper === undefined ? `unknown method ${method}` : `method ${method} must be written ${upper}`,
    };
  }
  const segments = path.slice(1).split('/');
  const problem = segmentProblem(segments);
  return problem === undefined ? { method, segments, text } : { problem: `${text}: ${problem}` };
}

function segmentProblem(segments: readonly string[]): string | undefined {
  if (segments.slice(0, -1).includes('**')) return '** may only stand last';
  if (segments.slice(0, -1).includes('')) return 'empty segment';
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'dot segment';
  const star = segments.find((segment) => segment.includes('*') && segment !== '*' && segment !== '**');
  if (star !== undefined) return `* fills a whole segment, not a part of ${star}`;
  const bad = segments.find((segment) => !SEGMENT.test(segment));
  return bad === undefined ? undefined : `segment ${bad} has characters that no canonical path has`;
}

/** `relativePath` is raw and begins with `/`. Case counts, and GET does not cover HEAD. */
export function covers(pattern: CallPattern, method: string, relativePath: string): boolean {
  if (pattern.method !== method) return false;
  const given = relativePath.slice(1).split('/');
  const open = pattern.segments.at(-1) === '**';
  const fixed = open ? pattern.segments.slice(0, -1) : pattern.segments;
  // `/repos/**` covers `/repos/` (one empty segment more), not `/repos`.
  if (open ? given.length <= fixed.length : given.length !== fixed.length) return false;
  return fixed.every((segment, at) => (segment === '*' ? given[at] !== '' : segment === given[at]));
}
