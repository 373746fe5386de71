/** Readiness: all checks or not at all, and never a wait without an end. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { settle, SimClock } from '@cruvero/testkit';

import { Health } from './health.ts';

test('a service without checks is ready', async () => {
  assert.deepEqual(await new Health(new SimClock()).read(), { ready: true, checks: [] });
});

test('one failing check makes the service not ready, with its reason, however it fails', async () => {
  const clock = new SimClock();
  const health = new Health(clock);
  health.add('bus', () => undefined);
  health.add('store', async () => 'no answer from the store');
  health.add('cache', () => Promise.reject(new Error('refused')));
  health.add('snapshot', () => {
    throw new Error('none yet');
  });
  assert.deepEqual(await health.read(), {
    ready: false,
    checks: [
      { name: 'bus', ready: true },
      { name: 'store', ready: false, reason: 'no answer from the store' },
      { name: 'cache', ready: false, reason: 'refused.' },
      { name: 'snapshot', ready: false, reason: 'none yet.' },
    ],
  });
  assert.equal(clock.pending, 0);
});

test('a check that hangs counts as failed after its time, and leaves no timer', async () => {
  const clock = new SimClock();
  const health = new Health(clock, 1_000);
  health.add('store', () => new Promise(() => undefined));
  health.add('bus', () => undefined);
  const reading = health.read();
  await settle();
  await clock.advance(1_000);
  const { ready, checks } = await reading;
  assert.equal(ready, false);
  assert.deepEqual(checks[0], { name: 'store', ready: false, reason: 'no answer within 1000 ms' });
  assert.equal(clock.pending, 0);
});

test('a service that drains is never ready again', async () => {
  const health = new Health(new SimClock());
  health.add('bus', () => undefined);
  health.drain();
  const { ready, checks } = await health.read();
  assert.equal(ready, false);
  assert.deepEqual(checks.at(-1), { name: 'shutdown', ready: false, reason: 'shutting down' });
});

test('a check can be taken away; names are taken once; their number is bounded', async () => {
  const health = new Health(new SimClock());
  {
    using _check = health.add('bus', () => 'down');
    assert.equal((await health.read()).ready, false);
    assert.throws(() => health.add('bus', () => undefined), /already/);
  }
  assert.equal((await health.read()).ready, true);
  for (let i = 0; i < 64; i += 1) health.add(`c${i}`, () => undefined);
  assert.throws(() => health.add('one more', () => undefined), /64/);
});
