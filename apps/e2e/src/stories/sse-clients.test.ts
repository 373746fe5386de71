/** Clients from before Streamable HTTP, and those without any MCP library, are served as all others are. */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import {
  namedTool,
  startConformanceServer,
  startLegacyServer,
  startLegacySseServer,
  startModernServer,
  type ConformanceServer,
  type FixtureServer,
} from '@cruvero/testkit';
import { connectSse } from '../harness/sse-client.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { until } from '../harness/until.fixture.ts';

let legacy: FixtureServer;
let modern: FixtureServer;
let old: FixtureServer;
let asking: ConformanceServer;
before(async () => {
  legacy = await startLegacyServer();
  modern = await startModernServer();
  old = await startLegacySseServer();
  asking = await startConformanceServer({ eras: 'both' });
});
after(() => Promise.all([legacy, modern, old, asking].map((server) => server.close())));

overLayouts(
  'clients of HTTP+SSE',
  () => ({
    servers: {
      legacy: { url: legacy.url },
      modern: { url: modern.url },
      old: { type: 'sse', url: old.url },
      asking: { url: asking.url },
    },
  }),
  (layout, kind) => {
    const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(layout().url + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${layout().agentKey}`,
          ...headers,
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });

    it('list and call the servers of every era and transport, many calls at a time', async () => {
      await using client = await connectSse(layout());
      assert.equal(client.face().name, 'cruvero-mcp');
      const { tools } = await client.ask('tools/list');
      const names = (tools as unknown as readonly { readonly name: string }[]).map(({ name }) => name);
      for (const server of ['legacy', 'modern', 'old'])
        assert.ok(names.includes(`mcp.${server}.echo`), server);
      const texts = Array.from({ length: 60 }, (_, n) => `${['legacy', 'modern', 'old'][n % 3]} ${n}`);
      const said = await Promise.all(
        texts.map((text) => client.say(`mcp.${text.split(' ')[0]}.echo`, { text })),
      );
      assert.deepEqual(said, texts);
      assert.deepEqual(client.errors, []);
    });

    it('come in by the door of one server too', async () => {
      await using client = await connectSse(layout(), '/servers/modern/sse');
      assert.equal(client.face().name, 'fixture');
      assert.equal(await client.say('echo', { text: 'bare' }), 'bare');
      const { contents } = await client.ask('resources/read', { uri: 'fixture://notes/welcome' });
      assert.match(JSON.stringify(contents), /schön/);
    });

    for (const server of ['legacy', 'modern', 'old']) {
      it(`see the progress of a call to the server ${server}`, async () => {
        await using client = await connectSse(layout());
        const steps: number[] = [];
        const options = { onProgress: (step: number) => void steps.push(step) };
        assert.equal(await client.say(`mcp.${server}.slow`, { ms: 60, steps: 3 }, options), 'waited 60 ms');
        assert.deepEqual(steps, [1, 2, 3]);
      });
    }

    it('are asked what a server wants to know in the middle of a call', async () => {
      await using client = await connectSse(
        layout(),
        '/sse',
        (asked) => `heard ${asked.includes('How many')}`,
      );
      const said = await client.say('mcp.asking.test_sampling', { prompt: 'How many?' });
      assert.equal(said, 'LLM response: heard true');
    });

    it('are told that lists changed', async () => {
      await using client = await connectSse(layout());
      legacy.catalogue.addTool(namedTool(`fresh-${kind}`));
      await until('the client is told', () => client.told.includes('notifications/tools/list_changed'));
    });

    it('cancel a call, and take their calls with them when they leave', async () => {
      const leaving = await connectSse(layout());
      const abort = new AbortController();
      const before = legacy.catalogue.aborted;
      const earlier = legacy.catalogue.executions.get('slow') ?? 0;
      const cancelled = leaving.say('mcp.legacy.slow', { ms: 60_000 }, { signal: abort.signal });
      await until('the call runs', () => (legacy.catalogue.executions.get('slow') ?? 0) > earlier);
      abort.abort('not wanted any more');
      await assert.rejects(cancelled);
      await until('the server hears of it', () => legacy.catalogue.aborted > before);
      assert.equal(await leaving.say('mcp.legacy.echo', { text: 'still here' }), 'still here');
      const runs = legacy.catalogue.executions.get('slow') ?? 0;
      const left = leaving.say('mcp.legacy.slow', { ms: 60_000 });
      left.catch(() => undefined);
      await until('the second call runs', () => (legacy.catalogue.executions.get('slow') ?? 0) > runs);
      await leaving[Symbol.asyncDispose]();
      await until('the server hears of that', () => legacy.catalogue.aborted > before + 1);
    });

    it('without a key are not let in', async () => {
      await assert.rejects(connectSse({ url: layout().url }), /401/);
    });

    it('and those that only POST get plain results', async () => {
      const bare = await post('/mcp/v1/tools/call', {
        name: 'mcp.modern.echo',
        arguments: { text: 'plain' },
      });
      assert.equal(bare.status, 200);
      assert.match(JSON.stringify(await bare.json()), /^\{.*"text":"plain"/);
      const request = { jsonrpc: '2.0', id: 5, method: 'prompts/list' };
      const { id, result } = (await (await post('/mcp/v1/prompts/list', request)).json()) as Record<
        string,
        object
      >;
      assert.equal(id, 5);
      assert.match(JSON.stringify(result), /mcp\.legacy\.greeting/);
    });

    it('and those that send batches get batches', async () => {
      const clientInfo = { name: 'batches', version: '1' };
      const params = { protocolVersion: '2025-03-26', capabilities: {}, clientInfo };
      const opened = await post('/mcp', { jsonrpc: '2.0', id: 0, method: 'initialize', params });
      const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? assert.fail('no session') };
      const batch = ['legacy', 'modern', 'old'].map((server, id) => ({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name: `mcp.${server}.echo`, arguments: { text: server } },
      }));
      const answers = (await (await post('/mcp', batch, session)).json()) as readonly {
        readonly id: number;
      }[];
      assert.deepEqual(
        answers.map((answer) => [answer.id, /"text":"(\w+)"/.exec(JSON.stringify(answer))?.[1]]),
        [
          [0, 'legacy'],
          [1, 'modern'],
          [2, 'old'],
        ],
      );
    });
  },
);
