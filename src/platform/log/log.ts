// The process log: pino with a synchronous destination (bundles, survives exit). Fields are chosen by the caller; no secret.
import { pino } from 'pino';

export type Fields = Readonly<Record<string, unknown>>;
export type Log = {
  readonly info: (message: string, fields?: Fields) => void;
  readonly warn: (message: string, fields?: Fields) => void;
  readonly error: (message: string, fields?: Fields) => void;
};

export type LogSink = { readonly write: (line: string) => void };

/** `base: null` keeps pid and host name out of every line. */
export function createLog(sink: LogSink): Log {
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, sink);
  return {
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  };
}
