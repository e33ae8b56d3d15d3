// A value or a refusal. Refusals travel as values through the lines and become errors at the surfaces only.
import type { Fault } from './errors.ts';

export type Ok<T> = { readonly ok: true; readonly value: T };
export type Refused = { readonly ok: false; readonly fault: Fault };
export type Result<T> = Ok<T> | Refused;

export const ok = <T>(value: T): Ok<T> => ({ ok: true, value });
export const refuse = (fault: Fault): Refused => ({ ok: false, fault });
