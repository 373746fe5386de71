/** Bus contract, publish and subscribe: copies, order, wildcards, bounds, and subscribers that misbehave. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Json } from '@cruvero/core';

import type { BusMessage } from '../bus.ts';
import { messageBytesMax } from '../bus-rules.ts';
import type { OpenBusRig } from './bus-rig.ts';
import { until } from './bus-rig.ts';

export function plainContract(open: OpenBusRig): void {
  describe('publish', () => {
    it('delivers a copy, never the object itself, and a copy of its own to each subscriber', async () => {
      await using rig = await open();
      const sent = { tool: 'search', tags: ['a'] };
      const got: Json[] = [];
      for (let i = 0; i < 2; i += 1) rig.bus.subscribe(`${rig.prefix}.copy`, (m) => void got.push(m.body));
      await rig.bus.flush();
      assert.equal(await rig.bus.publish(`${rig.prefix}.copy`, sent), undefined);
      sent.tool = 'changed later';
      sent.tags.push('b');
      await until(rig, 'both got it', () => got.length === 2);
      assert.deepEqual(got, [
        { tool: 'search', tags: ['a'] },
        { tool: 'search', tags: ['a'] },
      ]);
      assert.notEqual(got[0], got[1]);
    });

    it('delivers later, never inside publish', async () => {
      await using rig = await open();
      let got = 0;
      rig.bus.subscribe(`${rig.prefix}.later`, () => void (got += 1));
      await rig.bus.flush();
      const published = rig.bus.publish(`${rig.prefix}.later`, null);
      assert.equal(got, 0);
      await published;
      assert.equal(got, 0, 'an awaited publish says that it was sent, not that it arrived');
      await until(rig, 'it arrived', () => got === 1);
    });

    it('reaches another connection, with the subject and without a sequence', async () => {
      await using rig = await open();
      await using other = await rig.second();
      const got: BusMessage[] = [];
      other.subscribe(`${rig.prefix}.news.*`, (m) => void got.push(m));
      await other.flush();
      await rig.bus.publish(`${rig.prefix}.news.one`, { n: 1, text: 'zażółć 🐙', nothing: null });
      await until(rig, 'it arrived', () => got.length === 1);
      assert.deepEqual(got, [
        { subject: `${rig.prefix}.news.one`, body: { n: 1, text: 'zażółć 🐙', nothing: null } },
      ]);
    });

    it('matches * to one token and > to the rest', async () => {
      await using rig = await open();
      const p = rig.prefix;
      const got: Record<string, string[]> = {};
      for (const pattern of [`${p}.a.*`, `${p}.a.>`, `${p}.*.b`, `${p}.a.b`]) {
        rig.bus.subscribe(pattern, (m) => void (got[pattern] ??= []).push(m.subject));
      }
      await rig.bus.flush();
      for (const subject of [`${p}.a.b`, `${p}.a.b.c`, `${p}.a`, `${p}.x.b`])
        await rig.bus.publish(subject, 1);
      await rig.bus.flush();
      await until(rig, 'all arrived', () => Object.values(got).flat().length === 6);
      assert.deepEqual(got, {
        [`${p}.a.*`]: [`${p}.a.b`],
        [`${p}.a.>`]: [`${p}.a.b`, `${p}.a.b.c`],
        [`${p}.*.b`]: [`${p}.a.b`, `${p}.x.b`],
        [`${p}.a.b`]: [`${p}.a.b`],
      });
    });

    it('refuses a message that is too large and a subject that is none, as faults', async () => {
      await using rig = await open();
      const big = 'x'.repeat(messageBytesMax);
      const tooLarge = await rig.bus.publish(`${rig.prefix}.big`, big);
      assert.equal(tooLarge?.fault, 'message_too_large');
      assert.equal(await rig.bus.publish(`${rig.prefix}.big`, big.slice(0, 900_000)), undefined);
      for (const subject of ['', 'a b', 'a..b', `${rig.prefix}.*`, `${rig.prefix}.>`, 'a\r\nPUB b 0']) {
        assert.equal((await rig.bus.publish(subject, 1))?.fault, 'bus_error', JSON.stringify(subject));
      }
    });
  });
}

export function subscriberContract(open: OpenBusRig): void {
  describe('subscribe', () => {
    it('keeps the order and hands out one message after the other, also to a slow handler', async () => {
      await using rig = await open();
      const got: Json[] = [];
      let running = 0;
      rig.bus.subscribe(`${rig.prefix}.order`, async (m) => {
        running += 1;
        assert.equal(running, 1);
        await new Promise<void>((resolve) => setImmediate(resolve));
        got.push(m.body);
        running -= 1;
      });
      await rig.bus.flush();
      const sent = [...Array(50).keys()];
      for (const n of sent) await rig.bus.publish(`${rig.prefix}.order`, n);
      await until(rig, 'all arrived', () => got.length === 50);
      assert.deepEqual(got, sent);
    });

    it('goes on when a subscriber throws, rejects or never ends', async () => {
      await using rig = await open();
      const got: Json[] = [];
      const seen: Json[] = [];
      rig.bus.subscribe(`${rig.prefix}.bad`, (m) => {
        seen.push(m.body);
        throw new Error('thrown by the handler');
      });
      rig.bus.subscribe(`${rig.prefix}.bad`, () => Promise.reject(new Error('rejected by the handler')));
      rig.bus.subscribe(`${rig.prefix}.bad`, () => new Promise<void>(() => undefined));
      rig.bus.subscribe(`${rig.prefix}.bad`, (m) => void got.push(m.body));
      await rig.bus.publish(`${rig.prefix}.bad`, 1);
      await rig.bus.publish(`${rig.prefix}.bad`, 2);
      await until(rig, 'the others got both', () => got.length === 2 && seen.length === 2);
      assert.deepEqual(
        [got, seen],
        [
          [1, 2],
          [1, 2],
        ],
      );
    });

    it('hands out nothing after close, and close is idempotent', async () => {
      await using rig = await open();
      const got: Json[] = [];
      const closing = rig.bus.subscribe(`${rig.prefix}.close`, (m) => void got.push(m.body));
      const staying: Json[] = [];
      rig.bus.subscribe(`${rig.prefix}.close`, (m) => void staying.push(m.body));
      await rig.bus.publish(`${rig.prefix}.close`, 1);
      await until(rig, 'the first arrived', () => got.length === 1);
      await closing.close();
      await closing.close();
      await rig.bus.publish(`${rig.prefix}.close`, 2);
      await until(rig, 'the one that stays got it', () => staying.length === 2);
      assert.deepEqual(got, [1]);
    });

    it('throws on a pattern that is none: that is a bug of the caller', async () => {
      await using rig = await open();
      for (const pattern of ['', 'a..b', 'a.>.b', 'a b']) {
        assert.throws(() => rig.bus.subscribe(pattern, () => undefined), TypeError, JSON.stringify(pattern));
      }
    });

    it('has handed out everything received when flush resolves', async () => {
      await using rig = await open();
      const got: Json[] = [];
      rig.bus.subscribe(`${rig.prefix}.flush`, async (m) => {
        await new Promise<void>((resolve) => setImmediate(resolve));
        got.push(m.body);
      });
      for (let n = 0; n < 10; n += 1) await rig.bus.publish(`${rig.prefix}.flush`, n);
      await rig.bus.flush();
      assert.equal(got.length, 10);
    });

    it('drops a body that is not JSON and goes on', async (t) => {
      await using rig = await open();
      if (!rig.publishRaw) return t.skip('this adapter carries JSON only');
      const got: Json[] = [];
      rig.bus.subscribe(`${rig.prefix}.raw`, (m) => void got.push(m.body));
      await rig.bus.flush();
      for (const text of ['', '{', 'plain', '\u0000', '{"a":1}'])
        await rig.publishRaw(`${rig.prefix}.raw`, text);
      await until(rig, 'the JSON arrived', () => got.length === 1);
      assert.deepEqual(got, [{ a: 1 }]);
    });

    it('delivers nothing and publishes nothing once disposed, and can be disposed twice', async () => {
      await using rig = await open();
      const other = await rig.second();
      let got = 0;
      other.subscribe(`${rig.prefix}.gone`, () => void (got += 1));
      await other.flush();
      await other[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      assert.equal(other.state(), 'disconnected');
      assert.equal((await other.publish(`${rig.prefix}.gone`, 1))?.fault, 'bus_disconnected');
      await other.flush();
      await rig.bus.publish(`${rig.prefix}.gone`, 2);
      await rig.bus.flush();
      assert.equal(got, 0);
    });
  });
}
