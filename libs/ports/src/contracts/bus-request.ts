/** Bus contract, request and respond: an answer, or a fault that says why there is none. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Json } from '@cruvero/core';

import { messageBytesMax } from '../bus-rules.ts';
import type { BusRig, OpenBusRig } from './bus-rig.ts';
import { within } from './bus-rig.ts';

const ask = (rig: BusRig, body: Json, timeoutMs = 2_000) =>
  within(rig, 'answer', rig.bus.request(`${rig.prefix}.ask`, body, timeoutMs));

export function requestContract(open: OpenBusRig): void {
  describe('request', () => {
    it('brings the answer of a responder on another connection', async () => {
      await using rig = await open();
      await using other = await rig.second();
      other.respond(`${rig.prefix}.ask`, async (m) => ({ echo: m.body, on: m.subject }));
      await other.flush();
      assert.deepEqual(await ask(rig, { n: 1 }), { body: { echo: { n: 1 }, on: `${rig.prefix}.ask` } });
    });

    it('reaches one of several responders', async () => {
      await using rig = await open();
      await using other = await rig.second();
      let asked = 0;
      for (const bus of [rig.bus, other]) bus.respond(`${rig.prefix}.ask`, async () => (asked += 1));
      await rig.bus.flush();
      await other.flush();
      for (let i = 1; i <= 5; i += 1) assert.deepEqual(await ask(rig, null), { body: i });
    });

    it('lets a slow answer hold up no other, where the responder answers at once', async () => {
      await using rig = await open();
      const slow = Promise.withResolvers<Json>();
      const answerOf = ({ body }: { readonly body: Json }): Promise<Json> =>
        body === 'slow' ? slow.promise : Promise.resolve(body);
      rig.bus.respond(`${rig.prefix}.ask`, answerOf, { atOnce: true });
      await rig.bus.flush();
      const waiting = ask(rig, 'slow', 60_000);
      assert.deepEqual(await ask(rig, 'quick'), { body: 'quick' });
      slow.resolve('late');
      assert.deepEqual(await waiting, { body: 'late' });
      rig.bus.respond(`${rig.prefix}.bad`, () => Promise.reject(new Error('inner')), { atOnce: true });
      await rig.bus.flush();
      const failed = await rig.bus.request(`${rig.prefix}.bad`, 1, 60_000);
      assert.ok('fault' in failed && failed.fault === 'bus_error');
    });

    it('says no_responder at once where nobody listens', async () => {
      await using rig = await open();
      const answer = await ask(rig, 1);
      assert.ok('fault' in answer && answer.fault === 'no_responder');
    });

    it('says bus_timeout where the responder, or one who only listens, stays silent', async () => {
      await using rig = await open();
      rig.bus.subscribe(`${rig.prefix}.ask`, () => undefined);
      await rig.bus.flush();
      const silent = await ask(rig, 1, 100);
      assert.ok('fault' in silent && silent.fault === 'bus_timeout', JSON.stringify(silent));
      rig.bus.respond(`${rig.prefix}.ask`, () => new Promise<Json>(() => undefined));
      await rig.bus.flush();
      const hung = await ask(rig, 1, 100);
      assert.ok('fault' in hung && hung.fault === 'bus_timeout', JSON.stringify(hung));
    });

    it('says bus_error at once where the responder throws, without its words', async () => {
      await using rig = await open();
      rig.bus.respond(`${rig.prefix}.ask`, () => Promise.reject(new Error('inner secret')));
      await rig.bus.flush();
      const answer = await ask(rig, 1, 60_000);
      assert.ok('fault' in answer && answer.fault === 'bus_error');
      assert.doesNotMatch(answer.detail, /secret/);
    });

    it('refuses questions and answers that are too large', async () => {
      await using rig = await open();
      const big = 'x'.repeat(messageBytesMax);
      rig.bus.respond(`${rig.prefix}.ask`, async () => big);
      await rig.bus.flush();
      const question = await ask(rig, big);
      assert.ok('fault' in question && question.fault === 'message_too_large');
      const answer = await ask(rig, 1, 60_000);
      assert.ok('fault' in answer && answer.fault === 'bus_error');
    });

    it('stops answering once closed', async () => {
      await using rig = await open();
      const responder = rig.bus.respond(`${rig.prefix}.ask`, async () => 1);
      await rig.bus.flush();
      assert.deepEqual(await ask(rig, null), { body: 1 });
      await responder.close();
      await rig.bus.flush();
      const answer = await ask(rig, null);
      assert.ok('fault' in answer && answer.fault === 'no_responder');
    });
  });
}
