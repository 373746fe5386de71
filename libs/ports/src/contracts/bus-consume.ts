/** Bus contract, durable consumers: at least once, in order, across closes, throws and hung handlers. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Json } from '@cruvero/core';

import type { Bus, BusMessage, ConsumeOptions, Subscription } from '../bus.ts';
import type { BusRig, OpenBusRig } from './bus-rig.ts';
import { streamOf, until, within, withStream } from './bus-rig.ts';

function optionsOf(rig: BusRig, more: Partial<ConsumeOptions> = {}): ConsumeOptions {
  const subject = `${rig.prefix}.stored.>`;
  return {
    stream: streamOf(rig).name,
    durable: 'keeper',
    subject,
    ackWaitMs: 5_000,
    deliveriesMax: 10,
    ...more,
  };
}

async function consume(
  rig: BusRig,
  handler: (message: BusMessage) => Promise<void>,
  more: Partial<ConsumeOptions> = {},
  bus: Bus = rig.bus,
): Promise<Subscription> {
  const consumption = await within(rig, 'consume', bus.consume(optionsOf(rig, more), handler));
  assert.ok('close' in consumption, JSON.stringify(consumption));
  return consumption;
}

async function store(rig: BusRig, ...bodies: readonly number[]): Promise<void> {
  for (const body of bodies) {
    const fault = await within(
      rig,
      'stored',
      rig.bus.publishStored(`${rig.prefix}.stored.n`, body, `n${body}`),
    );
    assert.equal(fault, undefined);
  }
}

export function consumeContract(open: OpenBusRig): void {
  describe('consume', () => {
    it('brings what was stored before and after, in order, with sequence and delivery count', async () => {
      await using rig = await open();
      await withStream(rig);
      await store(rig, 1, 2);
      const got: BusMessage[] = [];
      await consume(rig, async (m) => void got.push(m));
      await until(rig, 'the first two', () => got.length === 2);
      await store(rig, 3);
      await until(rig, 'the third', () => got.length === 3);
      const first = got[0]?.sequence ?? 0;
      assert.ok(first > 0);
      assert.deepEqual(
        got,
        [1, 2, 3].map((body, i) => ({
          subject: `${rig.prefix}.stored.n`,
          body,
          sequence: first + i,
          deliveryCount: 1,
        })),
      );
    });

    it('goes on where it stopped after it was closed and opened again, also from another connection', async () => {
      await using rig = await open();
      await withStream(rig);
      const got: Json[] = [];
      const first = await consume(rig, async (m) => void got.push(m.body));
      await store(rig, 1, 2);
      await until(rig, 'two', () => got.length === 2);
      await first.close();
      await store(rig, 3, 4);
      await rig.bus.flush();
      assert.deepEqual([...got], [1, 2]);
      await using other = await rig.second();
      await consume(rig, async (m) => void got.push(m.body), {}, other);
      await until(rig, 'four', () => got.length === 4);
      assert.deepEqual(got, [1, 2, 3, 4]);
    });

    it('filters by subject, and two durables each get everything', async () => {
      await using rig = await open();
      await withStream(rig);
      const some: Json[] = [];
      const all: Json[] = [];
      await consume(rig, async (m) => void some.push(m.body), {
        durable: 'some',
        subject: `${rig.prefix}.stored.n`,
      });
      await consume(rig, async (m) => void all.push(m.body), { durable: 'all' });
      await within(rig, 'other', rig.bus.publishStored(`${rig.prefix}.stored.other`, 'other', 'o'));
      await store(rig, 1);
      await until(rig, 'all arrived', () => some.length === 1 && all.length === 2);
      assert.deepEqual([some, all], [[1], ['other', 1]]);
    });

    it('gives each message to one of those who share a durable', async () => {
      await using rig = await open();
      await using other = await rig.second();
      await withStream(rig);
      const got: Json[] = [];
      await consume(rig, async (m) => void got.push(m.body));
      await consume(rig, async (m) => void got.push(m.body), {}, other);
      await store(rig, 1, 2, 3, 4, 5, 6);
      await until(rig, 'six', () => got.length >= 6);
      await rig.passTime(300);
      assert.deepEqual(got, [1, 2, 3, 4, 5, 6]);
    });

    it('takes changed options over and keeps its place', async () => {
      await using rig = await open();
      await withStream(rig);
      const got: Json[] = [];
      const handle = async (m: BusMessage) => void got.push(m.body);
      const first = await consume(rig, handle);
      await store(rig, 1);
      await until(rig, 'one', () => got.length === 1);
      await first.close();
      await consume(rig, handle, { ackWaitMs: 7_000, deliveriesMax: 3, subject: `${rig.prefix}.stored.n` });
      await within(rig, 'other', rig.bus.publishStored(`${rig.prefix}.stored.other`, 'other', 'o'));
      await store(rig, 2);
      await until(rig, 'two', () => got.length === 2);
      assert.deepEqual(got, [1, 2]);
    });

    it('answers no_stream where there is none, and bus_error for options that are none', async () => {
      await using rig = await open();
      const missing = await within(
        rig,
        'no stream',
        rig.bus.consume(optionsOf(rig), async () => undefined),
      );
      assert.ok('fault' in missing && missing.fault === 'no_stream');
      await withStream(rig);
      for (const bad of [
        { durable: 'a b' },
        { subject: 'a..b' },
        { ackWaitMs: 0 },
        { deliveriesMax: 0 },
        { stream: '>' },
      ]) {
        const refused = await within(
          rig,
          'refused',
          rig.bus.consume(optionsOf(rig, bad), async () => undefined),
        );
        assert.ok('fault' in refused && refused.fault === 'bus_error', JSON.stringify(bad));
      }
    });
  });
}

export function consumeFailureContract(open: OpenBusRig): void {
  describe('consume, when handlers fail', () => {
    it('brings a message again when its handler throws, before anything that came later', async () => {
      await using rig = await open();
      await withStream(rig);
      await store(rig, 1, 2, 3);
      const tries: [Json, number | undefined][] = [];
      await consume(rig, async (m) => {
        tries.push([m.body, m.deliveryCount]);
        if (m.body === 2 && (m.deliveryCount ?? 0) < 3) throw new Error('not yet');
      });
      await until(rig, 'all handled', () => tries.some(([body]) => body === 3));
      assert.deepEqual(tries, [
        [1, 1],
        [2, 1],
        [2, 2],
        [2, 3],
        [3, 1],
      ]);
    });

    it('gives up after deliveriesMax and goes on with the next', async () => {
      await using rig = await open();
      await withStream(rig);
      await store(rig, 1, 2);
      const tries: Json[] = [];
      await consume(
        rig,
        async (m) => {
          tries.push(m.body);
          if (m.body === 1) throw new Error('never');
        },
        { deliveriesMax: 3, ackWaitMs: 1_000 },
      );
      await until(rig, 'the next', () => tries.includes(2));
      await rig.passTime(1_500);
      assert.deepEqual(tries, [1, 1, 1, 2]);
    });

    it('brings a message again, to another connection, when its handler does not end in time', async () => {
      await using rig = await open();
      await using other = await rig.second();
      await withStream(rig);
      const hung: Json[] = [];
      const got: [Json, number | undefined][] = [];
      const hang = (m: BusMessage) => {
        hung.push(m.body);
        return new Promise<void>(() => undefined);
      };
      await consume(rig, hang, { ackWaitMs: 500 });
      await store(rig, 1);
      await until(rig, 'it hangs', () => hung.length === 1);
      await consume(rig, async (m) => void got.push([m.body, m.deliveryCount]), { ackWaitMs: 500 }, other);
      await until(rig, 'the other got it', () => got.length === 1);
      assert.deepEqual(got, [[1, 2]]);
    });

    it('keeps a message that was being handled when its bus was disposed of', async () => {
      await using rig = await open();
      await withStream(rig);
      const other = await rig.second();
      let started = 0;
      const fail = async () => {
        started += 1;
        throw new Error('going down');
      };
      await consume(rig, fail, {}, other);
      await store(rig, 1);
      await until(rig, 'it started', () => started >= 1);
      await within(rig, 'disposed', other[Symbol.asyncDispose]());
      const got: Json[] = [];
      await consume(rig, async (m) => void got.push(m.body));
      await until(rig, 'it came again', () => got.length === 1);
      assert.deepEqual(got, [1]);
    });
  });
}
