/** What becomes of the events of a server's life, one by one and in any interleaving. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json, ServerName, ServerRecord } from '@cruvero/core';
import { defaultTenant } from '@cruvero/core';
import fc from 'fast-check';
import { acme, announceOf, until, verdictOf, World } from './world.fixture.ts';

const weather = 'weather' as ServerName;
type Type = 'announce' | 'heartbeat' | 'deregister' | 'verdict';

async function told(
  world: World,
  events: readonly (readonly [Type, Json, { event_id?: string; tenant_id?: string }?])[],
): Promise<void> {
  const before = world.done();
  for (const [type, payload, rest] of events) await world.say(type, payload, rest);
  await until('all events are done', () => world.done() === before + events.length);
}

const server = (world: World, name = weather, tenant = defaultTenant) => world.memory.get(tenant, name);
const instances = (world: World) => world.memory.instances(defaultTenant, weather);

describe('an announcement', () => {
  it('at an address that nobody allowed gets no server with a credential', async () => {
    await using world = new World();
    await world.start();
    await told(world, [['announce', announceOf('weather')]]);
    const known = (await server(world)) ?? assert.fail();
    const credential = {
      secretRef: 'weather',
      scheme: 'bearer',
      field: 'token',
    } as ServerRecord['credential'];
    const write = (more: Partial<ServerRecord>) =>
      world.memory.transaction((tx) =>
        tx.upsert({ ...known, ...(credential ? { credential } : {}), ...more }),
      );
    await write({});
    const stranger = { instance_id: 'stranger', endpoint: 'http://127.0.0.1:6666/mcp' };
    await told(world, [['announce', announceOf('weather', stranger)]]);
    assert.equal((await instances(world)).length, 1);
    await write({ allowedEndpoints: [] });
    await told(world, [['announce', announceOf('weather', stranger)]]);
    assert.equal((await instances(world)).length, 1, 'a list of nobody allows nobody');
    await write({ allowedEndpoints: ['http://127.0.0.1:6666/'] });
    await told(world, [['announce', announceOf('weather', stranger)]]);
    assert.equal((await instances(world)).length, 2);
    assert.deepEqual((await server(world))?.credential, credential, 'what was written down stays');
  });

  it('becomes a pending server with its tools and one instance, and a revision', async () => {
    await using world = new World();
    await world.start();
    const before = await world.memory.revision();
    await told(world, [
      ['announce', announceOf('weather', { version: '1.2.0', tags: ['eu'], capabilities: { tools: {} } })],
    ]);
    const row = await server(world);
    assert.deepEqual(
      [row?.status, row?.source, row?.toolCount, row?.version, row?.healthStatus],
      ['pending', 'nats', 1, '1.2.0', 'unknown'],
    );
    const [instance] = await instances(world);
    assert.deepEqual([instance?.endpoint, instance?.tags], ['http://127.0.0.1:9000/weather/mcp', ['eu']]);
    assert.equal(await world.memory.revision(), before + 1);
  });

  it('with the same content again moves last_seen and not the revision; with other content it does', async () => {
    await using world = new World();
    await world.start();
    await told(world, [['announce', announceOf('weather')]]);
    const revision = await world.memory.revision();
    await world.clock.advance(500);
    await told(world, [['announce', announceOf('weather')]]);
    assert.equal(await world.memory.revision(), revision);
    assert.equal((await instances(world))[0]?.lastSeenMs, world.clock.nowMs());
    await told(world, [['announce', announceOf('weather', { tools: [{ name: 'other' }] })]]);
    assert.equal(await world.memory.revision(), revision + 1);
  });

  it('two instances with addresses of their own do not disturb each other', async () => {
    await using world = new World();
    await world.start();
    const second = announceOf('weather', { instance_id: 'weather-2', endpoint: 'http://127.0.0.1:9002/mcp' });
    await told(world, [
      ['announce', announceOf('weather')],
      ['announce', second],
    ]);
    const revision = await world.memory.revision();
    await told(world, [
      ['announce', announceOf('weather')],
      ['announce', second],
    ]);
    assert.equal(await world.memory.revision(), revision);
  });

  it('with snake-case schemas is listed in the words of the protocol', async () => {
    await using world = new World();
    await world.start();
    await told(world, [
      [
        'announce',
        announceOf('weather', { tools: [{ name: 'a', input_schema: { type: 'object' }, extra: 1 }] }),
      ],
    ]);
    assert.deepEqual((await server(world))?.tools, [
      { name: 'a', extra: 1, inputSchema: { type: 'object' } },
    ]);
  });

  it('of a stdio server is kept as pending with a reason; nothing of its command is run', async () => {
    await using world = new World();
    await world.start();
    const payload = {
      server: 'weather',
      instance_id: 'w',
      transport: 'stdio',
      command: 'touch',
      args: ['/tmp/never'],
    };
    await told(world, [['announce', payload]]);
    const row = await server(world);
    assert.deepEqual([row?.status, row?.command, row?.endpoint], ['pending', 'touch', undefined]);
    assert.match(row?.healthReason ?? '', /stdio-bridge/);
  });

  it('is refused for addresses that no server has, and the row stays as it was', async () => {
    await using world = new World();
    await world.start();
    const bad = [
      'http://169.254.169.254/mcp',
      'http://metadata.google.internal/',
      'http://[fe80::1]/mcp',
      'http://[::ffff:169.254.169.254]/mcp',
      'http://2852039166/mcp',
      'http://user:pass@127.0.0.1/mcp',
      'file:///etc/passwd',
      'gopher://127.0.0.1/',
      'not a url',
    ];
    await told(
      world,
      bad.map((endpoint) => ['announce', announceOf('weather', { endpoint })] as const),
    );
    assert.equal(await server(world), undefined);
    assert.deepEqual(world.outcomes(), { 'mcp.announce refused': bad.length });
    assert.doesNotMatch(JSON.stringify(world.telemetry.lines), /user:pass/);
  });

  it('in-process addresses count only where gateway and bridge share the process', async () => {
    await using apart = new World();
    await apart.start();
    const payload = announceOf('weather', { transport: 'inproc', endpoint: 'inproc://bridge/weather-1' });
    await told(apart, [['announce', payload]]);
    assert.deepEqual(apart.outcomes(), { 'mcp.announce refused': 1 });
    await using embedded = new World();
    await embedded.start({ acceptInproc: true });
    await told(embedded, [['announce', payload]]);
    assert.equal((await instances(embedded))[0]?.endpoint, 'inproc://bridge/weather-1');
  });

  it('must be below the allowed endpoints where somebody wrote some down', async () => {
    await using world = new World();
    await world.start();
    await world.memory.transaction(async (tx) => {
      await tx.upsert({
        tenantId: defaultTenant,
        name: weather,
        transport: 'http',
        allowedEndpoints: ['http://10.0.0.5:80/apps/'],
        debug: false,
        source: 'api',
        status: 'active',
        toolCount: 0,
        healthStatus: 'unknown',
      });
    });
    const at = (endpoint: string) => ['announce', announceOf('weather', { endpoint })] as const;
    await told(world, [
      at('http://10.0.0.5.evil.example/apps/mcp'),
      at('http://10.0.0.5/appsmcp'),
      at('http://10.0.0.5/apps/../x'),
    ]);
    assert.equal((await instances(world)).length, 0);
    await told(world, [at('http://10.0.0.5/apps/mcp')]);
    assert.equal((await instances(world)).length, 1);
    assert.equal((await server(world))?.source, 'api', 'what somebody wrote down keeps its source');
  });

  it('lands in the tenant it names', async () => {
    await using world = new World();
    await world.start();
    await told(world, [['announce', announceOf('weather'), { tenant_id: 'acme' }]]);
    assert.equal(await server(world), undefined);
    assert.equal((await server(world, weather, acme))?.tenantId, 'acme');
  });

  it('does not bring a disabled server back, but does bring back a deregistered one', async () => {
    await using world = new World();
    await world.start();
    await told(world, [['announce', announceOf('weather')]]);
    for (const [status, after] of [
      ['disabled', 'disabled'],
      ['draining', 'draining'],
      ['deregistered', 'pending'],
    ] as const) {
      await world.memory.transaction((tx) => tx.updateStatus(defaultTenant, weather, status));
      await told(world, [['announce', announceOf('weather')]]);
      assert.equal((await server(world))?.status, after);
    }
  });
});

describe('heartbeats, verdicts and deregistrations', () => {
  it('a verdict makes the server active, stale, and deletes it when its last instance has expired', async () => {
    await using world = new World();
    await world.start();
    await told(world, [
      ['announce', announceOf('weather')],
      ['verdict', verdictOf('weather', 'active', 'healthy')],
    ]);
    assert.deepEqual(
      [(await server(world))?.status, (await server(world))?.healthStatus],
      ['active', 'healthy'],
    );
    await told(world, [['verdict', verdictOf('weather', 'stale', 'stale')]]);
    const stale = await server(world);
    assert.deepEqual(
      [stale?.status, stale?.healthStatus, stale?.healthReason],
      ['active', 'stale', 'because of stale'],
    );
    await told(world, [['heartbeat', { server: 'weather', instance_id: 'weather-1', seq: 1 }]]);
    assert.equal((await server(world))?.healthStatus, 'stale', 'only a verdict brings it back');
    await told(world, [['verdict', verdictOf('weather', 'expired', 'expired')]]);
    assert.equal(await server(world), undefined);
  });

  it('a server that somebody wrote down outlives its instances and says so', async () => {
    await using world = new World();
    await world.start();
    await told(world, [['announce', announceOf('weather', { source: 'file' })]]);
    await told(world, [['deregister', { server: 'weather', instance_id: 'weather-1' }]]);
    const row = await server(world);
    assert.deepEqual(
      [row?.status, row?.healthStatus, row?.healthReason],
      ['pending', 'expired', 'no instance is left'],
    );
  });

  it('one of two instances gone leaves the other, and the health of the better one counts', async () => {
    await using world = new World();
    await world.start();
    await told(world, [
      ['announce', announceOf('weather')],
      ['announce', announceOf('weather', { instance_id: 'two' })],
      ['verdict', verdictOf('weather', 'active', 'healthy', { instance_id: 'two' })],
      ['verdict', verdictOf('weather', 'stale', 'stale')],
    ]);
    assert.equal((await server(world))?.healthStatus, 'healthy');
    await told(world, [['deregister', { server: 'weather', instance_id: 'two' }]]);
    assert.equal((await server(world))?.healthStatus, 'stale');
    await told(world, [['deregister', { server: 'weather' }]]);
    assert.equal(await server(world), undefined);
  });

  it('a verdict of silence that was overtaken by a sign of life is not followed', async () => {
    await using world = new World();
    await world.start();
    await told(world, [['announce', announceOf('weather')]]);
    const stamp = new Date(world.clock.nowMs()).toISOString();
    await world.clock.advance(1_000);
    await told(world, [['heartbeat', { server: 'weather', instance_id: 'weather-1', seq: 1 }]]);
    const late = {
      event_type: 'mcp.verdict',
      event_id: 'late',
      timestamp: stamp,
      payload: verdictOf('weather', 'expired', 'expired'),
    };
    await world.outside.publishStored('cruvero.mcp.verdict', late, 'late');
    await until('the verdict is read', () => world.done('verdict') === 1);
    assert.deepEqual(world.outcomes()['mcp.verdict outdated'], 1);
    assert.equal((await instances(world)).length, 1);
  });

  it('events about nobody change nothing', async () => {
    await using world = new World();
    await world.start();
    const revision = await world.memory.revision();
    await told(world, [
      ['heartbeat', { server: 'weather', instance_id: 'x', seq: 1 }],
      ['deregister', { server: 'weather' }],
      ['verdict', verdictOf('weather', 'stale', 'stale')],
    ]);
    assert.equal(await world.memory.revision(), revision);
    assert.deepEqual(Object.keys(world.outcomes()).sort(), [
      'mcp.deregister unknown',
      'mcp.heartbeat unknown',
      'mcp.verdict unknown',
    ]);
  });
});

describe('the consumer', () => {
  it('logs and passes over what has the wrong shape', async () => {
    await using world = new World();
    await world.start();
    const odd: Json[] = [null, 5, [], {}, { event_type: 'mcp.announce' }, { event_type: '__proto__' }];
    for (const [at, body] of odd.entries())
      await world.outside.publishStored('cruvero.mcp.announce', body, `odd-${at}`);
    await told(world, [
      ['announce', announceOf('Weather!')],
      ['announce', announceOf('a.b')],
      ['announce', announceOf('weather')],
    ]);
    await until('everything is read', () => world.done() === odd.length + 3);
    assert.equal((await world.memory.list(defaultTenant)).length, 1);
    assert.deepEqual(world.outcomes(), {
      'other malformed': 5,
      'mcp.announce malformed': 3,
      'mcp.announce applied': 1,
    });
  });

  it('takes an event id once, in each tenant', async () => {
    await using world = new World();
    await world.start();
    await told(world, [
      ['announce', announceOf('weather'), { event_id: 'same' }],
      ['deregister', { server: 'weather' }],
      ['announce', announceOf('weather'), { event_id: 'same' }],
      ['announce', announceOf('weather'), { event_id: 'same', tenant_id: 'acme' }],
    ]);
    assert.equal(await server(world), undefined);
    assert.notEqual(await server(world, weather, acme), undefined);
  });

  it('hears verdicts only where discovery is static', async () => {
    await using world = new World();
    await world.start({ discovery: 'static' });
    await world.say('announce', announceOf('weather'));
    await told(world, [['verdict', verdictOf('weather', 'active', 'healthy')]]);
    assert.deepEqual(world.outcomes(), { 'mcp.verdict unknown': 1 });
  });

  it('waits while the store is away, then goes on in order and loses nothing', async () => {
    await using world = new World();
    await world.start();
    world.fragile.away = true;
    await world.say('announce', announceOf('weather'));
    await world.say('deregister', { server: 'weather' });
    await world.say('announce', announceOf('news'));
    await world.clock.advance(5_000);
    assert.equal(world.done(), 0);
    world.fragile.away = false;
    await world.clock.advance(2_000);
    await until('all are done', () => world.done() === 3);
    assert.deepEqual(
      (await world.memory.list(defaultTenant)).map((row) => row.name),
      ['news'],
    );
  });

  it('gives an event up after five failures of another kind, and does not count the store among them', async () => {
    await using world = new World();
    await world.start();
    world.fragile.away = true;
    await world.say('announce', announceOf('weather'));
    await world.say('announce', announceOf('news'));
    await world.clock.advance(60_000);
    Object.assign(world.fragile, { away: false, broken: true });
    await world.clock.advance(3_000);
    assert.equal(world.done(), 0);
    for (let step = 0; step < 150 && world.done() === 0; step += 1) await world.clock.advance(100);
    world.fragile.broken = false;
    await world.clock.advance(1_000);
    await until('the next one is done', () => world.done() === 2);
    assert.deepEqual(world.outcomes(), { 'mcp.announce failed': 1, 'mcp.announce applied': 1 });
    assert.equal(await server(world), undefined);
  });

  it('waits for a bus that is away at start', async () => {
    await using world = new World();
    world.broker.setReachable(false);
    await world.start();
    world.broker.setReachable(true);
    await world.clock.advance(3_000);
    await told(world, [['announce', announceOf('weather')]]);
    assert.notEqual(await server(world), undefined);
  });
});

type Step = readonly [Type, Json];
const names = ['one', 'two'];
const step: fc.Arbitrary<Step> = fc
  .record({
    name: fc.constantFrom(...names),
    instance: fc.constantFrom('a', 'b'),
    version: fc.constantFrom('1', '2'),
  })
  .chain(({ name, instance, version }) =>
    fc.oneof(
      fc.constant<Step>(['announce', announceOf(name, { instance_id: instance, version })]),
      fc.constant<Step>(['heartbeat', { server: name, instance_id: instance, seq: 1 }]),
      fc.constant<Step>(['deregister', { server: name, instance_id: instance }]),
      fc
        .constantFrom('healthy', 'stale', 'expired')
        .map<Step>((health) => [
          'verdict',
          verdictOf(name, health === 'healthy' ? 'active' : health, health, { instance_id: instance }),
        ]),
    ),
  );

describe('any interleaving', () => {
  it('leaves the same rows with and without duplicates', async () => {
    const rowsAfter = async (events: readonly { step: Step; id: number }[]) => {
      await using world = new World();
      await world.start();
      await told(
        world,
        events.map(({ step: [type, payload], id }) => [type, payload, { event_id: `e${id}` }] as const),
      );
      return { ...(await world.memory.everything()), apiKeys: [], incarnation: '' };
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ step, again: fc.array(fc.nat({ max: 12 }), { maxLength: 2 }) }), {
          minLength: 1,
          maxLength: 14,
        }),
        async (steps) => {
          const once = steps.map(({ step: each }, id) => ({ step: each, id }));
          const doubled = once.map((event, at) => ({ event, at }));
          // A redelivery comes after the first one, any number of places later.
          for (const [id, { again }] of steps.entries()) {
            for (const later of again) doubled.push({ event: once[id]!, at: id + later + 0.5 });
          }
          doubled.sort((a, b) => a.at - b.at);
          assert.deepEqual(await rowsAfter(doubled.map(({ event }) => event)), await rowsAfter(once));
        },
      ),
      { numRuns: 60 },
    );
  });
});
