/** The memory bus keeps the Bus contract, on simulated time; and its broker can go away and come back. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Json } from '@cruvero/core';
import type { BusState } from '@cruvero/ports';
import { isBusFault } from '@cruvero/ports';
import { busContract } from '@cruvero/ports/contracts/bus';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';

import { memoryBroker, memoryBus } from './broker.ts';

busContract('memory bus', async () => {
  const clock = new SimClock();
  const broker = memoryBroker({ clock, random: () => 0.7 });
  const bus = broker.connect();
  return {
    bus,
    prefix: 't',
    second: async () => broker.connect(),
    passTime: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
});

describe('memory broker', () => {
  it('can go away and come back: publishes fail, stored messages stay, everybody is told', async () => {
    const clock = new SimClock();
    const broker = memoryBroker({ clock, random: Math.random });
    await using bus = broker.connect();
    const states: BusState[] = [];
    bus.onState((state) => states.push(state));
    await bus.ensureStream({ name: 'S', subjects: ['s.>'], ageMaxMs: 60_000, bytesMax: 1 << 20 });
    assert.equal(await bus.publishStored('s.a', 1, 'one'), undefined);
    broker.setReachable(false);
    assert.equal(bus.state(), 'disconnected');
    assert.equal((await bus.publish('s.a', 2))?.fault, 'bus_disconnected');
    assert.equal((await bus.publishStored('s.a', 2, 'two'))?.fault, 'bus_disconnected');
    const got: Json[] = [];
    const options = { stream: 'S', durable: 'd', subject: 's.>', ackWaitMs: 1_000, deliveriesMax: 3 };
    assert.ok(!isBusFault(await bus.consume(options, async (m) => void got.push(m.body))));
    await clock.advance(5_000);
    assert.deepEqual(got, []);
    broker.setReachable(true);
    await settle();
    assert.deepEqual(got, [1]);
    assert.deepEqual(states, ['disconnected', 'connected']);
  });

  it('tells the log of a handler that throws, and leaves no timer behind', async () => {
    const clock = new SimClock();
    const { log, lines } = new MemoryTelemetry();
    const bus = memoryBus({ clock, random: Math.random, log });
    bus.subscribe('a', () => {
      throw new Error('bad');
    });
    await bus.publish('a', 1);
    await bus.flush();
    assert.deepEqual(
      lines.map((line) => [line.level, line.fields['subject']]),
      [['warn', 'a']],
    );
    await bus[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  });

  it('answers a request on a subject of a stream with a fault: a NATS stream would answer it', async () => {
    const bus = memoryBus({ clock: new SimClock(), random: Math.random });
    await bus.ensureStream({ name: 'S', subjects: ['s.>'], ageMaxMs: 60_000, bytesMax: 1 << 20 });
    bus.respond('s.ask', async () => 1);
    const answer = await bus.request('s.ask', 1, 1_000);
    assert.ok(isBusFault(answer) && answer.fault === 'bus_error');
  });
});
