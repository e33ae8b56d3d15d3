// Every bound, wait, window and default, with its reason (invariant 9). Times in ms or s, sizes in bytes, as the name says.

/** Contract 10: a passport is short-lived; 15 minutes covers a task without a refresh. */
export const PASSPORT_TTL_SECONDS = 900;
export const PASSPORT_TTL_SECONDS_MIN = 60;
/** Hard maximum of the product (product-facts 4.2). */
export const PASSPORT_TTL_SECONDS_MAX = 3600;
/** Contract 10: this long after its end a passport can still be refreshed. */
export const PASSPORT_REFRESH_GRACE_MS = 86_400_000;
/**
 * Rows of ended passports stay for the grace and one day more, so that all that names a passport (a refresh, a late
 * revocation, an approval) is over before its row goes. The log keeps what was done with it.
 */
export const PASSPORT_KEPT_MS = PASSPORT_REFRESH_GRACE_MS + 86_400_000;
export const PASSPORT_PRUNE_EVERY_MS = 3_600_000;
/** Ended passports go in small units: no call waits behind a long deletion. */
export const PASSPORT_PRUNE_ROWS_MAX = 500;
/** A mission that takes longer than a day is several. */
export const MISSION_SECONDS_MAX = 86_400;
/**
 * A replaced signing key verifies until the last passport it signed is over, and can no longer be refreshed: checkpoints may
 * carry one on for as long as its mission lasts, under the token that was signed at its beginning.
 */
export const SIGNING_KEY_VERIFIES_MS = MISSION_SECONDS_MAX * 1000 + PASSPORT_REFRESH_GRACE_MS;
/** Refused before any signature work (a real passport is about 2 kB). */
export const PASSPORT_TOKEN_BYTES_MAX = 16_384;
/** Contract 2: an agent's own JWT is made for one request. */
export const AGENT_TOKEN_AGE_SECONDS_MAX = 60;
/** The agent's clock is another machine's, and may be ahead by this. */
export const AGENT_TOKEN_AHEAD_SECONDS_MAX = 5;
/** Refused before any signature work; a real one is about 300 bytes. */
export const AGENT_TOKEN_BYTES_MAX = 4_096;
/** From a challenge to its answer: time to carry it to the agent's machine. */
export const ENROLLMENT_CHALLENGE_MS = 600_000;
/** Verified tokens kept; one agent rarely holds more than a few. */
export const PASSPORT_CACHE_ENTRIES_MAX = 10_000;
/** Contract 10: the root is hop 0. */
export const DELEGATION_HOPS_MAX = 4;
/** Contract 10. */
export const CONSTRAINTS_PER_SERVICE_MAX = 32;
export const REGEX_CHARS_MAX = 256;
export const INTENT_SUMMARY_CHARS_MAX = 500;
export const AGENT_NAME_CHARS_MAX = 64;
export const AGENT_DESCRIPTION_CHARS_MAX = 256;
/** Ids, names and cursors in a call: longer ones are none of ours and reach no query. */
export const ID_CHARS_MAX = 100;
export const SERVICE_NAME_CHARS_MAX = 64;
/** Models read it with every list of services: a name, and no page. */
export const SERVICE_TITLE_CHARS_MAX = 100;
/** Texts inside a wish for a passport: a scope, a constraint's path and value. */
export const SCOPE_CHARS_MAX = 200;
export const CONSTRAINT_VALUE_CHARS_MAX = 1_000;
/** Members of any list in a call of ours. */
export const LIST_MEMBERS_MAX = 100;
export const REASON_CHARS_MAX = 500;
/** Contract 10, the preset `standard` of the product: often enough to notice a silent agent, seldom enough to work. */
export const CHECKPOINT_INTERVAL_SECONDS = 300;
/** Of an intent, and of what an agent reports, the log keeps so much; an entry has 4 kB for all. */
export const INTENT_NOTED_CHARS_MAX = 300;
export const NOTED_NAMES_MAX = 20;
/** Product-facts 8.1. */
export const CHECKPOINT_SUMMARY_CHARS_MAX = 1_000;
/** Actions of one report: more than any agent makes between two of them. */
export const CHECKPOINT_ACTIONS_MAX = 1_000_000;
/** Contract 10: with those of its ancestors. */
export const CONSTRAINTS_WITH_ANCESTORS_MAX = 128;
/** Passports that one passport may have delegated and are live: more helpers than one agent keeps in view. */
export const DELEGATIONS_PER_PASSPORT_MAX = 100;
/** Live passports of one session, however deep: without it four hops of the bound above would be a hundred million rows. */
export const PASSPORTS_PER_SESSION_MAX = 1_000;
/** Entries of one mission that a report is made from: the newest. */
export const REPORT_ENTRIES_MAX = 5_000;
/** Passports of one session that a report follows. */
export const REPORT_PASSPORTS_MAX = 1_000;
/** Of these, calls that it lists one by one. */
export const REPORT_CALLS_MAX = 200;
/** Passports that one unit revokes, each with its entry: one fsync of bounded length. More take several units. */
export const REVOKED_PER_UNIT_MAX = 1_000;
/** A subtree that changes under its revocation is read again; after so many times nothing it does delays it any more. */
export const REVOKE_EXACT_TRIES = 3;
/** Units of one revocation at most: ten million passports, or a mistake of ours. */
export const REVOKE_UNITS_MAX = 10_000;
/** Places in the status list: more than the passports of two days at six a second. As bytes 128 kB, packed a few hundred. */
export const STATUS_LIST_BITS = 1_048_576;
/** More than can have been given out and not be a row yet. */
export const STATUS_INDEX_SKIP = 8_192;
/** Asked for by anyone, so not built for each. With the next one, what a verifier knows is never older than a minute. */
export const STATUS_LIST_BUILT_MS = 2_000;
/** How long the list may be kept; once more in a cache on the way. */
export const STATUS_LIST_TTL_SECONDS = 25;
/** A verifier that cannot get another one stops to trust it. */
export const STATUS_LIST_VALID_SECONDS = 300;
/** A passport stays in the list for so long after its end: the clocks of verifiers differ. */
export const STATUS_LIST_KEPT_MS = 300_000;
/** A call whose passport ends without anybody's doing, by its time or with its key, is cut so soon. */
export const CUT_LOOK_EVERY_MS = 1_000;
/** A standing passport is renewed so long before its end, so that no call meets an ended one. */
export const STANDING_RENEW_BEFORE_MS = 60_000;
/** More than a private server's programs; a caller that registers in a loop is told, and the table stays small. */
export const AGENTS_MAX = 10_000;

/** An API key that ends later than this was meant to have no end; the usual cause is a wrong unit. */
export const KEY_LIFETIME_MS_MAX = 10 * 366 * 86_400_000;

/** Contract 5: a proxied call may last 30 s and answer 10 MB. */
export const CALL_TIMEOUT_MS = 30_000;
export const RESPONSE_BYTES_MAX = 10_000_000;
export const REQUEST_BODY_BYTES_MAX = 10_000_000;
/** What the YAML may set: below, nothing works; above, one call would hold memory or a slot for too long. */
export const CALL_TIMEOUT_MS_MIN = 1_000;
export const CALL_TIMEOUT_MS_MAX = 600_000;
export const CONFIGURED_BODY_BYTES_MIN = 1_000;
export const RESPONSE_BYTES_CONFIGURED_MAX = 100_000_000;
/** A dial that takes longer is a dead address. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** A resolver that hangs must not hold the call for its whole time. */
export const RESOLVE_TIMEOUT_MS = 5_000;
/** Names and values together. Servers send a tenth of it; each line costs a multiple of its bytes until it is collected. */
export const RESPONSE_HEADERS_BYTES_MAX = 32_768;
/** Ten thousand lines of four bytes fit into the bytes; each is scrubbed and passed on for itself. */
export const RESPONSE_HEADERS_MAX = 256;
/** A server says a few times that it is still at work (102, 103); a flood of it would cost a core for the whole call. */
export const INTERIM_ANSWERS_MAX = 32;
/** corpus, URL rule 1. */
export const URL_BYTES_MAX = 8_192;
/** Text of one field of a call; the URL gate and the token reader have the exact bounds. */
export const CALL_TEXT_CHARS_MAX = 20_000;
export const REQUEST_HEADERS_MAX = 64;
export const REQUEST_HEADER_VALUE_BYTES_MAX = 8_192;
/** Names of dropped headers that an entry shows; both together stay well below AUDIT_DETAIL_BYTES_MAX. */
export const NOTED_HEADERS_MAX = 32;
export const NOTED_HEADER_CHARS_MAX = 64;
/**
 * Once the head of a streamed answer is there, call_timeout is the longest pause between two pieces, and this the end of
 * the whole: long answers of models take minutes, and no stream may hold its place for ever.
 */
export const STREAM_MS_MAX = 600_000;
/** A client that takes nothing for so long while an answer waits for it has gone. */
export const STREAM_CLIENT_STALL_MS = 30_000;
/** In MCP a long answer fills the model's context (contract 5). */
export const MCP_BODY_CHARS_MAX = 32_000;
/** JSON bodies nested deeper are no argument list; keeps the strict reader off the stack's end. */
export const JSON_DEPTH_MAX = 64;
/** Form bodies: more fields than any API takes. */
export const FORM_FIELDS_MAX = 1_000;
/** Addresses of one name that a dial tries, so that a long list cannot hold a connection's place for minutes. */
export const UPSTREAM_ADDRESSES_MAX = 4;
/** Pools of kept sockets, one per origin and address; the oldest is closed. */
export const UPSTREAM_POOLS_MAX = 256;
/** Of an answer that its reader does not take; beyond it the upstream has to wait. One read of a socket is as much. */
export const UPSTREAM_HELD_BYTES_MAX = 65_536;
/**
 * Sockets to one upstream origin. As many as there are calls at once: with fewer, calls of one agent to a service that
 * hangs would make all other agents wait in the line before it.
 */
export const UPSTREAM_CONNECTIONS_MAX = 1_024;
/** A longer body goes to a service piece by piece: what a socket of Node takes at once. */
export const UPLOAD_PIECE_BYTES = 65_536;
export const UPSTREAM_KEEP_ALIVE_MS = 10_000;
/** Calls under way on the whole appliance; beyond it callers are told to wait. */
export const CALLS_IN_FLIGHT_MAX = 1_024;
/**
 * One agent may hold calls for at most a third of the places that are free: alone a quarter of all (256), and of several
 * that flood each its part, so that there is always room for one that does not.
 */
export const PLACES_SHARE = 3;
export const CALLS_PER_AGENT_IN_FLIGHT_MAX = CALLS_IN_FLIGHT_MAX / (PLACES_SHARE + 1);
/** Our own verbs under way, by the same rule: 128 for one caller. Each is a few milliseconds and at most one unit. */
export const VERBS_IN_FLIGHT_MAX = 512;
/** What one caller starts in a round of the event loop while others are active: a round stays a matter of a millisecond. */
export const REQUESTS_PER_ROUND = 1;
/** A caller that makes a call every few seconds shall not meet a flood each time anew. */
export const TURNS_REMEMBERED_MS = 5_000;
/** Each request that waits for its turn has its connection; beyond this none waits. */
export const TURNS_WAITING_MAX = 4_096;
/** Where nothing says when a place will be free. */
export const RETRY_AFTER_SECONDS = 1;

/** The window of calls_per_minute slides: no 60 seconds hold more. */
export const CALLS_WINDOW_MS = 60_000;
/** What the YAML may set per agent. A window remembers the time of each of its calls. */
export const CALLS_PER_MINUTE_MAX = 60_000;
export const CALLS_PER_DAY_MAX = 10_000_000;
/** Missions whose calls are counted at once; of the others the log has the count. */
export const MISSIONS_COUNTED_MAX = 10_000;
/** What the YAML may set per mission; after a start they are read from the log. */
export const CALLS_PER_MISSION_MAX = 1_000_000;
/** Intents that one step of counting reads after a start; between two steps other calls get their turn. */
export const INTENTS_COUNTED_AT_ONCE = 2_000;

/** Contract 5: a second try may come within a day. */
export const IDEMPOTENCY_KEPT_MS = 86_400_000;
/** Longer than any id that clients make up; what is longer is a text and no name. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;
/** Contract 5. Of a longer answer it is kept that there was one. */
export const KEPT_ANSWER_BYTES_MAX = 256_000;
/** Keys of one agent in a day: one every nine seconds. */
export const IDEMPOTENCY_KEYS_PER_OWNER_MAX = 10_000;
/** Answers of one agent; beyond it only the fact of an answer is kept. */
export const KEPT_BYTES_PER_OWNER_MAX = 64_000_000;
export const IDEMPOTENCY_PRUNE_EVERY_MS = 600_000;
/** Old keys go in small units: no call waits behind a long deletion. */
export const IDEMPOTENCY_PRUNE_ROWS_MAX = 500;
/** A key that somebody else took is looked up again; so often in a row nobody's call fails before it is sent. */
export const IDEMPOTENCY_TRIES = 3;

/** Contract 10: a person has a quarter of an hour, and what was approved ten minutes to happen. */
export const APPROVAL_PENDING_MS = 900_000;
export const APPROVAL_USE_MS = 600_000;
/** What the YAML may set: a person cannot read a card in less, and a question of yesterday is another question. */
export const APPROVAL_MS_MIN = 10_000;
export const APPROVAL_MS_MAX = MISSION_SECONDS_MAX * 1_000;
/** Contract 10: questions that wait for a person, of one agent and of all. */
export const APPROVALS_PENDING_PER_AGENT_MAX = 100;
export const APPROVALS_PENDING_MAX = 10_000;
/** Stored bodies of the questions of one agent that wait, so that a hundred of the largest do not fill the disk. */
export const APPROVAL_PENDING_BYTES_PER_AGENT_MAX = 64_000_000;
/** One decision for more uses than this, or for longer than a mission, is a rule and belongs into the config. */
export const APPROVAL_USES_MAX = 1_000;
export const APPROVAL_SECONDS_MAX = MISSION_SECONDS_MAX;
/** Fields that a decision leaves open; more is no exact call any more. */
export const APPROVAL_FREE_FIELDS_MAX = 16;
/** Of two calls that differ everywhere so many fields are named. */
export const APPROVAL_MISMATCHES_MAX = 32;
/** Of a stored body this much is shown; its length, digest and that it is cut are said with it. */
export const APPROVAL_BODY_CHARS_SHOWN = 20_000;
/** A mission of a day whose passports live for a minute. */
export const REFRESHES_FOLLOWED_MAX = 1_440;
/** A person decides in seconds; asking more often tells no more. */
export const APPROVAL_POLL_AFTER_MS = 1_000;
/** Contract 5: nothing is held open for a person; two seconds spare a poll its round trips. */
export const APPROVAL_WAIT_SECONDS_MAX = 2;
/** An answer may overtake the commit of its outcome by a sync of the disk; whoever asks then waits for it so long. */
export const APPROVAL_SETTLE_MS = 1_000;
/** What ended by time, or with its passport, is written down so soon; at the gate it is over at once. */
export const APPROVAL_EXPIRE_EVERY_MS = 5_000;
export const APPROVAL_EXPIRE_ROWS_MAX = 100;
/** Decided and ended approvals stay to be read as long as the passports they name. */
export const APPROVAL_KEPT_MS = PASSPORT_KEPT_MS;
export const APPROVAL_PRUNE_EVERY_MS = 3_600_000;
export const APPROVAL_PRUNE_ROWS_MAX = 100;

/** Webhooks of one config; each event is a delivery to every one of them. */
export const WEBHOOKS_MAX = 16;
/** A receiver that takes longer is asked again later; a stop of the appliance waits for the open ones. */
export const WEBHOOK_TIMEOUT_MS = 5_000;
/** Pauses before each further try: the first within the time in which a person decides, the last when somebody is at work again. */
export const WEBHOOK_RETRIES_MS = [
  5_000, 30_000, 120_000, 600_000, 1_800_000, 7_200_000, 21_600_000,
] as const;
/** A person is waiting at the other end of a call to be told of it. */
export const WEBHOOK_LOOK_EVERY_MS = 500;
/** At once; a dead receiver holds no more than this of the others up, for its timeout. */
export const WEBHOOKS_AT_ONCE = 16;
/** Delivered and dead ones can be looked at for a week. */
export const WEBHOOK_KEPT_MS = 7 * 86_400_000;
export const WEBHOOK_PRUNE_EVERY_MS = 3_600_000;
export const WEBHOOK_PRUNE_ROWS_MAX = 500;
/** Standard Webhooks: a secret of 24 to 64 bytes. */
export const WEBHOOK_SECRET_BYTES_MIN = 24;
export const WEBHOOK_SECRET_BYTES_MAX = 64;

/** Larger than the largest call envelope: 10 MB as base64 plus the fields. */
export const REST_BODY_BYTES_MAX = 14_000_000;
export const LISTENER_HEADERS_TIMEOUT_MS = 10_000;
/** Node looks at these two times only so often; its own 30 s would stretch ten seconds to forty. */
export const LISTENER_CHECK_MS = 1_000;
export const LISTENER_REQUEST_TIMEOUT_MS = 60_000;
export const LISTENER_KEEP_ALIVE_MS = 65_000;
export const LISTENER_HEADERS_MAX = 100;
export const LISTENER_HEADER_BYTES_MAX = 32_768;
export const LISTENER_CONNECTIONS_MAX = 4_096;
/** Reverse proxies of one appliance; each is compared with every peer. */
export const PROXY_RANGES_MAX = 64;
/** A wider range is nearly everybody, and everybody is no proxy. */
export const PROXY_RANGE_BITS_MIN = 8;
/** Hops of X-Forwarded-For that are read, from the nearest; more proxies than this stand in no chain. */
export const FORWARDED_HOPS_MAX = 16;
/** Security.md 5.9: SIGTERM ends within 10 s. */
export const SHUTDOWN_GRACE_MS = 10_000;

/** Calls that a stop has cut need a moment to write their outcomes; what does not come is "unknown" at the next start. */
export const CUT_CALLS_SETTLE_MS = 2_000;
export const CUT_CALLS_LOOK_MS = 10;

export const CONFIG_BYTES_MAX = 1_048_576;
export const CONFIG_NESTING_MAX = 32;
/** Aliases written in the file, and nodes they may grow to: a bomb needs few of the first and many of the second. */
export const CONFIG_ALIASES_WRITTEN_MAX = 16;
export const CONFIG_ALIASES_MAX = 64;
export const CONFIG_MISTAKES_MAX = 100;
/** Of one changed value this much is shown; the file has the rest. */
export const CONFIG_CHANGE_VALUE_CHARS_MAX = 120;
/** Changes that one entry of the log names; it has 4 kB for all of them. */
export const CONFIG_CHANGES_IN_ENTRY_MAX = 20;
/** How often the files of the config are looked at: a person does not wait, a disk does not notice. */
export const CONFIG_WATCH_EVERY_MS = 1_000;

/** A secret shorter than this cannot be told from ordinary text when it is scrubbed (security.md 4). */
export const SECRET_CHARS_MIN = 8;
export const SECRET_BYTES_MAX = 65_536;
/** A value that a reload has replaced is scrubbed for as long as a call can last, and a minute more for its answer. */
export const REPLACED_SECRET_KEPT_MS = CALL_TIMEOUT_MS_MAX + 60_000;
/** Replaced values kept at once; a value is replaced by hand or by a script, not by the thousand. */
export const REPLACED_SECRETS_MAX = 1_000;

/** Content codings of one body that are undone one after the other; servers apply one, a proxy before them a second. */
export const DECODED_LAYERS_MAX = 3;
/** A packed body may grow to so much whatever its ratio, and beyond it by so much: text packs to a twentieth, seldom more. */
export const DECODED_GROWTH_FROM_BYTES = 100_000;
export const DECODED_GROWTH_MAX = 100;

/** Bytes that the scrub looks at in one go: a piece as it comes from a socket is a few of them, and its tables stay small. */
export const SCRUB_SLICE_BYTES = 16_384;
/**
 * Bytes held back at most because they may be the beginning of a secret. 24 signs of the longest window, each escaped
 * three times over, are less; a row of escapes inside escapes without end is let go.
 */
export const SCRUB_HELD_BYTES_MAX = 1_024;

/** Opened data keys, 32 bytes each: more than any installation has secrets, so that a call opens no box. */
export const DATA_KEYS_KEPT_MAX = 4_096;
/** A unit of a rotation is one fsync and holds up no call for longer than that. */
export const KEYRING_UNIT_ROWS = 50;
/** How soon a rotation goes on: after it was asked for, after a start, and after a failure. */
export const KEYRING_EMPTY_EVERY_MS = 1_000;
/** A secret was set or deleted under a unit; more often than this in a row is left to the next run. */
export const KEYRING_UNIT_TRIES = 5;

/** Units that wait for the writer; each holds one call, so this is the call bound with room for verbs. */
export const WRITER_QUEUE_UNITS_MAX = 4_096;
/** Units in one transaction: keeps one fsync's wait bounded. */
export const WRITER_BATCH_UNITS_MAX = 256;
/**
 * A disk that has not taken a batch by then does not answer: whoever waits is refused, within the second of security.md 5.3.
 * A healthy disk takes milliseconds, one that has to spin up takes longer and the next try finds it awake.
 */
export const WRITER_STALL_MS = 800;
/** Distinct statements are few and fixed; the bound only guards against a mistake. */
export const PREPARED_STATEMENTS_MAX = 500;
/** Rows of one kind that are remembered: the passports of a thousand agents, several times over; about 1 kB each. */
export const REMEMBERED_ROWS_MAX = 10_000;
/** A lock of another program is told as what it is, before the disk would be taken for one that does not answer. */
export const DATABASE_BUSY_TIMEOUT_MS = 300;
/**
 * Files of the state are looked at so often: what was replaced or removed is noticed within a second. With the same beat an
 * outage is tried, so that its end is found where nobody calls.
 */
export const STORAGE_LOOK_EVERY_MS = 500;
/** With less than this no entry is begun: SQLite needs room to put the log away, and says nothing when it lacks it then. */
export const DISK_FREE_BYTES_MIN = 262_144;
/** Entries of what was done already, kept until the log takes them: of each call under way, and some denials. */
export const OUTAGE_ENTRIES_MAX = 4_096;
/** Of these in one unit: one fsync of bounded length. */
export const OUTAGE_ENTRIES_PER_UNIT = 256;
/** After a failed fsync the refusals still go out, and nothing else is waited for. */
export const FATAL_GRACE_MS = 250;
/** A thread whose disk does not answer is not waited for longer than this when the appliance stops. */
export const WRITER_CLOSE_MS = 3_000;
/** A connection lives longer than this where an agent is at work, and reading the table of sockets costs a millisecond. */
export const OWN_USER_LOOK_EVERY_MS = 5_000;
/** Calls without an outcome that one unit settles at start. */
export const RECOVERY_CALLS_PER_UNIT = 500;
/** Below the first, growth of the log is a matter of days; below the second, of minutes. */
export const DISK_FREE_BYTES_LOW = 500_000_000;
export const DISK_FREE_BYTES_NONE = 50_000_000;
/** A check of one service: reaching it, and one call. */
export const DOCTOR_CHECK_TIMEOUT_MS = CALL_TIMEOUT_MS + CONNECT_TIMEOUT_MS + RESOLVE_TIMEOUT_MS;
/** Services checked at once: a dead one costs seconds, and there may be dozens. */
export const DOCTOR_CHECKS_AT_ONCE = 8;
/** A clock that was set is noticed so soon; only the note of it hangs on that. */
export const CLOCK_LOOK_EVERY_MS = 1_000;
/** Leeway of other clocks; beyond it short-lived tokens of other systems begin to fail. */
export const CLOCK_SKEW_SECONDS_MAX = 60;
/** The command line asks a busy appliance patiently and an absent one not for long. */
export const SOCKET_TIMEOUT_MS = 5_000;
/** A command waits longer than the longest call that the YAML may allow; whoever typed it can interrupt it. */
export const COMMAND_TIMEOUT_MS = 660_000;
/** A key press waits for completion: an appliance under load is worth a moment, and names that come later are of no use. */
export const COMPLETION_TIMEOUT_MS = 2_000;
export const AUDIT_DETAIL_BYTES_MAX = 4_096;
export const AUDIT_PAGE = 20;
export const AUDIT_PAGE_MAX = 100;
export const LIST_PAGE = 20;
export const LIST_PAGE_MAX = 100;
/** Refused credentials fold to one entry per source and reason in this window (contract 7). */
export const DENIAL_FOLD_MS = 60_000;
export const DENIAL_FOLD_KEYS_MAX = 1_000;
/** So do calls over a limit, per agent and limit; the entry after the window says how many there were. */
export const FLOOD_FOLD_KEYS_MAX = 10_000;
/** The process log says the same trouble at the door once per source in this window. */
export const LOG_FOLD_MS = 60_000;
export const LOG_FOLD_KEYS_MAX = 1_000;
/** Text from outside in a line of the process log: longer tells no more. */
export const LOG_TEXT_CHARS_MAX = 200;
/** Names that one label of a metric may take. Services and actions are far fewer; reloads may bring others. */
export const METRIC_LABEL_VALUES_MAX = 2_000;
/** How often the delay of the event loop is sampled: fine enough for a stall, and an idle process sleeps. */
export const EVENT_LOOP_SAMPLE_MS = 20;
