/** Servers ask in the middle of a call, clients answer: every SDK, every kind of server, at both doors, in both layouts. */

import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import {
  connectDialogue,
  dialogueKinds,
  elicited,
  roots,
  sampled,
  type DialogueClient,
  type DialogueKind,
} from '../harness/dialogue-client.fixture.ts';
import { referenceServers } from '../harness/config-file.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { serverKinds, type ServerKind } from '../intermediary/target.ts';
import { startUpstream, type Upstream } from '../intermediary/upstream/server.ts';

const upstreams: Upstream[] = [];
after(async () => {
  for (const upstream of upstreams) await upstream[Symbol.asyncDispose]();
});

/** One server's own door, and the aggregate; each with the way tools are called there. */
const doors = (server: string) =>
  [
    ['own door', `/servers/${server}/mcp`, (tool: string) => tool],
    ['aggregate', '/mcp', (tool: string) => `mcp.${server}.${tool}`],
  ] as const;

const dialogue = (layout: Layout, kind: DialogueKind, path: string): Promise<DialogueClient> =>
  connectDialogue(kind, new URL(layout.url + path), layout.agentKey);

const textOf = (result: JsonObject): string =>
  (result['content'] as readonly JsonObject[]).map((block) => String(block['text'])).join('\n');

const questions = ['form', 'url', 'sampling', 'roots'] as const;
const methods = {
  form: 'elicitation/create',
  url: 'elicitation/create',
  sampling: 'sampling/createMessage',
  roots: 'roots/list',
} as const;
const expected = {
  form: elicited({ requestedSchema: { properties: {}, required: ['colour'] } }),
  url: { action: 'accept' },
  sampling: sampled,
  roots,
} as const;

/** Each kind of question alone, then all at once. */
async function answerAll(client: DialogueClient, tool: string, tag: string): Promise<void> {
  for (const kinds of [...questions.map((kind) => [kind] as const), questions]) {
    const before = client.asked.length;
    const result = await client.call(tool, { tag, kinds });
    const said = (result['structuredContent'] as JsonObject)['answers'] as JsonObject;
    assert.deepEqual(said, Object.fromEntries(kinds.map((kind) => [kind, expected[kind]])));
    const asked = client.asked.slice(before);
    assert.deepEqual(asked.map(({ method }) => method).sort(), kinds.map((kind) => methods[kind]).sort());
    for (const { method, params } of asked)
      if (method !== 'roots/list') assert.match(JSON.stringify(params), new RegExp(tag));
  }
}

/** What the reference server says once it has its answer. */
const reference: readonly {
  readonly tool: string;
  readonly args: JsonObject;
  readonly asks: string;
  readonly says: RegExp;
}[] = [
  { tool: 'trigger-elicitation-request', args: {}, asks: 'elicitation/create', says: /- Name: Ada's name/ },
  {
    tool: 'trigger-url-elicitation',
    args: { url: 'https://sign.example/in' },
    asks: 'elicitation/create',
    says: /User completed the URL elicitation flow[^]*https:\/\/sign\.example\/in/,
  },
  {
    tool: 'trigger-sampling-request',
    args: { prompt: 'Say a word.' },
    asks: 'sampling/createMessage',
    says: /a completion/,
  },
];

async function callReference(client: DialogueClient, name: (tool: string) => string): Promise<void> {
  for (const { tool, args, asks, says } of reference) {
    const before = client.asked.length;
    const result = await client.call(name(tool), args);
    assert.match(textOf(result), says, tool);
    assert.ok(
      client.asked.slice(before).some(({ method }) => method === asks),
      `${asks} by ${tool}`,
    );
  }
  // The server asks for the roots at the beginning of a session or here; it says them in any case.
  assert.match(textOf(await client.call(name('get-roots-list'), {})), /home of Ada[^]*file:\/\/\/home\/ada/);
}

/** A server of 2025-11-25 may want a page opened before it takes a call at all (-32042). */
async function openPageFirst(
  client: DialogueClient,
  name: (tool: string) => string,
  url: string,
): Promise<void> {
  const args = { url, errorPath: true };
  const call = (): Promise<JsonObject> => client.call(name('trigger-url-elicitation'), args);
  if (client.kind === 'v2 modern') {
    assert.match(textOf(await call()), /User completed the URL elicitation flow/);
    const pages = client.asked
      .filter(({ params }) => params['mode'] === 'url')
      .map(({ params }) => params['url']);
    assert.deepEqual(pages.slice(-2), ['https://modelcontextprotocol.io', url]);
    return;
  }
  await assert.rejects(call(), (error: { readonly code?: number; readonly data?: unknown }) => {
    assert.equal(error.code, -32042);
    const data = error.data as { readonly elicitations: readonly JsonObject[] };
    assert.ok(
      isJsonObject(data.elicitations[0]) && data.elicitations[0]['mode'] === 'url',
      JSON.stringify(data),
    );
    return true;
  });
  assert.match(textOf(await call()), /User completed the URL elicitation flow/);
}

overLayouts(
  'dialogue',
  async () => {
    const upstream = await startUpstream();
    upstreams.push(upstream);
    const { everything = {} } = referenceServers('/nowhere');
    return { servers: { ...upstream.entries(), everything } };
  },
  (layout, layoutKind) => {
    for (const kind of dialogueKinds) {
      for (const server of serverKinds) {
        for (const [where, path, name] of doors(server)) {
          it(`the ${kind} client answers forms, pages, sampling and roots of ${server} at the ${where}`, async () => {
            await using client = await dialogue(layout(), kind, path);
            await answerAll(client, name('ask'), tagOf(kind, server, where));
          });
        }
      }
      for (const [where, path, name] of doors('everything')) {
        it(`the ${kind} client answers the reference server at the ${where}`, async () => {
          await using client = await dialogue(layout(), kind, path);
          await callReference(client, name);
        });
        it(`the ${kind} client opens the page that the reference server wants opened first, at the ${where}`, async () => {
          await using client = await dialogue(layout(), kind, path);
          await openPageFirst(
            client,
            name,
            `https://sign.example/${layoutKind}/${kind.replace(' ', '-')}/${where.length}`,
          );
        });
      }
    }
  },
);

const tagOf = (kind: DialogueKind, server: ServerKind, where: string): string =>
  `${kind}-${server}-${where}`.replaceAll(' ', '-');
