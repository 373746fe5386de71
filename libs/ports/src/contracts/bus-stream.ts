/** Bus contract, streams: acknowledged means stored, a message id counts once, bounds by age and by bytes. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Json } from '@cruvero/core';

import { messageBytesMax } from '../bus-rules.ts';
import type { BusRig, OpenBusRig } from './bus-rig.ts';
import { streamOf, until, within, withStream } from './bus-rig.ts';

/** Everything that the stream holds, read by a consumer of its own. */
async function stored(rig: BusRig, subject: string): Promise<Json[]> {
  const got: Json[] = [];
  const end = `${rig.prefix}.stored.end`;
  const consumption = await within(
    rig,
    'consume',
    rig.bus.consume(
      {
        stream: streamOf(rig).name,
        durable: 'reader',
        subject: `${rig.prefix}.stored.>`,
        ackWaitMs: 5_000,
        deliveriesMax: 2,
      },
      async (m) => void got.push(m.subject === end ? 'end' : m.body),
    ),
  );
  assert.ok('close' in consumption);
  assert.equal(
    await within(rig, 'end stored', rig.bus.publishStored(end, 'end', `${subject}-end`)),
    undefined,
  );
  await until(rig, 'the end was read', () => got.includes('end'));
  await consumption.close();
  return got.filter((body) => body !== 'end');
}

export function streamContract(open: OpenBusRig): void {
  describe('streams', () => {
    it('acknowledge only what a stream covers', async () => {
      await using rig = await open();
      const publish = (subject: string) =>
        within(rig, subject, rig.bus.publishStored(subject, { n: 1 }, subject));
      assert.equal((await publish(`${rig.prefix}.stored.a`))?.fault, 'no_stream');
      await withStream(rig);
      assert.equal(await publish(`${rig.prefix}.stored.a`), undefined);
      assert.equal((await publish(`${rig.prefix}.elsewhere`))?.fault, 'no_stream');
      assert.equal((await publish(`${rig.prefix}.stored`))?.fault, 'no_stream');
    });

    it('store the same message id once, and acknowledge it each time', async () => {
      await using rig = await open();
      await withStream(rig);
      const subject = `${rig.prefix}.stored.dup`;
      for (const [body, id] of [
        [1, 'x'],
        [2, 'x'],
        [3, 'y'],
        [4, 'x'],
      ] as const) {
        assert.equal(await within(rig, 'stored', rig.bus.publishStored(subject, body, id)), undefined);
      }
      assert.deepEqual(await stored(rig, subject), [1, 3]);
    });

    it('also store what is published plainly, and plain subscribers also see what is stored', async () => {
      await using rig = await open();
      await withStream(rig);
      const seen: Json[] = [];
      rig.bus.subscribe(`${rig.prefix}.stored.*`, (m) => void seen.push(m.body));
      await rig.bus.flush();
      await rig.bus.publish(`${rig.prefix}.stored.a`, 'plain');
      await within(rig, 'stored', rig.bus.publishStored(`${rig.prefix}.stored.b`, 'kept', 'k'));
      await until(rig, 'both seen', () => seen.length === 2);
      assert.deepEqual(seen, ['plain', 'kept']);
      assert.deepEqual(await stored(rig, `${rig.prefix}.stored.a`), ['plain', 'kept']);
    });

    it('are made once, and keep what they hold when their bounds or subjects change', async () => {
      await using rig = await open();
      const definition = await withStream(rig);
      await within(rig, 'stored', rig.bus.publishStored(`${rig.prefix}.stored.a`, 1, 'a'));
      await withStream(rig, definition);
      await withStream(rig, {
        ...definition,
        subjects: [...definition.subjects, `${rig.prefix}.more`],
        ageMaxMs: 7_200_000,
      });
      assert.equal(
        await within(rig, 'stored', rig.bus.publishStored(`${rig.prefix}.more`, 2, 'b')),
        undefined,
      );
      assert.deepEqual(await stored(rig, `${rig.prefix}.stored.a`), [1]);
    });

    it('drop the oldest when they are full', async () => {
      await using rig = await open();
      await withStream(rig, { ...streamOf(rig), bytesMax: 40_000 });
      for (let n = 0; n < 10; n += 1) {
        const body = { n, filler: 'x'.repeat(8_000) };
        assert.equal(
          await within(rig, 'stored', rig.bus.publishStored(`${rig.prefix}.stored.f`, body, `f${n}`)),
          undefined,
        );
      }
      const left = (await stored(rig, `${rig.prefix}.stored.f`)) as { n: number }[];
      assert.ok(left.length >= 2 && left.length <= 5, `${left.length} left`);
      assert.equal(left.at(-1)?.n, 9);
    });

    it('forget what is older than their age', async () => {
      await using rig = await open();
      await withStream(rig, { ...streamOf(rig), ageMaxMs: 1_000 });
      await within(rig, 'stored', rig.bus.publishStored(`${rig.prefix}.stored.old`, 'old', 'old'));
      await rig.passTime(2_500);
      await within(rig, 'stored', rig.bus.publishStored(`${rig.prefix}.stored.new`, 'new', 'new'));
      assert.deepEqual(await stored(rig, `${rig.prefix}.stored.new`), ['new']);
    });

    it('refuse bad definitions and messages that are too large, as faults', async () => {
      await using rig = await open();
      const definition = await withStream(rig);
      for (const bad of [
        { ...definition, name: 'a b' },
        { ...definition, name: '' },
        { ...definition, subjects: [] },
        { ...definition, subjects: ['a..b'] },
        { ...definition, name: `${definition.name}_OTHER` },
      ]) {
        assert.equal(
          (await within(rig, 'refused', rig.bus.ensureStream(bad)))?.fault,
          'bus_error',
          JSON.stringify(bad),
        );
      }
      const big = await within(
        rig,
        'big',
        rig.bus.publishStored(`${rig.prefix}.stored.a`, 'x'.repeat(messageBytesMax), 'big'),
      );
      assert.equal(big?.fault, 'message_too_large');
    });
  });
}
