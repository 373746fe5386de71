/** The official v1 client: `initialize`, a session, and a stream of its own for what the server has to say. */

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject } from '@cruvero/core';
import type { Change, Command, SdkClient } from './sdk-client.fixture.ts';
import { until } from './until.fixture.ts';

const implementation = { name: 'e2e-legacy', version: '1.0.0' };
type AnyTransport = Parameters<Client['connect']>[0];

export async function connectLegacy(url: URL, key: string | undefined): Promise<SdkClient> {
  let streaming = false;
  const transport = new StreamableHTTPClientTransport(url, {
    ...(key === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${key}` } } }),
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (init?.method === 'GET' && response.ok) streaming = true;
      return response;
    },
  });
  const client = new Client(implementation);
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  await client.connect(transport as AnyTransport);
  return sdkClient(
    client,
    async () => void (await until('the stream of the session opens', () => streaming)),
  );
}

/** A server of its own, without any gateway: what results through one are compared with. */
export async function connectLegacyDirect(command: Command): Promise<SdkClient> {
  const client = new Client(implementation);
  await client.connect(new StdioClientTransport({ ...command, args: [...command.args], stderr: 'ignore' }));
  return sdkClient(client, async () => undefined);
}

const changeOf: Readonly<Record<string, Change>> = {
  'notifications/tools/list_changed': 'tools',
  'notifications/resources/list_changed': 'resources',
  'notifications/prompts/list_changed': 'prompts',
};

function sdkClient(client: Client, streamOpen: () => Promise<void>): SdkClient {
  return {
    ask: async (method, params) =>
      (await client.request({ method, params }, ResultSchema)) as unknown as JsonObject,
    call: async (name, args) => (await client.callTool({ name, arguments: args })) as unknown as JsonObject,
    listen: async (onChange) => {
      client.fallbackNotificationHandler = async ({ method }) => {
        const change = changeOf[method];
        if (change) onChange(change);
      };
      await streamOpen();
    },
    face: () => ({
      name: client.getServerVersion()?.name,
      capabilities: (client.getServerCapabilities() ?? {}) as unknown as JsonObject,
      instructions: client.getInstructions(),
    }),
    close: () => client.close(),
  };
}
