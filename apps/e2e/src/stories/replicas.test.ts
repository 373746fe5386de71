/** Two gateways behind a plain TCP round robin that knows nothing of sessions; one of them dies as in a crash. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '@cruvero/core';
import {
  connectDialogue,
  dialogueKinds,
  type DialogueClient,
  type DialogueKind,
} from '../harness/dialogue-client.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { startLayout } from '../harness/over-layouts.fixture.ts';
import { fetchOnOwnConnection } from '../harness/own-connections.fixture.ts';
import { listedServers } from '../harness/raw.fixture.ts';
import { sharedSeal, startReplica, type Replica } from '../harness/replica.fixture.ts';
import { startRoundRobin, type RoundRobin } from '../harness/round-robin.fixture.ts';
import { until } from '../harness/until.fixture.ts';
import { answersTo } from '../intermediary/client/answers.ts';
import { answersAll, modernAsk } from '../intermediary/client/modern.ts';
import { startUpstream, type Upstream } from '../intermediary/upstream/server.ts';

const servers = ['modern', 'legacy', 'stdio-legacy'] as const;
type ServerName = (typeof servers)[number];

describe('two replicas behind a TCP round robin', () => {
  let upstream: Upstream;
  let layout: Layout;
  let second: Replica;
  let balancer: RoundRobin;

  before(async () => {
    upstream = await startUpstream();
    const entries = upstream.entries();
    const env = sharedSeal();
    layout = await startLayout('apart', {
      env,
      servers: Object.fromEntries(servers.map((name) => [name, entries[name]])),
    });
    second = await startReplica(layout, env);
    await untilListed(second.url);
    balancer = await startRoundRobin([layout.url, second.url]);
  });
  after(async () => {
    await balancer?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
    await layout?.stop();
    await upstream?.[Symbol.asyncDispose]();
  });

  const untilListed = (url: string): Promise<unknown> =>
    until(
      `${url} lists all servers`,
      async () => (await listedServers({ url, agentKey: layout.agentKey })).size === servers.length,
    );

  const connect = (kind: DialogueKind, server: ServerName): Promise<DialogueClient> =>
    connectDialogue(
      kind,
      new URL(`${balancer.url}/servers/${server}/mcp`),
      layout.agentKey,
      fetchOnOwnConnection,
    );

  const clientsOfAll = (): Promise<readonly (readonly [DialogueClient, ServerName])[]> =>
    Promise.all(
      dialogueKinds.flatMap((kind) =>
        servers.map(async (server) => [await connect(kind, server), server] as const),
      ),
    );

  async function talk(client: DialogueClient, tag: string): Promise<void> {
    const said = await client.call('echo', { tag });
    assert.equal((said['structuredContent'] as JsonObject)['tag'], tag);
    const asked = await client.call('ask', { tag, kinds: ['form', 'sampling'] });
    const { answers } = asked['structuredContent'] as { readonly answers: JsonObject };
    assert.deepEqual(Object.keys(answers).sort(), ['form', 'sampling']);
    assert.match(JSON.stringify(answers), /Ada's colour.*a completion/);
  }

  it('sessions and dialogues go on whichever replica a request meets', async () => {
    for (const [client, server] of await clientsOfAll()) {
      await using own = client;
      for (let n = 0; n < 3; n += 1) await talk(own, `turn-${own.kind}-${server}-${n}`.replace(' ', '-'));
    }
    const [first = 0, other = 0] = balancer.taken;
    assert.ok(Math.abs(first - other) <= 2 && first > 50, `${first} and ${other} connections`);
  });

  it('a killed replica costs nobody a session, and streams are opened again at the other one', async () => {
    const clients = await clientsOfAll();
    for (const [client, server] of clients) {
      await client.listen();
      await talk(client, `before-${client.kind}-${server}`.replace(' ', '-'));
    }
    const ids = clients.map(([client]) => client.sessionId());
    await layout.stack?.services.gateway.kill('SIGKILL');
    for (const [at, [client, server]] of clients.entries()) {
      await talk(client, `after-${client.kind}-${server}`.replace(' ', '-'));
      assert.equal(client.sessionId(), ids[at], 'it is still the same session');
      // In the modern era whoever loses a stream asks anew; legacy SDKs do so by themselves.
      await client.listen();
    }
    for (const [client, server] of clients) {
      const seen = client.told();
      await until(
        `the ${client.kind} client of ${server} is told of a change`,
        () => {
          upstream.world(server).change('tools');
          return until('it is told', () => client.told() > seen, 300).catch(() => false);
        },
        15_000,
      );
      await client[Symbol.asyncDispose]();
    }
  });

  it('the killed one comes back and takes its part', async () => {
    const gateway = layout.stack?.services.gateway ?? assert.fail('there is no stack');
    await gateway.restart();
    await gateway.ready();
    await untilListed(gateway.url);
    const before = [...balancer.taken];
    await using client = await connect('v1', 'legacy');
    for (let n = 0; n < 4; n += 1) await talk(client, `again-${n}`);
    balancer.taken.forEach((count, at) =>
      assert.ok(count > (before[at] ?? 0), `replica ${at} takes its part`),
    );
  });

  it('a call that waited at the killed replica is refused clearly and soon', async () => {
    const at = (url: string): string => `${url}/servers/legacy/mcp`;
    const options = { credentials: { authorization: `Bearer ${layout.agentKey}` }, capabilities: answersAll };
    const params = { name: 'ask', arguments: { tag: 'orphan', kinds: ['form'] } };
    const asked = await modernAsk(at(second.url), 'tools/call', params, options);
    const result = asked.message['result'] as JsonObject;
    assert.equal(result['resultType'], 'input_required', JSON.stringify(asked.message));
    second.program.signal('SIGKILL');
    await second.program.ended();
    const retry = {
      ...params,
      requestState: String(result['requestState']),
      inputResponses: answersTo('orphan', result),
    };
    const startMs = performance.now();
    const { message, status } = await modernAsk(at(layout.url), 'tools/call', retry, options);
    const { code, message: words } = message['error'] as { readonly code: number; readonly message: string };
    assert.deepEqual([status, code], [400, -32602], JSON.stringify(message));
    assert.match(words, /anew/);
    assert.ok(performance.now() - startMs < 4_000);
  });
});
