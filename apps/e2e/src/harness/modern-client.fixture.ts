/** The official v2 client: 2026-07-28 pinned, or whatever it finds out that the server speaks. */

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { modernLatest, type JsonObject } from '@cruvero/core';
import type { Change, Command, SdkClient } from './sdk-client.fixture.ts';

/** Takes a result as it is: stories compare what schemas would drop. */
export const asItCame = {
  '~standard': {
    version: 1,
    vendor: 'cruvero-e2e',
    validate: (value: unknown) => ({ value: value as JsonObject }),
  },
} as const;

const methods = {
  tools: 'notifications/tools/list_changed',
  resources: 'notifications/resources/list_changed',
  prompts: 'notifications/prompts/list_changed',
} as const satisfies Record<Change, string>;

type Mode = 'auto' | { readonly pin: string };

export async function connectModern(
  url: URL,
  key: string | undefined,
  kind: 'auto' | 'modern',
): Promise<SdkClient> {
  const client = clientOf(kind, kind === 'auto' ? 'auto' : { pin: modernLatest });
  const requestInit =
    key === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${key}` } } };
  await client.connect(new StreamableHTTPClientTransport(url, requestInit));
  return sdkClient(client);
}

/** A server of its own, without any gateway. */
export async function connectModernDirect(command: Command): Promise<SdkClient> {
  const client = clientOf('direct', { pin: modernLatest });
  await client.connect(new StdioClientTransport({ ...command, args: [...command.args], stderr: 'ignore' }));
  return sdkClient(client);
}

const clientOf = (name: string, mode: Mode): Client =>
  new Client({ name: `e2e-${name}`, version: '1.0.0' }, { versionNegotiation: { mode } });

function sdkClient(client: Client): SdkClient {
  return {
    ask: async (method, params) =>
      (await client.request({ method, params: { ...params } }, asItCame)) as JsonObject,
    call: async (name, args) =>
      (await client.callTool({ name, arguments: { ...args } })) as unknown as JsonObject,
    listen: async (onChange) => {
      for (const change of ['tools', 'resources', 'prompts'] as const) {
        client.setNotificationHandler(methods[change], () => onChange(change));
      }
      await client.listen({ toolsListChanged: true, resourcesListChanged: true, promptsListChanged: true });
    },
    face: () => ({
      name: client.getServerVersion()?.name,
      capabilities: (client.getServerCapabilities() ?? {}) as unknown as JsonObject,
      instructions: client.getInstructions(),
    }),
    close: () => client.close(),
  };
}
