// JSON Canonicalization Scheme (RFC 8785): one byte sequence per value, so that hashes can be compared.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Shape: any JSON value. Throws on what JSON cannot say: undefined, NaN, lone surrogates (RFC 8785 3.2). */
export function canonicalize(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalize).join(',')}]`;
  if (value !== null && typeof value === 'object') return canonicalObject(value as Record<string, Json>);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('not a JSON number');
  if (typeof value === 'string' && !value.isWellFormed()) throw new TypeError('lone surrogate in a string');
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError('not a JSON value');
  return text;
}

function canonicalObject(object: Record<string, Json>): string {
  // Array.prototype.sort compares UTF-16 code units, as RFC 8785 3.2.3 asks.
  const members = Object.keys(object)
    .sort()
    .map((key) => `${canonicalize(key)}:${canonicalize(object[key] as Json)}`);
  return `{${members.join(',')}}`;
}
