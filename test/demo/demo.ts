// `npm run demo`: the process around the walk. Whatever ends it, its end, an error or Ctrl-C, nothing is left behind:
// the appliance and the services are stopped and the folder is removed.
import process from 'node:process';
import { createInterface, type Interface } from 'node:readline';
import { parseArgs, styleText } from 'node:util';
import { Interrupted, interruption } from '#test/support/interruption.ts';
import { type Screen, screenOn, type Terminal } from './screen.ts';
import { CREDENTIALS, type Stage, setStage } from './stage.ts';
import { walk } from './walk.ts';

const USAGE = `npm run demo [-- --no-pause] [-- --keep]
  --no-pause  does not wait for Enter between the steps; never does without a terminal
  --keep      leaves appliance and services running at the end, until Ctrl-C, to play with
`;
const WRONG_USAGE = 2;
const WIDTH = 80;
const WIDTH_MAX = 100;
const WIDTH_MIN = 60;
const PROMPT = '  Enter goes on, Ctrl-C ends ';
const PROMPT_GONE = '\x1b[1A\x1b[2K\x1b[1A';

function onThisTerminal(input: Interface | undefined): Terminal {
  const { stdout } = process;
  let isOpen = input !== undefined;
  input?.on('close', () => {
    isOpen = false;
  });
  return {
    write: (text) => {
      stdout.write(text);
    },
    width: Math.min(Math.max(stdout.columns ?? WIDTH, WIDTH_MIN), WIDTH_MAX),
    // Colours only at a terminal, and not where NO_COLOR says so.
    paint: (style, text) => styleText([...style], text, { stream: stdout }),
    pause: async () => {
      if (input === undefined || !isOpen) return;
      stdout.write(`\n${styleText('dim', PROMPT, { stream: stdout })}`);
      const line = await new Promise((done) => input.once('line', done).once('close', done));
      if (line !== undefined) stdout.write(PROMPT_GONE);
    },
  };
}

function conclude(screen: Screen): void {
  screen.heading('What you have seen');
  screen.say('The agent did its work in two services and never held a credential of either.');
  screen.say('What was not granted, or needs a person, did not reach the service.');
  screen.say("One call took the agent's access away. The log tells all of it, and can be checked.");
  screen.say('Next: `npm start` sets up your own; README.md, "Quick start", adds your first service.');
}

function tellWhere(stage: Stage, terminal: Terminal): void {
  const { appliance } = stage;
  const call = JSON.stringify({ service: 'billing', method: 'GET', path: '/invoices/in_7' });
  terminal.write(`
  Still running, until Ctrl-C:

  MCP URL   ${appliance.mcpUrl}
  API key   ${appliance.apiKey}
  config    ${appliance.configFile}
  socket    ${appliance.socketPath}

  curl ${appliance.url}/v1/proxy -H 'Authorization: Bearer ${appliance.apiKey}' \\
    -H 'X-Stack-Agent: support-bot' -H 'Content-Type: application/json' -d '${call}'
`);
}

async function play({ keep, pause }: { keep: boolean; pause: boolean }): Promise<void> {
  const interrupted = interruption();
  const input = pause ? createInterface({ input: process.stdin }) : undefined;
  const terminal = onThisTerminal(input);
  const setting = setStage();
  // Awaited below; until then an early interruption is what is told.
  setting.catch(() => undefined);
  try {
    terminal.write('\n  Starting an appliance and two services, in a folder that goes away again …\n');
    const stage = await Promise.race([setting, interrupted]);
    const screen = screenOn(terminal, Object.values(CREDENTIALS));
    await Promise.race([walk(stage, screen), interrupted]);
    conclude(screen);
    if (keep) {
      tellWhere(stage, terminal);
      await interrupted.catch(() => undefined);
    }
  } finally {
    const stage = await setting.catch(() => undefined);
    await stage?.dispose();
  }
}

async function main(): Promise<number> {
  const options = {
    keep: { type: 'boolean' },
    'no-pause': { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  let values: { keep?: boolean; 'no-pause'?: boolean; help?: boolean };
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`);
    return WRONG_USAGE;
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  try {
    await play({ keep: values.keep === true, pause: isTerminal && values['no-pause'] !== true });
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    process.stderr.write(`\n${(error as Error).stack}\n`);
    return 1;
  }
}

// An open prompt would hold the process.
process.exit(await main());
