/** The gateway asks for its configuration, takes what is whole and newer, and says what it did. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { memoryBroker } from '@cruvero/adapter-memory';
import {
  authSchema,
  chunkKeys,
  configBucket,
  gatewaySubjects,
  lifecycleSubjects,
  splitChunks,
  type ConfigScope,
} from '@cruvero/contracts';
import type { Json, JsonObject } from '@cruvero/core';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { authPayload, baseConfig, gatewayId, profileRow, serverRow } from '../gateway.fixture.ts';
import { startControlLink } from './control-link.ts';
import type { Payloads } from './snapshot-state.ts';

function stage(current: Payloads = {}, reachable = true) {
  const clock = new SimClock();
  const broker = memoryBroker({ clock, random: () => 0.5 });
  broker.setReachable(reachable);
  const [bus, world] = [broker.connect(), broker.connect()];
  const telemetry = new MemoryTelemetry();
  const asked: Json[] = [];
  const events: JsonObject[] = [];
  const taken: [ConfigScope, unknown][] = [];
  const judged: [string, string][] = [];
  world.subscribe(gatewaySubjects.configRequest('*'), ({ body }) => void asked.push(body));
  world.subscribe(gatewaySubjects.events(gatewayId), ({ body }) => void events.push(body as JsonObject));
  const link = startControlLink(baseConfig, {
    bus,
    clock,
    random: () => 0.5,
    telemetry,
    current: () => current,
    onPayload: (scope, payload) => void taken.push([scope, payload]),
    onVerdict: (key, health) => void judged.push([key, health]),
  });
  const send = async (subject: string, body: Json): Promise<void> => {
    await world.publish(subject, body);
    await settle();
  };
  const tell = (scope: string, body: Json) => send(`mcpgw.${gatewayId}.config.${scope}`, body);
  return { clock, broker, world, telemetry, asked, events, taken, judged, link, send, tell };
}

const verdict = (over: JsonObject = {}, payload: JsonObject = {}): JsonObject => ({
  event_id: 'e1',
  timestamp: '2026-01-01T00:00:00Z',
  event_type: 'mcp.verdict',
  payload: {
    server: 'files',
    instance_id: 'i1',
    old_status: 'active',
    new_status: 'stale',
    health: 'stale',
    reason: 'silence',
    age_ms: 5,
    ...payload,
  },
  ...over,
});

describe('the gateway asks for its configuration', () => {
  it('at its start, and says what it has', async () => {
    const { asked } = stage({
      servers: { version: 7, incarnation: 'life-1', servers: [], spiffe_allow_list: [] },
    });
    await settle();
    assert.deepEqual(asked, [
      {
        gateway_id: 'gw',
        tenant_id: 'default',
        last_known_versions: {
          'config.servers': 7,
          'config.server_settings': 0,
          'config.policy': 0,
          'config.auth': 0,
        },
        last_known_incarnations: { 'config.servers': 'life-1' },
        request_id: '800000000000-1',
      },
    ]);
  });

  it('again and again, so that a lost message is mended', async () => {
    const { asked, clock } = stage();
    await clock.advance(14_999);
    assert.equal(asked.length, 1);
    await clock.advance(1);
    assert.equal(asked.length, 2);
    await clock.advance(30_000);
    assert.equal(asked.length, 4);
  });

  it('as soon as the bus is back', async () => {
    const { asked, broker } = stage({}, false);
    await settle();
    assert.equal(asked.length, 0);
    broker.setReachable(true);
    await settle();
    assert.equal(asked.length, 1);
  });

  it('no more after its end', async () => {
    const { asked, clock, link, tell, taken } = stage();
    await settle();
    await link.close();
    await clock.advance(60_000);
    await tell('auth', authPayload());
    assert.equal(asked.length, 1);
    assert.equal(clock.pending, 0);
    assert.deepEqual(taken, []);
  });
});

describe('a configuration', () => {
  it('is taken scope by scope, unknown members with it', async () => {
    const { taken, tell } = stage();
    await tell('auth', { ...authPayload(), 'x-new': 1 });
    await tell('servers', { version: 1, servers: [serverRow({ name: 'files' })] });
    await tell('server_settings', { config_version: 1, servers: [] });
    assert.deepEqual(
      taken.map(([scope]) => scope),
      ['auth', 'servers', 'server_settings'],
    );
    assert.partialDeepStrictEqual(taken[0]?.[1], { version: 1, 'x-new': 1 });
  });

  const broken: readonly [string, string, Json, RegExp][] = [
    ['has no version', 'servers', { servers: [] }, /version/],
    [
      'has a server with a dot in its name',
      'servers',
      { version: 1, servers: [{ ...serverRow({ name: 'a' }), name: 'a.b' }] },
      /servers\.0\.name/,
    ],
    ['is text', 'auth', 'hello', /body/],
    ['is nothing', 'policy', null, /body/],
    ['has no default profile', 'policy', { version: 1, profiles: [] }, /profiles/],
    [
      'carries a secret in the clear',
      'server_settings',
      { config_version: 1, servers: [{ server_name: 'a', effective_settings: { db_password: 'x' } }] },
      /secret/,
    ],
  ];
  for (const [what, scope, body, problem] of broken) {
    it(`that ${what} is refused and reported, and what was there stays`, async () => {
      const { taken, tell, events, telemetry } = stage();
      await tell(scope, body);
      assert.deepEqual(taken, []);
      assert.partialDeepStrictEqual(events[0], {
        event_type: 'config.rejected',
        gateway_id: 'gw',
        payload: { scope },
      });
      assert.match(JSON.stringify(events[0]), problem);
      assert.match(telemetry.lines[0]?.message ?? '', /refused; the last good one stays/);
    });
  }

  for (const scope of ['request', 'toString', 'constructor', '__proto__', 'other']) {
    it(`of scope ${scope} is none, and nothing is said of it`, async () => {
      const { taken, tell, events, telemetry } = stage();
      await tell(scope, { version: 1 });
      assert.deepEqual([taken, events, telemetry.lines], [[], [], []]);
    });
  }

  it('of another gateway is not heard', async () => {
    const { taken, send } = stage();
    await send('mcpgw.other.config.auth', authPayload());
    assert.deepEqual(taken, []);
  });
});

describe('a configuration of another life of the store', () => {
  const known = authSchema.parse({ ...authPayload(57), incarnation: 'a' });
  const told = (incarnation: string, question: Json | undefined) => ({
    ...authPayload(3),
    incarnation,
    ...(question === undefined ? {} : { in_answer_to: question }),
  });
  const questionOf = (asked: Json | undefined): Json | undefined => (asked as JsonObject)['request_id'];

  it('is taken in answer to a question, and the former one no more', async () => {
    const { asked, taken, tell, telemetry } = stage({ auth: known });
    await settle();
    const question = questionOf(asked[0]);
    await tell('auth', told('b', question));
    await tell('servers', { version: 2, incarnation: 'b', servers: [] });
    await tell('auth', told('a', undefined));
    await tell('auth', told('a', question));
    assert.deepEqual(
      taken.map(([scope, payload]) => [scope, (payload as JsonObject)['incarnation']]),
      [
        ['auth', 'b'],
        ['servers', 'b'],
      ],
    );
    assert.match(telemetry.lines[0]?.message ?? '', /another incarnation of the registry put off/);
  });

  it('that came unasked makes the gateway ask at once, but once a second at most', async () => {
    const { asked, taken, tell, clock } = stage({ auth: known });
    await clock.advance(5_000);
    assert.equal(asked.length, 1);
    await tell('auth', told('b', undefined));
    await tell('policy', { version: 1, incarnation: 'b', profiles: [profileRow()] });
    assert.equal(asked.length, 2);
    assert.deepEqual(taken, []);
    await tell('auth', told('b', questionOf(asked[1])));
    assert.equal(taken.length, 1);
  });

  it('that is broken does not shut the present one out', async () => {
    const { asked, taken, tell, events } = stage({ auth: known });
    await settle();
    await tell('auth', { ...told('b', questionOf(asked[0])), mode: 'other' });
    assert.match(JSON.stringify(events), /config\.rejected/);
    await tell('auth', { ...authPayload(58), incarnation: 'a' });
    assert.equal(taken.length, 1);
  });
});

describe('a configuration in parts', () => {
  const whole = JSON.stringify({
    version: 9,
    servers: Array.from({ length: 40 }, (_, n) => serverRow({ name: `s${n}` })),
  });
  const parts = splitChunks(whole, 2_000);
  const keys = chunkKeys(gatewayId, 'servers', 9, parts.length);
  const sha256 = createHash('sha256').update(whole).digest('hex');
  const head = { version: 9, chunked: { keys: [...keys], sha256 } };

  it('is read from the bucket and put together', async () => {
    const { world, taken, tell } = stage();
    for (const [at, key] of keys.entries()) await world.putValue(configBucket, key, parts[at] ?? '');
    await tell('servers', head);
    assert.partialDeepStrictEqual(taken[0]?.[1], { version: 9 });
    assert.equal((taken[0]?.[1] as { servers: unknown[] }).servers.length, 40);
  });

  it('of which one is missing is refused', async () => {
    const { world, taken, tell, events } = stage();
    for (const [at, key] of keys.slice(1).entries())
      await world.putValue(configBucket, key, parts[at + 1] ?? '');
    await tell('servers', head);
    assert.deepEqual(taken, []);
    assert.match(JSON.stringify(events), /is not in the bucket/);
  });

  it('of which one was overwritten is refused', async () => {
    const { world, taken, tell, events } = stage();
    for (const [at, key] of keys.entries())
      await world.putValue(configBucket, key, at === 1 ? 'x' : (parts[at] ?? ''));
    await tell('servers', head);
    assert.deepEqual(taken, []);
    assert.match(JSON.stringify(events), /do not match their hash/);
  });

  it('does not pass a smaller one that came after it', async () => {
    const { world, taken, tell } = stage();
    for (const [at, key] of keys.entries()) await world.putValue(configBucket, key, parts[at] ?? '');
    await Promise.all([tell('servers', head), tell('servers', { version: 10, servers: [] })]);
    await settle();
    assert.deepEqual(
      taken.map(([, payload]) => (payload as { version: number }).version),
      [9, 10],
    );
  });
});

describe('a verdict', () => {
  const { verdict: subject } = lifecycleSubjects('cruvero');

  it('is handed on for the tenant that it names, or the gateway own', async () => {
    const { judged, send } = stage();
    await send(subject, verdict());
    await send(subject, verdict({ tenant_id: 'acme' }, { health: 'healthy' }));
    assert.deepEqual(judged, [
      ['default/files/i1', 'stale'],
      ['acme/files/i1', 'healthy'],
    ]);
  });

  it('that is none is refused and said', async () => {
    const { judged, send, telemetry } = stage();
    await send(subject, verdict({}, { health: 'sleepy' }));
    assert.deepEqual(judged, []);
    assert.match(telemetry.lines[0]?.message ?? '', /verdict refused/);
  });
});

describe('a report', () => {
  it('goes out with time and gateway, and is lost without harm while the bus is away', async () => {
    const { link, events, broker } = stage();
    link.report('server.registered', { name: 'files' });
    await settle();
    assert.deepEqual(events, [
      {
        event_type: 'server.registered',
        timestamp: '2027-01-15T08:00:00.000Z',
        gateway_id: 'gw',
        payload: { name: 'files' },
      },
    ]);
    broker.setReachable(false);
    link.report('server.registered', { name: 'web' });
    await settle();
    broker.setReachable(true);
    await settle();
    assert.equal(events.length, 1);
  });
});
