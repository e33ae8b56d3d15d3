// Classes of approval-binding.json of which each entry is a row of a table that a test walks.

export const APPROVAL_SHAPES: ReadonlySet<string> = new Set([
  ...['method', 'url', 'headers', 'body'],
  ...['body-number', 'body-unicode', 'body-form'],
]);
