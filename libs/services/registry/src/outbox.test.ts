/** The outbox against a bus and a store that fail at any point: nothing lost, nothing out of order. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryServerStore } from '@cruvero/adapter-memory';
import { StoreUnavailable } from '@cruvero/ports';
import type { BusFault } from '@cruvero/ports';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { registryMetrics } from './metrics.ts';
import { OutboxPublisher } from './outbox.ts';

const rows = 5;
const away: BusFault = { fault: 'bus_disconnected', detail: 'for a test' };
type Point = 'before publish' | 'after publish' | 'outbox' | 'settle';

/** Fails once, at the nth passing of one point. */
async function publishedWithFailure(point: Point, nth: number): Promise<readonly string[]> {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  const store = new MemoryServerStore({ clock });
  for (let i = 0; i < rows; i += 1) {
    await store.transaction((tx) => tx.enqueue({ subject: 's', messageId: `m${i}`, body: i }));
  }
  const passed = new Map<Point, number>();
  const failsAt = (at: Point): boolean => {
    passed.set(at, (passed.get(at) ?? 0) + 1);
    return at === point && passed.get(at) === nth;
  };
  const published: string[] = [];
  const lost = (at: Point): void => {
    if (failsAt(at)) throw new StoreUnavailable('for a test');
  };
  const publisher = new OutboxPublisher({
    clock,
    log: telemetry.log,
    metrics: registryMetrics(telemetry.metrics),
    store: {
      outbox: async (rowsMax) => (lost('outbox'), store.outbox(rowsMax)),
      settle: async (ids) => (lost('settle'), store.settle(ids)),
    },
    bus: {
      publishStored: async (_subject, _body, messageId) => {
        if (failsAt('before publish')) return away;
        published.push(messageId);
        return failsAt('after publish') ? away : undefined;
      },
    },
  });
  publisher.kick();
  await clock.advance(10_000);
  await publisher.close();
  assert.deepEqual(await store.outbox(100), [], `${point} ${nth}`);
  return published;
}

describe('the outbox', () => {
  for (const point of ['before publish', 'after publish', 'outbox', 'settle'] as const) {
    it(`publishes every row in order when it fails ${point}, wherever that is`, async () => {
      for (let nth = 1; nth <= rows + 1; nth += 1) {
        const published = await publishedWithFailure(point, nth);
        // The stream keeps one of the copies that have the same id.
        assert.deepEqual([...new Set(published)], ['m0', 'm1', 'm2', 'm3', 'm4']);
        assert.deepEqual(published, [...published].sort(), 'a copy comes right after its first');
        assert.ok(published.length <= rows + 1);
      }
    });
  }

  it('leaves out what can never be published, and says so', async () => {
    const clock = new SimClock();
    const telemetry = new MemoryTelemetry();
    const store = new MemoryServerStore({ clock });
    await store.transaction((tx) => tx.enqueue({ subject: 's', messageId: 'huge', body: 1 }));
    await store.transaction((tx) => tx.enqueue({ subject: 's', messageId: 'next', body: 2 }));
    const published: string[] = [];
    const publisher = new OutboxPublisher({
      clock,
      log: telemetry.log,
      metrics: registryMetrics(telemetry.metrics),
      store,
      bus: {
        publishStored: async (_subject, _body, messageId) => {
          if (messageId === 'huge') return { fault: 'message_too_large', detail: 'over 1 MiB' };
          published.push(messageId);
          return undefined;
        },
      },
    });
    publisher.kick();
    await clock.advance(100);
    await publisher.close();
    assert.deepEqual(published, ['next']);
    assert.ok(telemetry.lines.some((line) => line.level === 'error'));
  });

  it('goes on while rows keep coming and publishes more than one batch', async () => {
    const clock = new SimClock();
    const telemetry = new MemoryTelemetry();
    const store = new MemoryServerStore({ clock });
    for (let i = 0; i < 250; i += 1)
      await store.transaction((tx) => tx.enqueue({ subject: 's', messageId: `m${i}`, body: i }));
    let published = 0;
    const publisher = new OutboxPublisher({
      clock,
      log: telemetry.log,
      metrics: registryMetrics(telemetry.metrics),
      store,
      bus: { publishStored: async () => void (published += 1) },
    });
    publisher.kick();
    await clock.advance(1_000);
    await publisher.close();
    assert.equal(published, 250);
  });
});
