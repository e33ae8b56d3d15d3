// An OpenAI-compatible model on loopback that follows a script: each step says which tool is called next, from what the
// tool before it answered, or what the final answer is. It keeps all it was sent.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from './requests.ts';

export type ModelRequest = {
  /** The body as it came. */
  readonly text: string;
  readonly instructions: string;
  /** Names of the tools that the model may call. */
  readonly tools: readonly string[];
  /** What the tool called last answered; absent at the first step. */
  readonly output: Json | undefined;
};
export type Turn = { readonly call: string; readonly with: Json } | { readonly say: string };
export type Script = readonly ((request: ModelRequest) => Turn)[];
export type ModelServer = {
  /** For OPENAI_BASE_URL. */
  readonly url: string;
  readonly requests: readonly ModelRequest[];
  readonly stop: () => Promise<void>;
};

async function read(request: IncomingMessage): Promise<ModelRequest> {
  let text = '';
  request.setEncoding('utf8');
  for await (const part of request) text += part;
  const body = JSON.parse(text) as { instructions?: string; tools?: Json[]; input: string | Json[] };
  const items = typeof body.input === 'string' ? [] : body.input;
  const last = items.findLast((item) => item['type'] === 'function_call_output');
  return {
    text,
    instructions: body.instructions ?? '',
    tools: (body.tools ?? []).map((tool) => String(tool['name'])),
    output: last === undefined ? undefined : outputOf(last['output']),
  };
}

/** The text that a tool answered: as it is, inside a list of parts, or as the JSON of one part. */
function outputOf(output: unknown): Json {
  const text = typeof output === 'string' ? output : String((output as Json[])[0]?.['text']);
  const value = JSON.parse(text) as Json;
  return value['type'] === 'text' ? (JSON.parse(String(value['text'])) as Json) : value;
}

const itemOf = (turn: Turn, at: number): Json =>
  'say' in turn
    ? {
        type: 'message',
        id: `msg_${at}`,
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: turn.say, annotations: [] }],
      }
    : {
        type: 'function_call',
        id: `fc_${at}`,
        call_id: `call_${at}`,
        name: turn.call,
        arguments: JSON.stringify(turn.with),
        status: 'completed',
      };

const responseOf = (turn: Turn, at: number): Json => ({
  id: `resp_${at}`,
  object: 'response',
  created_at: 1_767_225_600,
  model: 'scripted',
  status: 'completed',
  output: [itemOf(turn, at)],
  parallel_tool_calls: false,
  tool_choice: 'auto',
  tools: [],
  usage: {
    input_tokens: 1,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 1,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 2,
  },
});

function answering(script: Script, requests: ModelRequest[]): Server {
  return createServer(async (request, response) => {
    const asked = await read(request).catch(() => undefined);
    const step = script[requests.length];
    const known = request.method === 'POST' && request.url === '/v1/responses';
    if (!known || asked === undefined || step === undefined) {
      // A client would try a 5xx again.
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: `not in the script: ${request.url}` } }));
      return;
    }
    const at = requests.push(asked);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(responseOf(step(asked), at)));
  });
}

export async function startModel(script: Script): Promise<ModelServer> {
  const requests: ModelRequest[] = [];
  const server = answering(script, requests);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}/v1`, requests, stop };
}
