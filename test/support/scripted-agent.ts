// An agent of the OpenAI Agents SDK whose model follows a script: each step says which tool is called next, from what the tool
// before it answered.
import assert from 'node:assert/strict';
import { Agent, MCPServerStreamableHttp, Runner, setTracingDisabled } from '@openai/agents';
import {
  functionCall,
  modelResponder,
  type RecordedModelCall,
  type ScriptedModel,
} from '@openai/agents/testing';
import type { Json } from './requests.ts';

setTracingDisabled(true);

/** What the model was shown as the output of the tool it called last. */
function lastOutput(call: RecordedModelCall): Json {
  const input = call.request.input;
  assert.ok(Array.isArray(input));
  const item = input.findLast((entry) => entry.type === 'function_call_result');
  assert.ok(item?.type === 'function_call_result', 'the model must have been given a tool output');
  const output: unknown = item.output;
  const first: unknown = Array.isArray(output) ? output[0] : output;
  const text = typeof first === 'string' ? first : (first as { text: string }).text;
  return JSON.parse(text) as Json;
}

/** A step of the script whose arguments depend on what the tool before it answered. */
export function next(tool: string, from: (output: Json) => Json) {
  return modelResponder((call) => [
    functionCall(tool, from(lastOutput(call)), { callId: `call-${call.index}` }),
  ]);
}

export const first = (tool: string, args: Json = {}) => [functionCall(tool, args, { callId: 'call-0' })];

/** What a model is shown of a call: everything of the request but the abort signal. */
export function shown(call: RecordedModelCall): string {
  const { input, systemInstructions, tools, handoffs } = call.request;
  return JSON.stringify({ input, systemInstructions, tools, handoffs });
}

export function toolOutputs(model: ScriptedModel): Json[] {
  return model.calls.slice(1).map(lastOutput);
}

type Scripted = {
  readonly model: ScriptedModel;
  /** Of the MCP endpoint. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly prompt: string;
};

/** The whole run, over a connection of its own; fails where the script was not played to its end. */
export async function runScripted({ model, url, headers, prompt }: Scripted) {
  const requestInit = { headers: { ...headers } };
  const server = new MCPServerStreamableHttp({ name: 'STACK', url, requestInit, errorFunction: null });
  await server.connect();
  try {
    const agent = new Agent({
      name: 'Assistant',
      instructions:
        'You are a helpful assistant. Use STACK to access user-authorized services securely. ' +
        'Never store or echo raw credentials.',
      model,
      mcpServers: [server],
    });
    const result = await new Runner({ tracingDisabled: true }).run(agent, prompt);
    model.assertComplete();
    return result;
  } finally {
    await server.close();
  }
}
