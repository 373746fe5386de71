/**
 * The client under test of the official client scenarios: a gateway with the scenario's server as its only upstream, and
 * an SDK client of the scenario's era that does through it what the scenario waits for. `node driver.ts <url>`.
 */

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { isJsonObject, modernLatest, parseJsonObject, type JsonObject } from '@cruvero/core';
import { startGateway } from './gateway.ts';
import { modernRequest } from './modern-request.ts';
import { failureMark } from './official.ts';

const server = 'scenario';
/** The official program waits about as long; what it leaves behind must end by itself. */
const ownMsMax = 70_000;

interface Hands {
  readonly client: Client;
  /** The gateway's endpoint. */
  readonly endpoint: string;
  readonly context: JsonObject;
  /** Done once when the user is asked. */
  onAsked(work: () => Promise<void>): void;
}

type Deed = (hands: Hands) => Promise<void>;

const callAll =
  (...names: readonly string[]) =>
  async ({ client }: Pick<Hands, 'client'>): Promise<void> => {
    await client.listTools();
    for (const name of names) await client.callTool({ name, arguments: {} });
  };

const deeds: Readonly<Record<string, Deed>> = {
  initialize: callAll(),
  tools_call: async ({ client }) => {
    await client.listTools();
    await client.callTool({ name: 'add_numbers', arguments: { a: 5, b: 3 } });
  },
  'elicitation-sep1034-client-defaults': callAll('test_client_elicitation_defaults'),
  'sse-retry': callAll('test_reconnection'),
  'request-metadata': callAll(),
  'sep-2322-client-request-state': async ({ client, onAsked }) => {
    const call = async (name: string): Promise<void> => void (await client.callTool({ name, arguments: {} }));
    await client.listTools();
    // Another call while the first one waits for its answer.
    onAsked(() => call('test_mrtr_unrelated'));
    for (const name of ['test_mrtr_echo_state', 'test_mrtr_no_state', 'test_mrtr_no_result_type'])
      await call(name);
  },
  'http-standard-headers': async ({ client }) => {
    await callAll('test_headers', 'my-hyphenated-tool')({ client });
    const { resources } = await client.listResources();
    for (const { uri } of resources) await client.readResource({ uri });
    const { prompts } = await client.listPrompts();
    for (const { name } of prompts) await client.getPrompt({ name });
  },
  'http-custom-headers': async ({ client, context }) => {
    await client.listTools();
    const calls = Array.isArray(context['toolCalls']) ? (context['toolCalls'] as readonly JsonObject[]) : [];
    for (const call of calls)
      await client.callTool({
        name: String(call['name']),
        arguments: { ...(isJsonObject(call['arguments']) ? call['arguments'] : {}) },
      });
  },
  // Without the SDK, which would drop what the gateway must have dropped.
  'http-invalid-tool-headers': async ({ endpoint }) => {
    for (const { name } of await rawTools(endpoint))
      await modernRequest(endpoint, 'tools/call', { name: String(name), arguments: {} });
  },
  'json-schema-ref-no-deref': callAll(),
  'json-schema-2020-12-preservation': async ({ client }) => {
    const { tools } = await client.listTools();
    const schema = tools.find(({ name }) => name === 'json_schema_2020_12_tool')?.inputSchema;
    await client.callTool({ name: 'json_schema_echo', arguments: { schema } });
  },
  'sep-2640-client-no-prefetch': async ({ endpoint }) => {
    await modernRequest(endpoint, 'skills/list');
  },
};

async function rawTools(endpoint: string): Promise<readonly JsonObject[]> {
  const { tools } = await modernRequest(endpoint, 'tools/list');
  return Array.isArray(tools) ? tools.filter(isJsonObject) : [];
}

/** Accepts every form with nothing filled in, so that the schema's defaults count. */
function clientOf(version: string, asked: () => Promise<void>): Client {
  const client = new Client(
    { name: 'cruvero-conformance-driver', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
      versionNegotiation: { mode: version === modernLatest ? { pin: modernLatest } : 'legacy' },
    },
  );
  client.setRequestHandler('elicitation/create', async () => {
    await asked();
    return { action: 'accept', content: {} };
  });
  client.setRequestHandler('sampling/createMessage', async () => ({
    role: 'assistant',
    content: { type: 'text', text: 'A word.' },
    model: 'none',
  }));
  client.setRequestHandler('roots/list', async () => ({ roots: [] }));
  return client;
}

async function drive(url: string, scenario: string, version: string, context: JsonObject): Promise<void> {
  const deed = deeds[scenario];
  if (!deed) throw new Error(`nothing is known to do for ${scenario}`);
  await using gateway = await startGateway({ [server]: { type: 'http', url } });
  const endpoint = gateway.endpoint(server);
  let onAsked: (() => Promise<void>) | undefined;
  const client = clientOf(version, async () => {
    const work = onAsked;
    onAsked = undefined;
    await work?.();
  });
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(endpoint)));
    await deed({ client, endpoint, context, onAsked: (work) => void (onAsked = work) });
  } finally {
    await client.close();
  }
}

setTimeout(() => process.kill(process.pid, 'SIGTERM'), ownMsMax).unref();
const {
  MCP_CONFORMANCE_SCENARIO: scenario = '',
  MCP_CONFORMANCE_PROTOCOL_VERSION: version = modernLatest,
  MCP_CONFORMANCE_CONTEXT: context = '{}',
} = process.env;
try {
  await drive(process.argv.at(-1) ?? '', scenario, version, parseJsonObject(context) ?? {});
} catch (error) {
  const why = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${failureMark}${why}\n`);
  process.exitCode = 1;
}
