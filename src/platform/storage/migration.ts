// A numbered step of the schema. Numbers are global and never reused; a released step never changes.
export type Migration = { readonly number: number; readonly name: string; readonly sql: string };
