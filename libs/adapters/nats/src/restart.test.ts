/** The NATS bus over dead, restarted, emptied and hung servers: it never gives up and loses nothing acknowledged. */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, it } from 'node:test';

import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

import type { Json } from '@cruvero/core';
import type { Bus, BusState, ConsumeOptions, StreamDefinition } from '@cruvero/ports';
import { isBusFault } from '@cruvero/ports';
import { freePort, startNats } from '@cruvero/stack';

import { connectedBus, eventually, openBus } from './nats-rig.fixture.ts';
import { pause } from './real-clock.fixture.ts';

const stream: StreamDefinition = {
  name: 'KEPT',
  subjects: ['kept.>'],
  ageMaxMs: 3_600_000,
  bytesMax: 8 << 20,
};
const options: ConsumeOptions = {
  stream: 'KEPT',
  durable: 'keeper',
  subject: 'kept.>',
  ackWaitMs: 2_000,
  deliveriesMax: Number.POSITIVE_INFINITY,
};

function statesOf(bus: Bus): BusState[] {
  const states: BusState[] = [];
  bus.onState((state) => states.push(state));
  return states;
}

/** Until it is acknowledged, as an outbox does it: the same id each time. */
async function storeForSure(bus: Bus, n: number): Promise<void> {
  await eventually(`message ${n} acknowledged`, async () => {
    return (await bus.publishStored(`kept.${n % 3}`, n, `id-${n}`)) === undefined;
  });
}

describe('NATS bus and its server', () => {
  it('begins without a server, faults at once, and is whole when the server comes', async () => {
    const port = await freePort();
    const { bus, telemetry } = await openBus(`nats://127.0.0.1:${port}`);
    const states = statesOf(bus);
    const got: Json[] = [];
    const kept: Json[] = [];
    bus.subscribe('early', (m) => void got.push(m.body));
    assert.equal(bus.state(), 'disconnected');
    const beganMs = performance.now();
    assert.equal((await bus.publish('early', 0))?.fault, 'bus_disconnected');
    assert.equal((await bus.publishStored('kept.a', 0, 'a'))?.fault, 'bus_disconnected');
    assert.equal((await bus.ensureStream(stream))?.fault, 'bus_disconnected');
    assert.equal((await bus.putValue('b', 'k', 'v'))?.fault, 'bus_disconnected');
    assert.ok(isBusFault(await bus.request('early', 0, 60_000)));
    assert.ok(!isBusFault(await bus.consume(options, async (m) => void kept.push(m.body))));
    await bus.flush();
    assert.ok(performance.now() - beganMs < 2_000, 'nothing waits for a server that is away');
    await using server = await startNats({ port });
    await eventually('connected', () => bus.state() === 'connected');
    assert.equal(await bus.ensureStream(stream), undefined);
    assert.equal(await bus.publishStored('kept.a', 1, 'one'), undefined);
    await bus.publish('early', 1);
    await eventually('both arrive', () => got.length === 1 && kept.length === 1);
    await server.kill('SIGKILL');
    await eventually('told', () => states.length === 2);
    assert.deepEqual(states, ['connected', 'disconnected']);
    assert.equal(
      telemetry.lines.filter((line) => line.level === 'warn' && /reached/.test(line.message)).length,
      1,
    );
    await bus[Symbol.asyncDispose]();
  });

  it('loses nothing acknowledged and skips nothing while the server is killed again and again', async () => {
    await using server = await startNats();
    const producer = (await connectedBus(server.url)).bus;
    const consumer = (await connectedBus(server.url)).bus;
    const states = statesOf(consumer);
    assert.equal(await producer.ensureStream(stream), undefined);
    const handled: number[] = [];
    const live = new Set<Json>();
    consumer.subscribe('live', (m) => void live.add(m.body));
    assert.ok(!isBusFault(await consumer.consume(options, async (m) => void handled.push(Number(m.body)))));
    const total = 200;
    const killer = (async () => {
      for (let kill = 0; kill < 3; kill += 1) {
        await eventually('some more were handled', () => handled.length >= (kill + 1) * 40);
        await server.kill('SIGKILL');
        await pause(50);
        await server.restart();
      }
    })();
    for (let n = 0; n < total; n += 1) await storeForSure(producer, n);
    await killer;
    await eventually('all handled', () => new Set(handled).size === total);
    const firsts = [...new Set(handled)];
    assert.deepEqual(
      firsts,
      [...firsts].sort((a, b) => a - b),
      'first deliveries are in order',
    );
    await eventually('plain subscriptions live on', async () => {
      await producer.publish('live', 'after');
      await producer.flush();
      return live.has('after');
    });
    assert.deepEqual(
      states,
      Array.from({ length: 6 }, (_, i) => (i % 2 ? 'connected' : 'disconnected')),
    );
    await Promise.all([producer[Symbol.asyncDispose](), consumer[Symbol.asyncDispose]()]);
  });

  it('says no_stream when the server comes back empty, and all goes on once streams are ensured again', async () => {
    const server = await startNats();
    const { port, url } = server;
    const { bus } = await connectedBus(url);
    const got: Json[] = [];
    await bus.ensureStream(stream);
    await bus.consume(options, async (m) => void got.push(m.body));
    await storeForSure(bus, 1);
    await bus.putValue('bucket', 'k', 'v');
    await server.stop();
    await eventually('gone', () => bus.state() === 'disconnected');
    await using empty = await startNats({ port });
    assert.equal(empty.url, url);
    await eventually('back', () => bus.state() === 'connected');
    assert.equal((await bus.publishStored('kept.a', 2, 'two'))?.fault, 'no_stream');
    assert.deepEqual(await bus.getValue('bucket', 'k'), { value: undefined });
    assert.equal(await bus.putValue('bucket', 'k', 'w'), undefined);
    assert.deepEqual(await bus.getValue('bucket', 'k'), { value: 'w' });
    assert.equal(await bus.ensureStream(stream), undefined);
    await storeForSure(bus, 3);
    await eventually('the consumer goes on by itself', () => got.length === 2);
    assert.deepEqual(got, [1, 3]);
    await bus[Symbol.asyncDispose]();
  });

  it('makes a consumer, a stream and a bucket anew that vanish while it is connected', async () => {
    await using server = await startNats();
    const { bus } = await connectedBus(server.url);
    const got: Json[] = [];
    await bus.ensureStream(stream);
    await bus.consume(options, async (m) => void got.push(m.body));
    await storeForSure(bus, 1);
    await eventually('one', () => got.length === 1);
    const operator = await connect({ servers: server.url });
    const manager = await jetstreamManager(operator);
    await manager.consumers.delete('KEPT', 'keeper');
    await storeForSure(bus, 2);
    await eventually('two', () => got.includes(2));
    await bus.putValue('bucket', 'k', 'v');
    await manager.streams.delete('KEPT');
    await manager.streams.delete('KV_bucket');
    assert.equal(await bus.putValue('bucket', 'k', 'again'), undefined);
    assert.equal(await bus.ensureStream(stream), undefined);
    await storeForSure(bus, 3);
    await eventually('three', () => got.includes(3));
    await operator.close();
    await bus[Symbol.asyncDispose]();
  });

  it('does not pile up what a hung server does not read, and goes on when it reads again', async () => {
    await using server = await startNats();
    const { bus } = await connectedBus(server.url);
    process.kill(server.pid, 'SIGSTOP');
    const body = 'x'.repeat(1_000_000);
    const faults: (string | undefined)[] = [];
    for (let n = 0; n < 24; n += 1) faults.push((await bus.publish('flood', body))?.fault);
    assert.equal(faults[0], undefined);
    assert.equal(faults.at(-1), 'bus_error');
    const beganMs = performance.now();
    await bus[Symbol.asyncDispose]();
    assert.ok(performance.now() - beganMs < 3_000, 'closing is bounded while the server hangs');
    process.kill(server.pid, 'SIGCONT');
  });

  it('keeps stored messages and positions in a folder over a clean restart', async () => {
    const folder = `${(await import('node:os')).tmpdir()}/cruvero-nats-${process.pid}`;
    await using server = await startNats({ folder });
    const first = (await connectedBus(server.url)).bus;
    await first.ensureStream(stream);
    for (const n of [1, 2, 3]) await storeForSure(first, n);
    const got: Json[] = [];
    const subscription = await first.consume(options, async (m) => void got.push(m.body));
    assert.ok('close' in subscription);
    await eventually('three', () => got.length === 3);
    await first[Symbol.asyncDispose]();
    await server.restart();
    const second = (await connectedBus(server.url)).bus;
    await second.consume(options, async (m) => void got.push(m.body));
    await storeForSure(second, 4);
    await eventually('four', () => got.includes(4));
    assert.deepEqual(got, [1, 2, 3, 4]);
    await second[Symbol.asyncDispose]();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
});
