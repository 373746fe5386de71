/** Lists are answered at once from what was last seen; a server that is dead, silent or sick keeps nobody waiting. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  defaultProfile,
  type JsonObject,
  type ListKind,
  type PolicyProfile,
  type Server,
  type Snapshot,
} from '@cruvero/core';
import { defaultBounds } from '@cruvero/upstream';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { instance, server, snapshot, tenant } from '../calls.fixture.ts';
import type { KnownLists } from '../control/last-known.ts';
import { diffSnapshots } from '../control/state.ts';
import { FakeFleet } from '../fleet.fixture.ts';
import { Links } from '../links.ts';
import { Catalog } from './catalog.ts';

const at = (name: string): string => `http://${name}.test/mcp`;
const one = (name: string, over: Partial<Server> = {}): Server =>
  server(name, { instances: [instance(`${name}-1`, { endpoint: at(name) })], ...over });

function stage(
  servers: readonly Server[],
  known: KnownLists = {},
  prepare: (fleet: FakeFleet) => void = () => undefined,
) {
  const clock = new SimClock();
  const fleet = new FakeFleet();
  prepare(fleet);
  const telemetry = new MemoryTelemetry();
  const told: string[] = [];
  let current: Snapshot = snapshot(servers);
  const links = new Links(
    { ...defaultBounds, timeoutMs: 5_000 },
    { upstreams: { http: fleet }, clock, random: () => 0.5, clientInfo: {} },
  );
  const catalog = new Catalog(
    {
      links,
      clock,
      random: () => 0.5,
      telemetry,
      snapshot: () => current,
      onChange: (_tenant, of, kinds) => void told.push(`${of.name}: ${kinds.join(' ')}`),
      listAgeMs: 60_000,
    },
    known,
  );
  const follow = (next: readonly Server[]): void => {
    const before = current;
    current = snapshot(next);
    catalog.follow(diffSnapshots(before, current));
  };
  const list = (kind: ListKind = 'tools', profile: PolicyProfile = defaultProfile, of = tenant()) =>
    JSON.parse(
      catalog.views.list(kind, { door: 'aggregate', names: 'canonical' }, of, profile, 'legacy')?.text ?? '',
    ) as Record<string, JsonObject[]> & { _meta?: JsonObject };
  const names = (profile?: PolicyProfile): unknown[] =>
    (list('tools', profile)['tools'] ?? []).map((tool) => tool['name']);
  return { clock, fleet, telemetry, told, catalog, links, follow, list, names };
}

const tool = (name: string, over: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: 'object' },
  ...over,
});
const missing = (listed: { _meta?: JsonObject }) => listed._meta?.['dev.cruvero/unavailable'];

describe('a list', () => {
  it('holds the items of all servers in order of their names, each to the letter but for its name', async () => {
    const { list } = stage([one('b'), one('a')], {}, (fleet) => {
      fleet.at(at('a')).tools = [tool('x', { 'x-kept': { deep: [1.5, null] } })];
      fleet.at(at('b')).tools = [tool('x'), tool('y')];
      fleet.at(at('a')).resources = [{ uri: 'file:///a', name: 'a' }];
      fleet.at(at('a')).resourceTemplates = [{ uriTemplate: 'file:///{p}', name: 't' }];
      fleet.at(at('b')).prompts = [{ name: 'p' }];
    });
    await settle();
    assert.deepEqual(list()['tools'], [
      { name: 'mcp.a.x', inputSchema: { type: 'object' }, 'x-kept': { deep: [1.5, null] } },
      { name: 'mcp.b.x', inputSchema: { type: 'object' } },
      { name: 'mcp.b.y', inputSchema: { type: 'object' } },
    ]);
    assert.deepEqual(list('resources'), { resources: [{ uri: 'mcp://a/file:///a', name: 'a' }] });
    assert.deepEqual(list('resourceTemplates'), {
      resourceTemplates: [{ uriTemplate: 'mcp://a/file:///{p}', name: 't' }],
    });
    assert.deepEqual(list('prompts'), { prompts: [{ name: 'mcp.b.p' }] });
  });

  it('is answered at once while a server is silent, and says who is missing and why', async () => {
    const { list, names, clock } = stage(
      [one('good'), one('silent'), one('down'), one('sick')],
      {},
      (fleet) => {
        fleet.at(at('good')).tools = [tool('x')];
        for (const state of ['silent', 'down', 'sick'] as const) fleet.at(at(state)).state = state;
      },
    );
    await settle();
    assert.deepEqual(names(), ['mcp.good.x']);
    const absent = missing(list()) as { server: string; reason: string }[];
    assert.deepEqual(
      absent.map((entry) => entry.server),
      ['down', 'sick', 'silent'],
    );
    assert.match(absent[0]?.reason ?? '', /"down" cannot be reached: the connection was refused/);
    assert.match(absent[1]?.reason ?? '', /refused tools\/list/);
    assert.match(absent[2]?.reason ?? '', /asked for the first time/);
    await clock.advance(0);
    assert.deepEqual(missing(list('prompts')), missing(list()));
  });

  it('of one tenant holds nothing of another, and does not even say that it is missing', async () => {
    const { list } = stage([one('a'), one('b', { tenantId: tenant('acme') })], {}, (fleet) => {
      fleet.at(at('a')).tools = [tool('x')];
      fleet.at(at('b')).state = 'down';
    });
    await settle();
    assert.deepEqual(list()['tools']?.length, 1);
    assert.equal(list()._meta, undefined);
    assert.deepEqual(list('tools', defaultProfile, tenant('acme'))['tools'], []);
  });

  it('leaves out kinds that a server does not declare, without asking for them', async () => {
    const { fleet, list } = stage([one('a')], {}, (f) => {
      f.at(at('a')).capabilities = { tools: {} };
      f.at(at('a')).prompts = [{ name: 'hidden' }];
    });
    await settle();
    assert.deepEqual(list('prompts')['prompts'], []);
    assert.deepEqual(fleet.at(at('a')).seen, ['server/discover', 'tools/list']);
  });

  it('is whole though a server that has resources does not know templates', async () => {
    const { list } = stage([one('a')], {}, (fleet) => {
      fleet.at(at('a')).resources = [{ uri: 'x:1', name: 'n' }];
      fleet.at(at('a')).resourceTemplates = 'unknown';
    });
    await settle();
    assert.equal(list('resources')['resources']?.length, 1);
    assert.deepEqual(list('resourceTemplates'), { resourceTemplates: [] });
  });

  it('comes from the first instance that answers', async () => {
    const two = server('a', {
      instances: [instance('a-1', { endpoint: at('dead') }), instance('a-2', { endpoint: at('a') })],
    });
    const { names } = stage([two], {}, (fleet) => {
      fleet.at(at('dead')).state = 'down';
      fleet.at(at('a')).tools = [tool('x')];
    });
    await settle();
    assert.deepEqual(names(), ['mcp.a.x']);
  });
});

describe('what a profile hides', () => {
  const profile = (over: Partial<PolicyProfile>): PolicyProfile => ({
    ...defaultProfile,
    name: 'p',
    ...over,
  });
  const fleetOf = (fleet: FakeFleet): void => {
    fleet.at(at('a')).tools = [tool('read'), tool('write')];
    fleet.at(at('a')).prompts = [{ name: 'write' }];
  };

  it('is not listed for its callers, and listed for all others', async () => {
    const { names, list } = stage([one('a')], {}, fleetOf);
    await settle();
    assert.deepEqual(names(profile({ toolDenylist: ['mcp.*.write'] })), ['mcp.a.read']);
    assert.deepEqual(names(), ['mcp.a.read', 'mcp.a.write']);
    assert.deepEqual(names(profile({ name: 'q', toolAllowlist: ['mcp.a.write'] })), ['mcp.a.write']);
    assert.equal(list('prompts', profile({ toolDenylist: ['*'] }))['prompts']?.length, 1, 'tools only');
  });

  it('is shown in audit mode, which only watches', async () => {
    const { names } = stage([one('a')], {}, fleetOf);
    await settle();
    assert.equal(names(profile({ toolDenylist: ['*'], enforcementMode: 'audit' })).length, 2);
  });

  it('is never taken from what an older profile of that name was shown', async () => {
    const { names } = stage([one('a')], {}, fleetOf);
    await settle();
    assert.deepEqual(names(profile({ toolDenylist: ['*.write'] })), ['mcp.a.read']);
    assert.deepEqual(names(profile({ toolDenylist: ['*.read'] })), ['mcp.a.write']);
  });
});

describe('a server that changes', () => {
  it('is looked at again when its lists are old, and listening clients are told once', async () => {
    const { fleet, clock, names, told } = stage(
      [one('a')],
      {},
      (f) => void (f.at(at('a')).tools = [tool('x')]),
    );
    await settle();
    assert.deepEqual(told.splice(0), ['a: tools']);
    fleet.at(at('a')).tools = [tool('x'), tool('y')];
    await clock.advance(59_999);
    assert.deepEqual(names(), ['mcp.a.x']);
    await clock.advance(1);
    assert.deepEqual(names(), ['mcp.a.x', 'mcp.a.y']);
    assert.deepEqual(told.splice(0), ['a: tools']);
    await clock.advance(60_000);
    assert.deepEqual(told, [], 'nothing changed');
  });

  it('says of itself what it says now when the control plane tells of another version', async () => {
    const { fleet, list, follow } = stage(
      [one('a')],
      {},
      (f) => void (f.at(at('a')).capabilities = { tools: {} }),
    );
    await settle();
    fleet.at(at('a')).capabilities = { tools: {}, prompts: {} };
    fleet.at(at('a')).prompts = [{ name: 'new' }];
    follow([one('a', { version: '2' })]);
    await settle();
    assert.deepEqual(list('prompts')['prompts'], [{ name: 'mcp.a.new' }]);
  });

  it('is looked at once more when it changed while it was looked at', async () => {
    const { fleet, follow, names } = stage([one('a')], {}, (f) => void (f.at(at('a')).tools = [tool('x')]));
    fleet.at(at('a')).tools = [tool('y')];
    follow([one('a', { version: '2' })]);
    follow([one('a', { version: '3' })]);
    await settle();
    assert.deepEqual(names(), ['mcp.a.y']);
    assert.equal(fleet.at(at('a')).count('tools/list'), 2);
  });

  it('is found in its new era', async () => {
    const { fleet, names, clock } = stage([one('a')], {}, (f) => {
      f.at(at('a')).state = 'legacy';
      f.at(at('a')).tools = [tool('old')];
    });
    await settle();
    assert.deepEqual(names(), ['mcp.a.old']);
    fleet.at(at('a')).state = 'well';
    fleet.at(at('a')).tools = [tool('new')];
    await clock.advance(60_000);
    assert.deepEqual(names(), ['mcp.a.new']);
  });

  it('at another address is asked there', async () => {
    const { fleet, follow, names, links } = stage(
      [one('a')],
      {},
      (f) => void (f.at(at('a')).tools = [tool('x')]),
    );
    await settle();
    fleet.at(at('moved')).tools = [tool('y')];
    const moved = server('a', { instances: [instance('a-1', { endpoint: at('moved') })] });
    follow([moved]);
    await links.keepOnly([moved]);
    await settle();
    assert.deepEqual(names(), ['mcp.a.y']);
  });
});

describe('a server that stumbles', () => {
  it('keeps its lists, is said once in the log, and is asked again soon, then slower', async () => {
    const { fleet, clock, names, list, telemetry, told } = stage(
      [one('a')],
      {},
      (f) => void (f.at(at('a')).tools = [tool('x')]),
    );
    await settle();
    told.length = 0;
    fleet.at(at('a')).state = 'down';
    await clock.advance(60_000);
    assert.deepEqual(names(), ['mcp.a.x']);
    assert.equal(missing(list()), undefined);
    const asked = (): number =>
      fleet.at(at('a')).count('server/discover') + fleet.at(at('a')).count('tools/list');
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      const before = asked();
      await clock.advance(pauseMs - 1);
      assert.equal(asked(), before, `before ${pauseMs} ms`);
      await clock.advance(1);
      assert.ok(asked() > before, `after ${pauseMs} ms`);
    }
    assert.equal(telemetry.lines.filter(({ message }) => message === 'a server cannot be listed').length, 1);
    fleet.at(at('a')).state = 'well';
    await clock.advance(60_000);
    assert.deepEqual(told, [], 'it offers what it offered');
  });

  it('from the first look is listed as soon as it is well, and then told of', async () => {
    const { fleet, clock, names, told, list } = stage(
      [one('a')],
      {},
      (f) => void (f.at(at('a')).state = 'down'),
    );
    await settle();
    fleet.at(at('a')).state = 'well';
    fleet.at(at('a')).tools = [tool('x')];
    await clock.advance(1_000);
    assert.deepEqual(names(), ['mcp.a.x']);
    assert.equal(list()._meta, undefined);
    assert.deepEqual(told, ['a: tools']);
  });

  it('and has nothing to offer when it is well again is not said to be missing any more', async () => {
    const { fleet, clock, list } = stage([one('a')], {}, (f) => void (f.at(at('a')).state = 'down'));
    await settle();
    assert.equal((missing(list()) as unknown[]).length, 1);
    fleet.at(at('a')).state = 'well';
    await clock.advance(1_000);
    assert.equal(list()._meta, undefined);
  });
});

describe('a server that comes or goes', () => {
  it('is listed with what it announced until it was asked itself', async () => {
    const announced = one('a', { tools: [tool('announced'), { title: 'has no name' }] });
    const { fleet, names, follow, told, list } = stage([]);
    fleet.at(at('a')).state = 'silent';
    follow([announced]);
    assert.deepEqual(names(), ['mcp.a.announced']);
    assert.equal(list()._meta, undefined);
    assert.deepEqual(told, ['a: tools']);
  });

  it('is gone from the lists at once, its look is given up, and nothing is said of that', async () => {
    const { fleet, names, follow, told, telemetry, clock } = stage([one('a'), one('b')], {}, (f) => {
      f.at(at('a')).tools = [tool('x')];
    });
    await settle();
    told.length = 0;
    follow([one('b')]);
    assert.deepEqual(names(), []);
    assert.deepEqual(told, ['a: tools resources resourceTemplates prompts']);
    fleet.at(at('c')).state = 'silent';
    follow([one('b'), one('c')]);
    await settle();
    follow([one('b')]);
    await clock.advance(120_000);
    assert.deepEqual(telemetry.lines, []);
    const asked = fleet.at(at('a')).seen.length;
    await clock.advance(600_000);
    assert.equal(fleet.at(at('a')).seen.length, asked);
  });

  it('and comes again is a new one', async () => {
    const { fleet, names, follow } = stage([one('a')], {}, (f) => void (f.at(at('a')).tools = [tool('x')]));
    await settle();
    follow([]);
    fleet.at(at('a')).tools = [tool('y')];
    follow([one('a')]);
    assert.deepEqual(names(), []);
    await settle();
    assert.deepEqual(names(), ['mcp.a.y']);
  });
});

describe('the catalog', () => {
  it('knows which tools may run twice, as the servers say, and takes no tool for such that it has not seen', async () => {
    const { catalog } = stage([one('a')], {}, (fleet) => {
      fleet.at(at('a')).tools = [
        tool('read', { annotations: { readOnlyHint: true } }),
        tool('put', { annotations: { idempotentHint: true } }),
        tool('no', { annotations: { readOnlyHint: false, idempotentHint: 'yes' } }),
        tool('odd', { annotations: [true] }),
        tool('plain'),
      ];
    });
    assert.equal(catalog.toolOf(one('a'), 'read'), undefined, 'not seen yet');
    await settle();
    const repeatable = ['read', 'put', 'no', 'odd', 'plain', 'other'].filter(
      (name) => catalog.toolOf(one('a'), name)?.repeatable,
    );
    assert.deepEqual(repeatable, ['read', 'put']);
    assert.equal(catalog.toolOf(one('a', { tenantId: tenant('acme') }), 'read'), undefined);
    assert.equal(catalog.toolOf(one('unknown'), 'read'), undefined);
  });

  it('is settled when every server was looked at, also in vain', async () => {
    const { catalog, fleet, clock } = stage(
      [one('a'), one('b')],
      {},
      (f) => void (f.at(at('b')).state = 'down'),
    );
    assert.equal(catalog.isSettled(), false);
    await settle();
    assert.equal(catalog.isSettled(), true);
    assert.equal(fleet.at(at('a')).count('tools/list'), 1);
    assert.ok(clock.pending > 0);
    catalog.close();
    assert.equal(clock.pending, 0);
  });

  it('writes down what it knows, and begins with that after a restart, though no server is there', async () => {
    const first = stage([one('a')], {}, (fleet) => {
      fleet.at(at('a')).tools = [tool('x', { annotations: { readOnlyHint: true } })];
      fleet.at(at('a')).prompts = [{ name: 'p' }];
    });
    await settle();
    const second = stage(
      [one('a')],
      first.catalog.known(),
      (fleet) => void (fleet.at(at('a')).state = 'silent'),
    );
    assert.deepEqual(second.names(), ['mcp.a.x']);
    assert.equal(second.list('prompts')['prompts']?.length, 1);
    assert.equal(second.catalog.toolOf(one('a'), 'x')?.repeatable, true);
    assert.equal(second.list()._meta, undefined);
  });

  it('begins with what is whole of what was written down', () => {
    const known = {
      'default/a': { tools: ['["x","{\\"name\\":\\"x\\"}"]', 'garbage', '7', '[1,2]'], prompts: [] },
    };
    const { names } = stage([one('a')], known, (fleet) => void (fleet.at(at('a')).state = 'silent'));
    assert.deepEqual(names(), ['mcp.a.x']);
  });

  it('writes down nothing of a server that it never saw', async () => {
    const { catalog } = stage([one('a')], {}, (fleet) => void (fleet.at(at('a')).state = 'down'));
    await settle();
    assert.deepEqual(catalog.known(), {});
  });
});
