// The report for people. What agents wrote is shown as plain text: none of it may become a heading, a link or a picture.
import type { MissionReport } from './report-shape.ts';

const CONTROLS = /[\p{Cc}\p{Cf}\s]+/gu;
const MARKS = /[\\`*_{}[\]()<>#+!|~&-]/g;

/** One line, with everything that means something in Markdown or HTML escaped (CommonMark 2.4). */
export const plain = (text: string | null): string =>
  text === null ? '–' : text.replaceAll(CONTROLS, ' ').trim().replaceAll(MARKS, '\\$&');

type Story = Omit<MissionReport, 'markdown'>;

export function markdownOf(story: Story): string {
  const parts = [
    heading(story),
    outcomeText(story.outcome),
    intentText(story.intent),
    totalsText(story),
    section('Delegations', story.delegations.map(delegationText)),
    section('Checkpoints', story.checkpoints.map(checkpointText)),
    section('Events', story.events.map(eventText)),
    section(
      'Approvals',
      story.approvals.map(({ approval_id }) => `- ${plain(approval_id)}`),
    ),
    callsText(story.calls),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

const heading = ({ passport }: Story): string =>
  [
    `# Mission of ${plain(passport.agent_name)}`,
    '',
    `- Passport \`${passport.jti}\`, session \`${passport.session_id}\`, ${passport.depth} hops from the first`,
    `- Mode ${passport.mode}; since ${passport.issued_at}, until ${passport.expires_at}`,
    ...passport.services.map(
      ({ service, scopes, constraints }) =>
        `- ${plain(service)}: ${scopes.map(plain).join(', ') || 'nothing'}; ${constraints.length} conditions`,
    ),
  ].join('\n');

const STATUS: Readonly<Record<MissionReport['outcome']['status'], string>> = {
  active: 'The mission is under way.',
  checked_out: 'The mission was checked out.',
  expired: 'The passport has expired.',
  missed_checkpoint: 'The passport ended because a checkpoint was missed.',
  revoked: 'The passport was revoked.',
  parent_ended: 'A passport above it is over.',
};

function outcomeText({ status, at, reason, result, summary }: MissionReport['outcome']): string {
  const lines = [`${STATUS[status]}${at === null ? '' : ` (${at})`}`];
  if (reason !== null) lines.push(`Reason: ${plain(reason)}`);
  if (result !== null) lines.push(`Result: ${plain(result)}`);
  if (summary !== null) lines.push(`In the words of the agent: ${plain(summary)}`);
  return `## Outcome\n\n${lines.join('\n\n')}`;
}

const intentText = (intent: MissionReport['intent']): string =>
  intent === null
    ? '## Intent\n\nNone was declared.'
    : `## Intent\n\n${plain(intent.summary)}\n\nServices: ${intent.services.map(plain).join(', ') || 'none'}`;

const totalsText = ({ totals, checkpoints, delegations, events }: Story): string =>
  [
    '## In numbers',
    '',
    `- ${totals.calls} calls: ${totals.success} answered well, ${totals.failure} failed, ${totals.blocked} refused, ${totals.unknown} unknown, ${totals.pending} under way`,
    `- ${totals.bytes_out} bytes sent, ${totals.bytes_in} bytes received, ${totals.duration_ms} ms in calls`,
    `- ${delegations.length} delegations, ${checkpoints.length} checkpoints, ${events.length} events`,
    ...(totals.complete ? [] : ['- The log has more of this mission than is counted here.']),
  ].join('\n');

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : `## ${title}\n\n${lines.join('\n')}`;

const delegationText = (one: MissionReport['delegations'][number]): string =>
  `- ${one.at} \`${one.jti}\` to ${plain(one.agent_name)} (\`${one.agent_id ?? ''}\`): ${one.scopes.map(plain).join(', ')}; ${plain(one.intent)}`;

const checkpointText = (one: MissionReport['checkpoints'][number]): string =>
  `- ${one.at} ${one.services_used.map(plain).join(', ') || 'no service'}, ${one.actions_count ?? 0} actions; ${plain(one.summary)}`;

const eventText = (one: MissionReport['events'][number]): string =>
  `- ${one.at} ${plain(one.severity)}: ${plain(one.type)} ${one.services.map(plain).join(', ')}`;

function callsText(calls: MissionReport['calls']): string {
  if (calls.length === 0) return '## Calls\n\nNone.';
  const rows = calls.map((call) =>
    [
      call.at,
      plain(call.agent_name),
      plain(call.service),
      plain(`${call.method ?? ''} ${call.path ?? ''}`),
      plain(call.action),
      call.outcome,
      plain(call.error_code ?? (call.status === null ? null : String(call.status))),
      call.duration_ms === null ? '–' : `${call.duration_ms} ms`,
    ].join(' | '),
  );
  const head = [
    'at | agent | service | call | action | outcome | status | took',
    '--- | --- | --- | --- | --- | --- | --- | ---',
  ];
  return `## Calls\n\n${[...head, ...rows].map((row) => `| ${row} |`).join('\n')}`;
}
