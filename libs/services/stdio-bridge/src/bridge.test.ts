/** The bridge runs what is configured, announces it, and ends it. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryBroker } from '@cruvero/adapter-memory';
import {
  announceSchema,
  decode,
  deregisterSchema,
  heartbeatSchema,
  isDecodeProblem,
  lifecycleSubjects,
  streams,
  type AnnounceEvent,
  type DecodeProblem,
  type DeregisterEvent,
  type HeartbeatEvent,
} from '@cruvero/contracts';
import type { Json } from '@cruvero/core';
import type { Bus, BusMessage } from '@cruvero/ports';
import { settle, SimClock } from '@cruvero/testkit';
import {
  echoes,
  echoTool,
  legacyServer,
  modernServer,
  type Behaviour,
  type FakeChild,
} from './fake-children.fixture.ts';
import { call, commandEntry, fault, jsonOf, response, rig } from './rig.fixture.ts';

const subjects = lifecycleSubjects('cruvero');

/** A bus that keeps what was said, and the bridge's own connection to it. */
async function heardBus(ready = true) {
  const clock = new SimClock();
  const broker = memoryBroker({ clock, random: () => 0 });
  const listener = broker.connect();
  const heard: BusMessage[] = [];
  listener.subscribe(subjects.all, (message) => void heard.push(message));
  if (ready) await listener.ensureStream(streams('cruvero').mcp);
  const of = (subject: string): Json[] =>
    heard.filter((message) => message.subject === subject).map(({ body }) => body);
  return { clock, broker, heard, of, bus: broker.connect() };
}

/** The same bus with some of its methods replaced. */
const spoilt = (bus: Bus, own: Partial<Bus>): Bus =>
  new Proxy(bus, {
    get: (_, name) => {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(bus, name);
      return typeof value === 'function' ? value.bind(bus) : value;
    },
  });

const sound = <T extends object>(read: T | DecodeProblem): T =>
  isDecodeProblem(read) ? assert.fail(read.problem) : read;
const announced = (body: Json | undefined) => sound<AnnounceEvent>(decode(announceSchema, body)).payload;
const beaten = (body: Json | undefined) => sound<HeartbeatEvent>(decode(heartbeatSchema, body)).payload;
const left = (body: Json | undefined) => sound<DeregisterEvent>(decode(deregisterSchema, body)).payload;

const dead: Behaviour = (child) => child.die({ code: 1, signal: null });

describe('the fleet', () => {
  it('is ready when every child was discovered or has failed once', async () => {
    await using one = await rig(
      (child, message) => (child.command.command === 'bad' ? dead : legacyServer())(child, message),
      {
        servers: [commandEntry('good', { instances: 2 }), commandEntry('bad', { command: 'bad' })],
      },
    );
    await one.bridge.ready();
    assert.deepEqual(
      one.bridge
        .listing()
        .map(({ name, instance, state, reason, era }) => [name, instance, state, reason, era]),
      [
        ['good', 'good.b1.0', 'running', undefined, 'legacy'],
        ['good', 'good.b1.1', 'running', undefined, 'legacy'],
        ['bad', 'bad.b1.0', 'backing_off', 'it ended with exit code 1', undefined],
      ],
    );
  });

  it('gives up quickly on a child that keeps dying, and tries it again slowly', async () => {
    await using one = await rig(dead);
    await one.clock.advance(20_000);
    assert.equal(one.children.all.length, 6);
    assert.equal(one.bridge.listing()[0]?.state, 'failed');
    const before = one.clock.nowMs();
    assert.match(fault(await one.post(call('initialize'))).detail, /failed: it ended with exit code 1/);
    assert.equal(one.clock.nowMs(), before, 'nobody waits for a failed child');
    one.children.behaviour = legacyServer();
    await one.clock.advance(60_000);
    assert.equal(one.bridge.listing()[0]?.state, 'running');
  });

  it('is not stopped by a timer that fires too early', async () => {
    class HastyClock extends SimClock {
      override after(delayMs: number, work: () => void) {
        return super.after(delayMs > 10 ? delayMs - 1 : delayMs, work);
      }
    }
    await using one = await rig(legacyServer(), { clock: new HastyClock() });
    await one.bridge.ready();
    one.children.last.die();
    await one.clock.advance(1_000);
    assert.equal(one.bridge.listing()[0]?.state, 'running');
  });

  it('does not ask a child again what has killed it', async () => {
    await using one = await rig((child, message) =>
      (message.method === 'server/discover' ? dead : legacyServer())(child, message),
    );
    await one.clock.advance(1_000);
    assert.equal(one.children.all.length, 2);
    assert.equal(one.bridge.listing()[0]?.era, 'legacy');
  });

  it('asks a child of the new era again after a bad start of it', async () => {
    for (const bad of ['tools/list', 'server/discover']) {
      let failed = false;
      const modernOnly: Behaviour = (child, message) => {
        if (message.method === 'initialize') return child.error(message, -32601, 'no such method');
        if (message.method !== bad || failed) return modernServer()(child, message);
        failed = true;
        if (bad === 'tools/list') child.error(message, -32603, 'no database yet');
      };
      await using one = await rig(modernOnly);
      await one.clock.advance(10_000);
      assert.deepEqual(
        one.bridge.listing().map(({ state, era }) => [state, era]),
        [['running', 'modern']],
      );
    }
  });

  it('takes silence for legacy, and a refused initialize for a failure', async () => {
    const mute: Behaviour = (child, message) => {
      if (message.method === 'initialize') legacyServer()(child, message);
    };
    await using quiet = await rig(mute, { bounds: { listTimeoutMs: 1_000 } });
    await quiet.clock.advance(5_000);
    assert.equal(quiet.children.last.got('initialize').length, 1);

    await using refusing = await rig((child, message) => child.error(message, -32603, 'no database'));
    await refusing.clock.advance(10);
    assert.match(refusing.bridge.listing()[0]?.reason ?? '', /^it refused initialize: no database$/);
  });

  it('starts what is new, stops what is gone, and leaves the rest alone', async () => {
    await using one = await rig(legacyServer(), { servers: [commandEntry('a'), commandEntry('b')] });
    await one.bridge.ready();
    one.source.say([commandEntry('b', { instances: 2 }), commandEntry('c')]);
    await one.clock.advance(100);
    assert.deepEqual(
      one.bridge.listing().map(({ instance }) => instance),
      ['b.b1.0', 'b.b1.1', 'c.b1.0'],
    );
    assert.deepEqual(
      one.children.all.map(({ alive }) => alive),
      [false, true, true, true],
    );
    one.source.say([commandEntry('b')]);
    await one.clock.advance(100);
    assert.deepEqual(
      one.bridge.listing().map(({ instance }) => instance),
      ['b.b1.0'],
    );
  });

  it('replaces a changed entry new-then-old, and lets running calls end', async () => {
    let finish = (): void => undefined;
    await using one = await rig(
      legacyServer((child, message) => {
        finish = () => echoes(child, message);
      }),
    );
    const going = one.post(call('tools/call', { arguments: 1 }), await one.session());
    await settle();
    one.source.say([commandEntry('fake', { args: ['--new'] })]);
    await settle();
    assert.deepEqual(
      one.bridge.listing().map(({ instance }) => instance),
      ['fake.b1.1'],
    );
    assert.equal(one.children.all[0]?.alive, true, 'its call is still running');
    finish();
    assert.equal(jsonOf(await going).result?.['echoed'], 1);
    await one.clock.advance(100);
    assert.deepEqual(
      one.children.all.map(({ alive }) => alive),
      [false, true],
    );
  });

  it('keeps the old instance while the new one does not answer', async () => {
    await using one = await rig((child, message) =>
      (child.command.args[0] === '--bad' ? dead : legacyServer(echoes))(child, message),
    );
    const headers = await one.session();
    one.source.say([commandEntry('fake', { args: ['--bad'] })]);
    await one.clock.advance(5_000);
    assert.equal(response(await one.post(call('tools/call'), headers)).status, 200);
    one.source.say([commandEntry('fake', { args: ['--good'] })]);
    await one.clock.advance(100);
    assert.deepEqual(
      one.bridge.listing().map(({ instance, state }) => [instance, state]),
      [['fake.b1.2', 'running']],
    );
  });

  it('writes what children say, so many lines a second, without the secrets they were given', async () => {
    await using one = await rig(legacyServer(), {
      servers: [commandEntry('fake', { env: { API_KEY: 'canary-1', MODE: 'fast' } })],
    });
    await one.bridge.ready();
    one.children.last.complain('key is canary-1, mode is fa');
    one.children.last.complain('st\n');
    one.children.last.complain('again\n'.repeat(1_000));
    one.children.last.say('listening on port 3000');
    await one.clock.advance(1_000);
    one.children.last.complain('later\n');
    const lines = one.telemetry.lines
      .filter(({ message }) => message === 'child says')
      .map(({ fields }) => String(fields['line']));
    assert.equal(lines[0], 'key is ***, mode is fast');
    assert.deepEqual(lines.slice(20), ['dropped 982 lines', 'later']);
    assert.equal(one.telemetry.lines[0]?.fields['instance'], 'fake.b1.0');
  });

  it('keeps secrets out that have several lines, begin with another one, or are leased', async () => {
    const env = {
      PRIVATE_KEY: 'first-line\nsecond-line',
      API_KEY: 'abcd',
      API_TOKEN: 'abcdefgh',
      LEASED: 'canary-2',
    };
    await using one = await rig(legacyServer(), {
      servers: [commandEntry('fake', { env, secretNames: ['LEASED'] })],
    });
    one.children.last.complain('first-line\nit is second-line\nabcdefgh canary-2\n');
    const lines = one.telemetry.lines.filter(({ message }) => message === 'child says');
    assert.deepEqual(
      lines.map(({ fields }) => fields['line']),
      ['***', 'it is ***', '*** ***'],
    );
  });

  it('refuses endless listings, and children that go in circles', async () => {
    const circling: Behaviour = (child, message) =>
      message.method === 'tools/list'
        ? child.result(message, { tools: [], nextCursor: 'same' })
        : legacyServer()(child, message);
    await using one = await rig(circling);
    await one.bridge.ready();
    assert.match(one.bridge.listing()[0]?.reason ?? '', /comes back to a page/);
  });
});

describe('announcements', () => {
  it('say what the child lists, where it is and until when to believe it', async () => {
    const { bus, clock, of } = await heardBus();
    await using one = await rig(modernServer(), { bus, clock });
    await one.bridge.ready();
    await clock.advance(100);
    const [body] = of(subjects.announce);
    const payload = announced(body);
    assert.equal(of(subjects.announce).length, 1);
    const { capabilities_hash: hash, ...rest } = payload;
    assert.match(hash ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      server: 'fake',
      instance_id: 'fake.b1.0',
      transport: 'inproc',
      endpoint: 'inproc://fake/fake.b1.0',
      tools: [echoTool],
      capabilities: { tools: {} },
      heartbeat_interval_ms: 30_000,
      tags: [],
      metadata: {},
      source: 'nats',
    });
    assert.deepEqual(Object.keys(payload.tools[0]?.['inputSchema'] as object), ['type', 'zulu', 'alpha']);
  });

  it('follow all pages of tools, and are repeated when the tools change', async () => {
    const { bus, clock, of } = await heardBus();
    let extra: object[] = [];
    const paged: Behaviour = (child, message) => {
      if (message.method !== 'tools/list') return legacyServer()(child, message);
      if (message.params?.['cursor'] === 'two') child.result(message, { tools: [{ name: 'b' }, ...extra] });
      else child.result(message, { tools: [{ name: 'a' }], nextCursor: 'two' });
    };
    await using one = await rig(paged, { bus, clock });
    await one.bridge.ready();
    extra = [{ name: 'c' }];
    for (let i = 0; i < 5; i += 1)
      one.children.last.say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
    await clock.advance(1_000);
    const names = of(subjects.announce).map((body) =>
      announced(body)
        .tools.map(({ name }) => name)
        .join(),
    );
    assert.deepEqual(names, ['a,b', 'a,b,c']);
  });

  it('beat, tell of a death, fall silent after failure, and take leave', async () => {
    const { bus, clock, of } = await heardBus();
    const one = await rig(legacyServer(), { bus, clock });
    await one.bridge.ready();
    await clock.advance(60_000);
    const beats = of(subjects.heartbeat).map(beaten);
    assert.deepEqual(
      beats.map(({ seq, status, load }) => [seq, status, load]),
      [1, 2].map((seq) => [seq, 'ok', { in_flight: 0, memory_mb: 64 }]),
    );
    one.children.behaviour = dead;
    one.children.last.die();
    await clock.advance(90_000);
    assert.equal(of(subjects.heartbeat).length, 2, 'a failed child is not alive');
    await one[Symbol.asyncDispose]();
    const [leave] = of(subjects.deregister);
    assert.deepEqual(left(leave), { server: 'fake', instance_id: 'fake.b1.0', reason: 'shutdown' });
  });

  it('are made again after a respawn and after the bus was away, and lose nothing that was said meanwhile', async () => {
    const { bus, clock, of, broker } = await heardBus();
    await using one = await rig(legacyServer(), { bus, clock });
    await one.bridge.ready();
    await clock.advance(100);
    broker.setReachable(false);
    one.children.last.die();
    await clock.advance(10_000);
    assert.equal(of(subjects.announce).length, 1);
    broker.setReachable(true);
    await clock.advance(10_000);
    const ids = of(subjects.announce).map((body) => (body as { event_id: string }).event_id);
    assert.ok(ids.length >= 2, `${ids.length} announcements`);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('leave a replaced instance answering until gateways can know of its successor', async () => {
    const { bus, clock, of } = await heardBus();
    await using one = await rig(legacyServer(echoes), { bus, clock });
    const headers = await one.session();
    one.source.say([commandEntry('fake', { args: ['--new'] })]);
    await clock.advance(500);
    assert.deepEqual(
      of(subjects.announce).map((body) => announced(body).instance_id),
      ['fake.b1.0', 'fake.b1.1'],
    );
    assert.equal(left(of(subjects.deregister)[0]).instance_id, 'fake.b1.0');
    const late = await one.post(call('tools/call', { arguments: 'late' }), headers);
    assert.equal(jsonOf(late).result?.['echoed'], 'late');
    await clock.advance(1_000);
    assert.equal(fault(await one.post(call('tools/call'), headers)).fault, 'unreachable');
    assert.deepEqual(
      one.children.all.map(({ alive }) => alive),
      [false, true],
    );
  });

  it('make the stream where nobody has made it yet', async () => {
    const { bus, clock, of } = await heardBus(false);
    await using one = await rig(legacyServer(), { bus, clock });
    await one.bridge.ready();
    await clock.advance(2_000);
    assert.ok(of(subjects.announce).length >= 1);
  });

  it('do not hold up the end for more than their bound when the bus is away', async () => {
    const { bus, clock, broker } = await heardBus();
    const one = await rig(legacyServer(), { bus, clock });
    await one.bridge.ready();
    await clock.advance(100);
    broker.setReachable(false);
    const beforeMs = clock.nowMs();
    await one[Symbol.asyncDispose]();
    assert.ok(clock.nowMs() - beforeMs <= 5_000, `${clock.nowMs() - beforeMs} ms`);
  });

  it('are not made for an instance that was replaced, whatever its child still does', async () => {
    const lastWords: ((child: FakeChild) => void)[] = [
      (child) => child.say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }),
      (child) => child.die(),
    ];
    for (const lastWord of lastWords) {
      const { bus, clock, heard } = await heardBus();
      await using one = await rig(legacyServer(), { bus, clock });
      await one.bridge.ready();
      await clock.advance(100);
      const old = one.children.last;
      one.source.say([commandEntry('fake', { args: ['--new'] })]);
      await clock.advance(100);
      lastWord(old);
      await clock.advance(5_000);
      assert.deepEqual(
        heard.map(({ subject, body }) => [subject, (body as unknown as AnnounceEvent).payload.instance_id]),
        [
          [subjects.announce, 'fake.b1.0'],
          [subjects.announce, 'fake.b1.1'],
          [subjects.deregister, 'fake.b1.0'],
        ],
      );
    }
  });

  it('are never behind the last word, which waits for one that is under way', async () => {
    for (const held of ['publishStored', 'ensureStream'] as const) {
      const { bus, clock, heard } = await heardBus();
      const gate = Promise.withResolvers<void>();
      const slow = spoilt(bus, {
        ensureStream: async (definition) => {
          if (held === 'ensureStream') await gate.promise;
          return bus.ensureStream(definition);
        },
        publishStored: async (...message) => {
          const fault = await bus.publishStored(...message);
          if (held === 'publishStored') await gate.promise;
          return fault;
        },
      });
      await using one = await rig(legacyServer(), { bus: slow, clock });
      await one.bridge.ready();
      one.source.say([]);
      await clock.advance(10);
      gate.resolve();
      await clock.advance(100);
      const said = heard.map(({ subject }) => subject);
      assert.deepEqual(said, held === 'ensureStream' ? [] : [subjects.announce, subjects.deregister]);
    }
  });

  it('that the bus refuses do not hold up the end', async () => {
    const { bus, clock, broker } = await heardBus();
    const gate = Promise.withResolvers<void>();
    let refuses = false;
    const refusing = spoilt(bus, {
      publishStored: async (subject, body, id) => {
        if (!refuses) return bus.publishStored(subject, body, id);
        if (subject === subjects.announce) await gate.promise;
        return { fault: 'bus_error', detail: 'no' };
      },
    });
    await using one = await rig(legacyServer(), { bus: refusing, clock });
    await one.bridge.ready();
    await clock.advance(100);
    refuses = true;
    broker.setReachable(false);
    broker.setReachable(true);
    await clock.advance(1_000);
    let over = false;
    const ended = one.bridge[Symbol.asyncDispose]().then(() => (over = true));
    await clock.advance(50);
    gate.resolve();
    await clock.advance(10_000);
    assert.equal(over, true);
    await ended;
  });
});
