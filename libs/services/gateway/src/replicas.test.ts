/** A call that waits at another replica goes on there, or not at all. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryBroker } from '@cruvero/adapter-memory';
import { readGatewayId, type GatewayId } from '@cruvero/core';
import type { Bus } from '@cruvero/ports';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { Replicas, type ReplicaParts } from './replicas.ts';

const idOf = (text: string): GatewayId => {
  const id = readGatewayId(text);
  assert.ok(id);
  return id;
};

/** Takes what comes only once it may, in its order: a process that stood still. */
function standingStill(bus: Bus, until: Promise<void>): Bus {
  return {
    ...{ publish: bus.publish.bind(bus), request: bus.request.bind(bus) },
    respond: (subject: string, handler: Parameters<Bus['respond']>[1]) =>
      bus.respond(subject, (message) => until.then(() => handler(message))),
    subscribe: (subject: string, handler: Parameters<Bus['subscribe']>[1]) =>
      bus.subscribe(subject, (message) => until.then(() => handler(message))),
  } as unknown as Bus;
}

describe('a call that waits at another replica', () => {
  it('does not go on there after its caller was told that it is lost', async () => {
    const clock = new SimClock();
    const broker = memoryBroker({ clock, random: () => 0 });
    const woken = Promise.withResolvers<void>();
    const signals: AbortSignal[] = [];
    const replica = (name: string, bus: Bus): Replicas =>
      new Replicas({
        bus,
        clock,
        gatewayId: idOf(name),
        subjectPrefix: 'test',
        log: new MemoryTelemetry().log,
        stepMsMax: 60_000,
        resumeHere: (_resumed, _notify, signal) => {
          signals.push(signal);
          return new Promise<never>(() => undefined);
        },
        answered: () => undefined,
        ended: () => undefined,
        cancelled: () => undefined,
      } satisfies ReplicaParts);
    const asking = replica('gw1', broker.connect());
    replica('gw2', standingStill(broker.connect(), woken.promise));
    const resumed = { parkId: 'p', owner: 'o', responses: new Map<string, string>() };
    const { signal } = new AbortController();
    const outcome = asking.resumeElsewhere('gw2', resumed, () => undefined, signal);
    await clock.advance(2_000);
    assert.partialDeepStrictEqual(await outcome, { fault: 'bad_params' });
    await settle();
    woken.resolve();
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true],
    );
  });
});
