/** What dies is missed by no caller: services, real servers and child processes killed while calls flow. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '@cruvero/core';
import { startLegacyServer, startModernServer, type FixtureServer } from '@cruvero/testkit';
import type { Stack } from '@cruvero/stack';
import { announceStored, eventsInHand } from '../harness/announce-stored.fixture.ts';
import { api } from '../harness/api.fixture.ts';
import { check, startCallers, type Callers } from '../harness/callers.fixture.ts';
import { connect } from '../harness/clients.fixture.ts';
import { legacyCommand, modernCommand } from '../harness/config-file.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { startLayout } from '../harness/over-layouts.fixture.ts';
import { descendantsOf, runningProcesses } from '../harness/processes.fixture.ts';
import { listedServers, rawCall } from '../harness/raw.fixture.ts';
import { timed, until } from '../harness/until.fixture.ts';

/** How long a new server may take to be listed after something came back. */
const convergesWithinMs = 15_000;
/** Calls of each caller while something is dead, and again when it is back. */
const callsEach = 20;

/** In the arguments of every child, and of no other process on this machine. */
const mark = `--mark=${randomUUID()}`;
let steady: FixtureServer;
let guests: FixtureServer;
let layout: Layout;
let stack: Stack;
before(async () => {
  steady = await startLegacyServer({ serverName: 'steady' });
  guests = await startModernServer({ serverName: 'guests' });
  layout = await startLayout('apart', {
    servers: {
      steady: { url: steady.url },
      child: legacyCommand('--name=child', mark),
      other: modernCommand('--name=other', mark),
    },
  });
  stack = layout.stack ?? assert.fail('the layout apart has a stack');
});
after(async () => {
  await layout?.stop();
  await Promise.all([steady.close(), guests.close()]);
});

/** `counted` may not be sent twice, so none of its calls is saved by trying again. */
const steadyTool = 'mcp.steady.counted';

function wrong(tool: string, text: string, result: JsonObject): string | undefined {
  const [block] = result['content'] as unknown as readonly { readonly text?: string }[];
  const right = tool === steadyTool ? Number(block?.text) > 0 : block?.text === text;
  return right && result['isError'] !== true ? undefined : `${tool} answered ${JSON.stringify(result)}`;
}

/** Kills, lets everybody call, brings it back, lets everybody call again; the time in between in ms. */
async function outage(callers: Callers, kill: () => Promise<void>, back: () => Promise<void>) {
  const killedMs = performance.now();
  const listed = await listedServers(layout);
  await kill();
  await callers.each(callsEach);
  assert.deepEqual(await listedServers(layout), listed, 'lists are served as before');
  const deadMs = performance.now() - killedMs;
  await back();
  const backMs = performance.now();
  return { killedMs, deadMs, backMs };
}

/** All that was listed before stays listed. */
async function announceAndSee(server: string): Promise<void> {
  const before = await listedServers(layout);
  await announceStored(layout, [{ server, endpoint: guests.url }]);
  const listed = await until(
    `${server} is listed`,
    async () => {
      const now = await listedServers(layout);
      return now.has(server) && now;
    },
    convergesWithinMs,
  );
  assert.deepEqual([...listed].sort(), [...before, server].sort());
}

describe('while callers call', () => {
  let callers: Callers;
  before(async () => {
    callers = await startCallers(layout, {
      legacy: 8,
      modern: 8,
      tools: [steadyTool, 'mcp.child.echo', 'mcp.other.echo'],
      wrong,
    });
    await callers.each(1);
  });
  after(() => callers?.[Symbol.asyncDispose]());

  const victims = {
    registry: () => stack.services.registry,
    NATS: () => stack.nats,
    PostgreSQL: () => stack.postgres,
    Redis: () => stack.redis,
  };
  for (const [name, victim] of Object.entries(victims)) {
    it(`kill -9 of ${name} fails not one call, and all converges when it is back`, async (t) => {
      const appliedBefore = await appliedVersion();
      const { killedMs, deadMs, backMs } = await outage(
        callers,
        () => victim().kill('SIGKILL'),
        () => victim().restart(),
      );
      const { ms } = await timed(() => announceAndSee(`after-${name.toLowerCase()}`));
      const moved = async (): Promise<boolean> => (await appliedVersion()) > appliedBefore;
      await until('the gateway tells the registry of a newer version', moved);
      await callers.each(callsEach);
      const found = check(callers.history, killedMs, performance.now());
      assert.deepEqual(found.failures, []);
      const dead = check(callers.history, killedMs, killedMs + deadMs);
      assert.ok(dead.fewest >= callsEach, `a caller ended only ${dead.fewest} calls while ${name} was dead`);
      t.diagnostic(
        `${name} dead for ${(deadMs / 1_000).toFixed(1)} s: ${dead.calls} calls, longest ${dead.longestMs} ms; ` +
          `a new server listed ${(ms / 1_000).toFixed(1)} s after it was back (${Math.round(performance.now() - backMs)} ms in all)`,
      );
    });
  }

  it('loses no announcement that was acknowledged while the registry was dead', async (t) => {
    const names = Array.from({ length: 20 }, (_, n) => `guest-${n}`);
    // Every second one is nowhere to be reached.
    const endpointOf = (n: number): string => (n % 2 === 0 ? guests.url : 'http://127.0.0.1:1/mcp');
    const killedMs = performance.now();
    await stack.services.registry.kill('SIGKILL');
    const guestsToCome = names.map((server, n) => ({ server, endpoint: endpointOf(n) }));
    await announceStored(layout, guestsToCome.slice(0, 10));
    // What it has acknowledged, NATS keeps over its own death.
    await stack.nats.kill('SIGKILL');
    await stack.nats.restart();
    await announceStored(layout, guestsToCome.slice(10));
    assert.equal(stack.services.registry.alive, false);
    await stack.services.registry.restart();
    const { ms } = await timed(async () => {
      await until('all 20 are in the admin API', async () => {
        const known = await registered();
        return names.every((name) => known.has(name));
      });
      await until('those that can be reached are listed', async () => {
        const listed = await listedServers(layout);
        return names.every((name, n) => n % 2 === 1 || listed.has(name));
      });
    });
    t.diagnostic(`20 of 20 known and 10 of 10 listed ${ms} ms after the registry was back`);
    assert.equal((await rawCall(layout, 'mcp.guest-18.echo', { text: 'here' })).status, 200);
    assert.deepEqual(check(callers.history, killedMs, performance.now()).failures, []);
  });

  it('goes on soon after the registry died with an event in hand', async (t) => {
    const killedMs = performance.now();
    await stack.postgres.kill('SIGKILL');
    await announceStored(layout, [{ server: 'in-hand', endpoint: guests.url }]);
    await until('the registry has an event in hand', async () => (await eventsInHand(layout)) === 1);
    await stack.services.registry.kill('SIGKILL');
    await stack.postgres.restart();
    await stack.services.registry.restart();
    const listed = async (): Promise<boolean> => (await listedServers(layout)).has('in-hand');
    const { ms } = await timed(() => until('in-hand is listed', listed, convergesWithinMs));
    t.diagnostic(`the server that was in hand listed ${ms} ms after the registry was back`);
    assert.deepEqual(check(callers.history, killedMs, performance.now()).failures, []);
  });

  it('ran every call exactly once, from the first to the last', async (t) => {
    await callers.stop();
    const found = check(callers.history, 0, performance.now());
    assert.deepEqual(found.failures, []);
    const asked = callers.history.filter(({ tool }) => tool === steadyTool).length;
    assert.equal(steady.catalogue.executions.get('counted'), asked);
    t.diagnostic(`${found.calls} calls, longest ${found.longestMs} ms`);
  });
});

/** The newest configuration that the gateway said it has applied. */
async function appliedVersion(): Promise<number> {
  const answer = await api(layout.registryUrl, layout.adminKey, 'GET', '/admin/api/v1/gateways');
  const { items } = answer.body as {
    readonly items: readonly { readonly gateway_id: string; readonly applied_versions: object }[];
  };
  const own = items.find(({ gateway_id: id }) => id === 'gw-1');
  return Math.max(0, ...Object.values(own?.applied_versions ?? {}));
}

/** Names in the admin API, through all its pages. */
async function registered(): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (let cursor: string | null = ''; cursor !== null;) {
    const url: string = `${layout.registryUrl}/admin/api/v1/servers?limit=100${cursor && `&cursor=${cursor}`}`;
    const response = await fetch(url, { headers: { 'x-api-key': layout.adminKey } });
    assert.equal(response.status, 200);
    const page = (await response.json()) as {
      readonly items: readonly { readonly name: string }[];
      readonly next_cursor: string | null;
    };
    for (const { name } of page.items) names.add(name);
    cursor = page.next_cursor;
  }
  return names;
}

describe('the gateway', () => {
  it('killed while registry and NATS are gone, serves lists and calls from its last snapshot', async (t) => {
    const before = [...(await listedServers(layout))].sort();
    await until('the snapshot is on disk', async () => {
      const written = await readFile(join(stack.folder, 'gateway/gateway-gw-1.json'), 'utf8');
      return before.every((name) => written.includes(`"default/${name}"`));
    });
    await stack.services.registry.kill('SIGKILL');
    await stack.nats.kill('SIGKILL');
    await stack.services.gateway.kill('SIGKILL');
    const { ms } = await timed(async () => {
      await stack.services.gateway.restart();
      assert.deepEqual([...(await listedServers(layout))].sort(), before);
    });
    for (const kind of ['legacy', 'modern'] as const) {
      await using client = await connect(kind, layout);
      for (const tool of ['mcp.child.echo', 'mcp.other.echo', 'mcp.after-redis.echo']) {
        assert.equal(wrong(tool, kind, await client.call(tool, { text: kind })), undefined);
      }
      assert.equal(wrong(steadyTool, kind, await client.call(steadyTool)), undefined);
    }
    assert.equal(stack.services.registry.alive || stack.nats.alive, false);
    t.diagnostic(`listed ${ms} ms after it was started, without the control plane`);
    await stack.nats.restart();
    await stack.services.registry.restart();
    const { ms: convergedMs } = await timed(() => announceAndSee('after-gateway'));
    t.diagnostic(`a new server listed ${convergedMs} ms after the control plane was back`);
  });
});

describe('the stdio-bridge', () => {
  const pidOf = async (server: string): Promise<number> => {
    const { result, error } = await rawCall(layout, `mcp.${server}.environment`);
    const { pid } = (result?.['structuredContent'] ?? {}) as { readonly pid?: number };
    return pid ?? assert.fail(`${server} said no pid: ${JSON.stringify(error)}`);
  };

  it('starts a killed child again, and calls to its neighbour do not fail', async (t) => {
    const killed = await pidOf('child');
    const neighbour = await pidOf('other');
    await using callers = await startCallers(layout, {
      legacy: 4,
      modern: 6,
      tools: ['mcp.child.echo', 'mcp.other.echo'],
      wrong,
    });
    await callers.each(2);
    const killedMs = performance.now();
    process.kill(killed, 'SIGKILL');
    await callers.each(callsEach);
    const { ms } = await timed(async () => {
      await until('another child answers', async () => (await pidOf('child')) !== killed);
    });
    const recoveredMs = performance.now();
    await callers.each(4);
    await callers.stop();
    const { failures, longestMs } = check(callers.history, killedMs, performance.now());
    assert.deepEqual(
      failures.filter(({ tool }) => tool === 'mcp.other.echo'),
      [],
    );
    assert.deepEqual(check(callers.history, recoveredMs, performance.now()).failures, []);
    assert.equal(await pidOf('other'), neighbour, 'the neighbour is left alone');
    t.diagnostic(
      `${failures.length} calls to the killed child failed, longest ${longestMs} ms, seen ${ms} ms`,
    );
  });

  it('leaves no process behind when it is killed itself, and has its servers again when it is back', async (t) => {
    const bridge = stack.services['stdio-bridge'];
    const children = [await pidOf('child'), await pidOf('other')];
    const family = descendantsOf(bridge.pid).map(({ pid }) => pid);
    assert.ok(children.every((pid) => family.includes(pid)));
    await bridge.kill('SIGKILL');
    const { ms } = await timed(async () => {
      await until('nothing is left of it', () => {
        const left = runningProcesses().filter(
          ({ pid, words }) => family.includes(pid) || words.includes(mark),
        );
        return left.length === 0;
      });
    });
    t.diagnostic(`${family.length} processes gone ${ms} ms after the bridge`);
    await bridge.restart();
    const { ms: againMs } = await timed(async () => {
      await until('both servers answer again', async () => {
        const answers = await Promise.all(
          ['child', 'other'].map((server) => rawCall(layout, `mcp.${server}.echo`, { text: server })),
        );
        return answers.every(({ result }) => result !== undefined);
      });
    });
    t.diagnostic(`both servers answer ${againMs} ms after the bridge was back`);
  });
});
