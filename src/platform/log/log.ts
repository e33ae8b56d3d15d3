// The process log: pino with a synchronous destination (bundles, survives exit), as JSON lines or as lines for people.
// Fields are chosen by the caller; no secret. What came from outside cannot move the cursor of who reads it.
import { pino } from 'pino';
import { type Line, readable } from './readable.ts';
import { visible } from './visible.ts';

export const LOG_FORMATS = ['auto', 'json', 'text'] as const;
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogSettings = {
  /** `auto`: text at a terminal, else JSON. */
  readonly format: (typeof LOG_FORMATS)[number];
  readonly level: (typeof LOG_LEVELS)[number];
};

export type Fields = Readonly<Record<string, unknown>>;
type Write = (message: string, fields?: Fields) => void;
export type Log = {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
};
export type ProcessLog = Log & {
  /** Takes effect with the next line. */
  readonly configure: (settings: LogSettings) => void;
};

export type LogSink = { readonly write: (line: string) => void };
export type Screen = { readonly terminal: boolean; readonly colours: boolean };

const NO_SCREEN: Screen = { terminal: false, colours: false };

/** `base: null` keeps pid and host name out of every line. */
export function createLog(sink: LogSink, screen: Screen = NO_SCREEN): ProcessLog {
  let text = screen.terminal;
  const destination: LogSink = {
    write: (line) =>
      sink.write(text ? `${readable(JSON.parse(line) as Line, screen.colours)}\n` : visible(line)),
  };
  const formatters = { level: (level: string) => ({ level }) };
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, destination);
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    configure: ({ format, level }) => {
      text = format === 'text' || (format === 'auto' && screen.terminal);
      logger.level = level;
    },
  };
}
