// How the demo looks: headings, wrapped prose and framed blocks, with a mark where a credential stands or stood.
// It knows nothing of a terminal: writing, colour and the pause are given.

export type Style = 'bold' | 'dim' | 'cyan' | 'yellow' | 'green';
export type Terminal = {
  readonly write: (text: string) => void;
  readonly width: number;
  readonly paint: (style: readonly Style[], text: string) => string;
  /** Waits until the reader wants to go on. */
  readonly pause: () => Promise<void>;
};
export type Block = {
  /** Stands behind the label. */
  readonly aside?: string;
  /** A value is laid out as JSON, a text is kept as it is. */
  readonly of: unknown;
  /** Said where a credential stands. */
  readonly mark?: string;
};
export type Screen = {
  readonly heading: (title: string) => void;
  readonly say: (text: string) => void;
  readonly block: (label: string, content: Block) => void;
  readonly pause: () => Promise<void>;
};

const MARGIN = '  ';
const FRAME = '  │ ';
/** A token or a hash says nothing to a reader; its beginning and its length do. */
const WORD_CHARS_MAX = 48;
const WORD_CHARS_SHOWN = 24;
const REDACTED = '[redacted:';

export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function shorten(text: string): string {
  if (text.length <= WORD_CHARS_MAX || text.includes(' ')) return text;
  return `${text.slice(0, WORD_CHARS_SHOWN)}… (${text.length} characters)`;
}

function inOneLine(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inOneLine).join(', ')}]`;
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}: ${inOneLine(member)}`,
  );
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}

/** JSON in as few lines as the width allows: what fits behind its name stands on one line, a long text goes on below. */
export function layOut(
  value: unknown,
  { width, name = '' }: { width: number; name?: string },
): readonly string[] {
  const line = `${name}${inOneLine(value)}`;
  // A comma may follow.
  if (line.length < width) return [line];
  if (typeof value === 'string') {
    const [first = '', ...rest] = wrap(line, width - MARGIN.length);
    return [first, ...rest.map((text) => `${MARGIN}${text}`)];
  }
  if (typeof value !== 'object' || value === null) return [line];
  const isList = Array.isArray(value);
  const members = Object.entries(value).map(([key, member]) =>
    layOut(member, { width: width - MARGIN.length, name: isList ? '' : `${JSON.stringify(key)}: ` }),
  );
  const inner = members.flatMap((lines, at) => {
    const comma = at < members.length - 1 ? ',' : '';
    return [...lines.slice(0, -1), `${lines.at(-1)}${comma}`].map((text) => `${MARGIN}${text}`);
  });
  return isList ? [`${name}[`, ...inner, ']'] : [`${name}{`, ...inner, '}'];
}

export function screenOn(terminal: Terminal, credentials: readonly string[]): Screen {
  const { write, width, paint } = terminal;
  const line = (text = '') => write(`${text}\n`);
  const row = (text: string, mark: string): void => {
    const isHeld = credentials.some((credential) => text.includes(credential));
    if (isHeld) line(`${FRAME}${text}  ${paint(['bold', 'yellow'], `◀ ${mark}`)}`);
    else if (text.includes(REDACTED)) line(`${FRAME}${text}  ${paint(['bold', 'green'], '◀ taken out')}`);
    else line(`${FRAME}${text}`.trimEnd());
  };
  return {
    heading: (title) => {
      const rule = '━'.repeat(Math.max(3, width - title.length - 4));
      line();
      line(paint(['bold', 'cyan'], `━━ ${title} ${rule}`));
    },
    say: (text) => {
      line();
      for (const part of wrap(text, width - MARGIN.length)) line(`${MARGIN}${part}`);
    },
    block: (label, { aside, of, mark = 'a credential' }) => {
      line();
      line(`${MARGIN}${paint(['bold'], label)}${aside === undefined ? '' : `  ${paint(['dim'], aside)}`}`);
      const lines = typeof of === 'string' ? of.split('\n') : layOut(of, { width: width - FRAME.length });
      for (const text of lines) row(text, mark);
    },
    pause: terminal.pause,
  };
}
