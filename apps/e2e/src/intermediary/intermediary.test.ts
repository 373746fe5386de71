/** What an intermediary must hold, held by this gateway: embedded, and as two replicas apart of which one is killed at the end. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { api } from '../harness/api.fixture.ts';
import type { Layout, LayoutKind } from '../harness/layout.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { sharedSeal, startReplica, type Replica } from '../harness/replica.fixture.ts';
import { rawRequest } from '../harness/raw.fixture.ts';
import { until } from '../harness/until.fixture.ts';
import type { Check } from './check.ts';
import { Runner, type Outcome } from './run.ts';
import { groups } from './suite.ts';
import { serverKinds, type Credentials, type Need, type Target } from './target.ts';
import { startUpstream, type Upstream } from './upstream/server.ts';

const questionMs = 3_000;
const env = { CRUVERO_MCPGW_QUESTION_TIMEOUT: `${questionMs}ms`, ...sharedSeal() };
const upstreams = new Map<LayoutKind, Upstream>();
after(async () => {
  for (const upstream of upstreams.values()) await upstream[Symbol.asyncDispose]();
});

/** What one process cannot have. */
const ofTwo: ReadonlySet<Need> = new Set(['second replica', 'kill']);
const hiddenTool = 'hidden';

async function admin(layout: Layout, method: string, path: string, body: unknown): Promise<unknown> {
  const answer = await api(layout.registryUrl, layout.adminKey, method, `/admin/api/v1/${path}`, body);
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  return answer.body;
}

async function makeKey(layout: Layout, principal: string, profile = 'default'): Promise<string> {
  const body = { principal, tenant_id: 'default', scopes: ['mcp'], profile };
  return ((await admin(layout, 'POST', 'api-keys', body)) as { readonly key: string }).key;
}

const bearer = (key: string): Credentials => ({ authorization: `Bearer ${key}` });

async function targetOf(layout: Layout, replica: Replica | undefined): Promise<Target> {
  const rates = { rate_limit: 100_000, rate_burst: 100_000, enforcement_mode: 'enforce' };
  const profiles = [
    { name: 'default', ...rates },
    { name: 'restricted', tool_denylist: [`mcp.*.${hiddenTool}`], ...rates },
  ];
  await admin(layout, 'PUT', 'policy/profiles', { profiles });
  const [other, restricted] = [
    await makeKey(layout, 'other'),
    await makeKey(layout, 'restricted', 'restricted'),
  ];
  const origins = [layout.url, ...(replica ? [replica.url] : [])];
  for (const url of origins) {
    for (const agentKey of [other, restricted])
      await until(
        'the new keys open',
        async () => (await rawRequest({ url, agentKey }, 'tools/list')).status === 200,
      );
    for (const kind of serverKinds)
      await until(`${kind} is listed at ${url}`, async () => {
        const reach = { url, agentKey: layout.agentKey };
        return (await rawRequest(reach, 'tools/list', {}, `/servers/${kind}/mcp`)).result !== undefined;
      });
  }
  const { stack } = layout;
  return {
    origins,
    door: (origin, server) => `${origin}/servers/${server}/mcp`,
    aggregate: { url: (origin) => `${origin}/mcp`, name: (server, own) => `mcp.${server}.${own}` },
    servers: Object.fromEntries(serverKinds.map((kind) => [kind, kind])),
    owner: bearer(layout.agentKey),
    other: bearer(other),
    restricted: { credentials: bearer(restricted), hiddenTool },
    questionMs,
    ...(stack ? { killFirst: () => stack.services.gateway.kill('SIGKILL') } : {}),
  };
}

overLayouts(
  'an intermediary',
  async (kind) => {
    const upstream = await startUpstream();
    upstreams.set(kind, upstream);
    return { env, servers: upstream.entries() };
  },
  (layout, kind) => {
    let replica: Replica | undefined;
    let runner: Runner;
    const begun = new Map<Check, Promise<Outcome>>();
    const held = (check: Check): boolean =>
      kind === 'apart' || !(check.needs ?? []).some((need) => ofTwo.has(need));
    const chosen = groups
      .map((group) => ({ ...group, checks: group.checks.filter(held) }))
      .filter(({ checks }) => checks.length > 0);

    before(async () => {
      if (kind === 'apart') replica = await startReplica(layout(), env);
      const upstream = upstreams.get(kind) ?? assert.fail('the suite has no servers');
      runner = new Runner(await targetOf(layout(), replica), upstream);
      // Those that mostly wait do so beside all others.
      for (const check of chosen.flatMap(({ checks }) => checks))
        if (check.waits === true) begun.set(check, runner.run(check));
    });
    after(async () => replica?.[Symbol.asyncDispose]());

    const assertHeld = async (check: Check): Promise<void> => {
      const outcome = await (begun.get(check) ?? runner.run(check));
      if (outcome.is === 'failed') throw outcome.error;
      assert.equal(outcome.is, 'passed');
    };
    for (const { title, checks } of chosen) {
      describe(title, () => {
        for (const check of checks) it(check.name, () => assertHeld(check));
      });
    }
  },
);
