/** Starts the gateway as `npm start` does, with everything on, before the servers of the measurement. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, start, type Running } from './processes.ts';
import { serversCount } from './payloads.ts';

/** Special among the servers; the others are modern and answer at once. */
export const stdioServer = serversCount - 3;
export const floodServer = serversCount - 2;
export const legacyServer = serversCount - 1;

export interface GatewayPlace {
  readonly upstreamUrl: string;
  /** Answers what nobody reads; apart, so that its calls take no connection from others. */
  readonly floodUrl: string;
}

export interface RunningGateway extends Running {
  /** Of a caller. */
  readonly key: string;
}

function serversFileText({ upstreamUrl, floodUrl }: GatewayPlace): string {
  const entryOf = (index: number): object => {
    if (index === stdioServer)
      return { command: process.execPath, args: [join(root, 'tools/bench/src/stdio-server.ts')] };
    if (index === floodServer) return { url: `${floodUrl}/mcp` };
    return { url: `${upstreamUrl}${index === legacyServer ? '/legacy' : ''}/mcp` };
  };
  const entries = Array.from({ length: serversCount }, (_, index) => [`s${index}`, entryOf(index)] as const);
  return JSON.stringify({ mcpServers: Object.fromEntries(entries) });
}

/** The embedded layout: API key, policy, limit, breaker and metrics are on; only the rate is set out of the way. */
export async function startGateway(place: GatewayPlace): Promise<RunningGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-bench-'));
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const config = join(folder, 'cruvero.json');
    await writeFile(config, serversFileText(place));
    const running = await start('apps/all-in-one/src/main.ts', {
      nodeArgs: ['--expose-gc', '--import', join(root, 'tools/bench/src/inside.ts')],
      env: {
        CRUVERO_CONFIG: config,
        CRUVERO_DATA_DIR: join(folder, 'data'),
        CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0',
        CRUVERO_MCP_HTTP_MAX_CONNS: '4000',
      },
    });
    const keyOf = (kind: string): string =>
      new RegExp(`^${kind}-key (\\S+)$`, 'm').exec(running.said)?.[1] ?? '';
    await liftRates(running.url, keyOf('admin'));
    const stop = async (): Promise<void> => {
      await running[Symbol.asyncDispose]();
      await removeFolder();
    };
    return { ...running, key: keyOf('agent'), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

async function liftRates(url: string, key: string): Promise<void> {
  const profile = {
    name: 'default',
    rate_limit: 1_000_000,
    rate_burst: 1_000_000,
    enforcement_mode: 'enforce',
  };
  const answer = await fetch(`${url}/admin/api/v1/policy/profiles`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ profiles: [profile] }),
  });
  if (!answer.ok)
    throw new Error(`the rates could not be lifted: HTTP ${answer.status} ${await answer.text()}`);
}

export interface AggregateList {
  /** The whole result as text. */
  readonly result: string;
  /** Its member `tools`, as it stands in the answer. */
  readonly tools: string;
}

/** What tools/list over all servers answers. @throws where it is not what the servers have. */
export async function aggregateList(
  { url, key }: RunningGateway,
  toolsExpected: number,
): Promise<AggregateList> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const answer = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/list',
      authorization: `Bearer ${key}`,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } }),
  });
  const text = await answer.text();
  const { result } = JSON.parse(text) as {
    readonly result?: { readonly tools?: readonly { name: string }[] };
  };
  const names = new Set((result?.tools ?? []).map(({ name }) => name));
  if (names.size !== toolsExpected)
    throw new Error(`tools/list has ${names.size} tools instead of ${toolsExpected}: ${text.slice(0, 300)}`);
  const tools = `"tools":${JSON.stringify(result?.tools)}`;
  if (!text.includes(tools))
    throw new Error('tools/list does not hold the tools as their servers spelled them');
  return { result: JSON.stringify(result), tools };
}
