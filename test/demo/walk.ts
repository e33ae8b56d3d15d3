// The way the demo goes: an agent does the main job, is refused where it should be, and the log tells it all again.
import { holds, searchFiles } from '#test/support/canary.ts';
import type { Json } from '#test/support/requests.ts';
import { check, PROXY, showCall, showRefusal } from './exchange.ts';
import type { Screen } from './screen.ts';
import { CREDENTIALS, type Stage } from './stage.ts';

type Scene = {
  readonly stage: Stage;
  readonly screen: Screen;
  /** Of the passport that the agent got. */
  jti: string;
};
type Step = { readonly title: string; readonly run: (scene: Scene) => Promise<void> };

const LOG_MS = 5000;
const POLL_MS = 20;
const AGENT = 'support-bot';
const READ_INVOICE = { service: 'billing', method: 'GET', path: '/invoices/in_7' };

const WHO_IS_WHO = `
the agent  ──── MCP ───▶  STACK  ──── HTTP ───▶  the services
shows a passport          checks, puts the       billing and slack,
and no credential         credential in, logs    each demands its own`;

async function showConfig({ stage, screen }: Scene): Promise<void> {
  screen.say(
    'Two services run on this machine, a billing API and a small Slack. Each demands its credential. Only STACK ' +
      'holds these; the agent has an API key of STACK and nothing else.',
  );
  screen.block('WHO IS WHO', { of: WHO_IS_WHO.trim() });
  screen.say('What the operator wrote:');
  screen.block('CONFIG.YAML', { aside: 'services and agents', of: stage.config });
  screen.say(
    'The credentials lie apart from it, encrypted. Nobody can read them back. For this demo we know them:',
  );
  const credentials = Object.entries(CREDENTIALS).map(([name, value]) => `${name.padEnd(8)} ${value}`);
  screen.block('THE VAULT', { of: credentials.join('\n') });
}

async function lookAround({ stage, screen }: Scene): Promise<void> {
  screen.say('The agent speaks MCP, as any agent framework does. First it asks what there is.');
  const call = await stage.call('stack_list_services', {});
  const services = call.answer['services'] as Json[];
  check(services.length === 2 && services.every(({ connected }) => connected === true), 'both are connected');
  showCall(screen, call);
}

async function getPassport(scene: Scene): Promise<void> {
  const { stage, screen } = scene;
  screen.say(
    'It registers. What it may do at most stands in the config, under agents."*"; it cannot ask for more.',
  );
  const registered = await stage.call('stack_register_agent', {
    name: AGENT,
    description: 'Answers customers',
  });
  showCall(screen, registered, ['id', 'name', 'accountability_mode', 'services']);
  await screen.pause();
  screen.say(
    'Then it gets a passport: a signed token for one intent, good for 15 minutes. It opens nothing but STACK. ' +
      'The passport can be named by its jti, so the token itself need not travel through a model.',
  );
  const intent = { summary: 'Answer a question on invoice in_7', services: ['billing', 'slack'] };
  const issued = await stage.call('stack_issue_passport', { agent: AGENT, intent });
  scene.jti = String(issued.answer['jti']);
  check(scene.jti.startsWith('pp_'), 'a passport is issued');
  showCall(screen, issued, ['token', 'jti', 'expires_at']);
}

async function readInvoice({ stage, screen, jti }: Scene): Promise<void> {
  screen.say(
    'The agent names a service and a path. STACK checks the passport and the action, writes the intent to the log, ' +
      'and sends a request of its own, with the credential in it.',
  );
  const call = await stage.call(PROXY, { ...READ_INVOICE, passport: jti });
  const text = JSON.stringify(call.answer);
  check(call.answer['status'] === 200 && call.reached.length === 1, 'the invoice is read');
  check(text.includes('[redacted:billing]') && !text.includes(CREDENTIALS.billing), 'the echo is taken out');
  showCall(screen, call, ['status', 'body', 'entry_id']);
  screen.say(
    'This service has a fault that real ones have, too: it shows the caller the headers it got. STACK searches every ' +
      'answer for the credentials it holds, in headers and body, before the agent sees it.',
  );
}

async function postMessage({ stage, screen, jti }: Scene): Promise<void> {
  screen.say(
    'Same tool, same passport. Each credential goes to its own service, in the way that service wants it.',
  );
  const body = { channel: '#alerts', text: 'Invoice in_7 is 120.' };
  const sent = { service: 'slack', method: 'POST', path: '/chat.postMessage', body, passport: jti };
  const call = await stage.call(PROXY, sent);
  const [reached] = call.reached;
  check(reached?.service === 'slack' && call.answer['status'] === 200, 'the message is posted');
  showCall(screen, call, ['status', 'body']);
}

async function deleteInvoice({ stage, screen, jti }: Scene): Promise<void> {
  screen.say('Now the model has a bad idea. The config names no action that covers DELETE.');
  const call = await stage.call(PROXY, { ...READ_INVOICE, method: 'DELETE', passport: jti });
  showRefusal(screen, { call, code: 'ACTION_DENIED' });
  screen.say(
    'What no granted action covers is denied, and the service never hears of it. The agent gets a code it can act on ' +
      'and a next step; the full reason is in the log, for the operator.',
  );
}

async function refund({ stage, screen, jti }: Scene): Promise<void> {
  screen.say(
    'Refunds are granted. But the config says: above 100, a person must agree first. The agent tries 250.',
  );
  const body = { invoice: 'in_7', amount: 250 };
  const sent = { service: 'billing', method: 'POST', path: '/refunds', body, passport: jti };
  const call = await stage.call(PROXY, sent);
  showRefusal(screen, { call, code: 'APPROVAL_GATE_DENIED' });
}

async function askPerson({ stage, screen, jti }: Scene): Promise<void> {
  screen.say(
    'So it asks. The call is stored as it would leave, encrypted; nothing is held open for the person.',
  );
  const body = { invoice: 'in_7', amount: 250 };
  const wish = { service: 'billing', method: 'POST', path: '/refunds', body, reason: 'charged twice' };
  const submitted = await stage.call('stack_submit_intent', { ...wish, passport: jti });
  check(submitted.answer['status'] === 'pending', 'the call waits for a person');
  showCall(screen, submitted, ['approval_id', 'status', 'action', 'expires_at']);
  await screen.pause();
  const approvalId = String(submitted.answer['approval_id']);
  const path = `/v1/approvals/${approvalId}/approve`;
  const decided = await stage.operate(path, { note: 'ok, once' });
  check(decided['uses_left'] === 1, 'the call may be made once');
  screen.block('A PERSON SENDS', { aside: 'over the socket', of: `POST ${path}\n\n{"note":"ok, once"}` });
  screen.say('The agent gives the approval alone. What is sent is the stored call:');
  const made = await stage.call(PROXY, { approval_id: approvalId, passport: jti });
  check(made.answer['status'] === 201 && made.reached.length === 1, 'the approved call is made');
  showCall(screen, made, ['status', 'body', 'entry_id']);
  await screen.pause();
  screen.say('And once more:');
  const again = await stage.call(PROXY, { approval_id: approvalId, passport: jti });
  showRefusal(screen, { call: again, code: 'APPROVAL_GATE_DENIED' });
}

async function revoke({ stage, screen, jti }: Scene): Promise<void> {
  screen.say(
    'The operator has seen enough and revokes the passport, over a socket that only the owner can open.',
  );
  const path = `/v1/passports/${jti}/revoke`;
  const done = await stage.operate(path, { reason: 'wanted to refund 250' });
  check((done['revoked'] as string[] | undefined)?.[0] === jti, 'the passport is revoked');
  const of = `POST ${path}\n\n{"reason":"wanted to refund 250"}`;
  screen.block('THE OPERATOR SENDS', { aside: 'over the socket', of });
  screen.say('The agent repeats the call that worked before:');
  const call = await stage.call(PROXY, { ...READ_INVOICE, passport: jti });
  showRefusal(screen, { call, code: 'PASSPORT_REVOKED' });
}

/** Newest first; the answer to a call does not wait for its outcome entry, so the last one may come a moment later. */
async function readLog(stage: Stage): Promise<readonly Json[]> {
  const end = performance.now() + LOG_MS;
  for (;;) {
    const entries = ((await stage.operate('/v1/audit?limit=100'))['entries'] ?? []) as Json[];
    const settled = new Set(entries.map((entry) => entry['refers_to']));
    if (entries.every((entry) => entry['outcome'] !== 'pending' || settled.has(entry['entry_id'])))
      return entries;
    check(performance.now() < end, 'every intent in the log has its outcome');
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

function rowOf(entry: Json): string {
  const call = entry['path'] === null ? '' : `${entry['method']} ${entry['path']}`;
  const cells = [String(entry['seq']).padStart(3), String(entry['action']).padEnd(17)];
  const result = [String(entry['outcome']).padEnd(7), entry['error_code'] ?? '', call];
  return [...cells, ...result.filter((cell) => cell !== '')].join('  ').trimEnd();
}

async function showLog({ stage, screen }: Scene): Promise<void> {
  screen.say(
    'Everything is in the log, what was refused as well. A call has two entries: its intent, durable before the first byte left, and its outcome.',
  );
  const entries = await readLog(stage);
  screen.block('THE LOG', { aside: 'GET /v1/audit', of: entries.map(rowOf).toReversed().join('\n') });
  await screen.pause();
  const call = entries.find((entry) => entry['outcome'] === 'success' && entry['service'] === 'billing');
  check(call !== undefined, 'the read invoice is in the log');
  const members =
    'seq entry_id actor agent_id passport_jti service_action refers_to prev_entry_hash entry_hash'.split(' ');
  const shown = Object.fromEntries(members.map((name) => [name, call?.[name]]));
  screen.block('ONE ENTRY', { aside: 'in part', of: shown });
  const report = await stage.operate('/v1/audit/verify-chain');
  check(report['valid'] === true, 'the chain is whole');
  screen.say('Each entry holds the hash of the one before, so one that was changed or taken out shows:');
  screen.block('THE CHAIN', { aside: 'GET /v1/audit/verify-chain', of: report });
}

async function search({ stage, screen }: Scene): Promise<void> {
  const received = stage.received();
  const values = Object.values(CREDENTIALS);
  const given = values.filter((value) => holds(Buffer.from(received), value));
  check(given.length === 0, 'the agent got no credential');
  const files = await Promise.all(values.map((value) => searchFiles(stage.appliance.dir, value)));
  check(
    files.every(({ found }) => found.length === 0),
    'no file holds a credential in clear',
  );
  const names = files[0]?.searched.length ?? 0;
  screen.say('Last, a search for both credentials, in clear, base64, hex and percent-encoding:');
  const rows = [
    `${String(received.length).padStart(7)} bytes that the agent was given    not found`,
    `${String(names).padStart(7)} files: database, journal, keys …   not found`,
    `${String(stage.appliance.logs().length).padStart(7)} bytes of its process log           not found`,
  ];
  check(
    values.every((value) => !holds(Buffer.from(stage.appliance.logs()), value)),
    'no credential is logged',
  );
  screen.block('SEARCHED', { of: rows.join('\n') });
}

const STEPS: readonly Step[] = [
  { title: 'What the operator wrote', run: showConfig },
  { title: 'The agent looks around', run: lookAround },
  { title: 'The agent gets a passport', run: getPassport },
  { title: 'A call', run: readInvoice },
  { title: 'Another service, another credential', run: postMessage },
  { title: 'A call that nobody granted', run: deleteInvoice },
  { title: 'A call that a person must approve', run: refund },
  { title: 'A person approves', run: askPerson },
  { title: 'The passport is revoked', run: revoke },
  { title: 'What stays', run: showLog },
  { title: 'Where the credentials never were', run: search },
];

export async function walk(stage: Stage, screen: Screen): Promise<void> {
  const scene: Scene = { stage, screen, jti: '' };
  for (const [at, { title, run }] of STEPS.entries()) {
    screen.heading(`${at + 1}/${STEPS.length}  ${title}`);
    await run(scene);
    if (at < STEPS.length - 1) await screen.pause();
  }
}
