/** Real time: the little that can be said of it without waiting. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, mock, test } from 'node:test';

import { systemClock, systemRandom } from './system-clock.ts';

test('time is now, and the monotonic one never runs backwards', () => {
  assert.ok(Math.abs(systemClock.nowMs() - Date.now()) < 1_000);
  let last = systemClock.monotonicMs();
  for (let i = 0; i < 1_000; i += 1) {
    const next = systemClock.monotonicMs();
    assert.ok(next >= last);
    last = next;
  }
});

test('after runs once, also with no or a negative delay', async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  let runs = 0;
  const alive = setInterval(() => undefined, 1_000);
  systemClock.after(-5, () => (runs += 1));
  systemClock.after(1, () => resolve((runs += 1)));
  assert.equal(await promise, 2);
  clearInterval(alive);
});

describe('with time in hand', () => {
  test('a delay longer than the timers of Node take does not fire early', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let nowMs = 0;
    mock.method(performance, 'now', () => nowMs);
    t.after(() => mock.restoreAll());
    let runs = 0;
    const month = 30 * 86_400_000;
    systemClock.after(month, () => (runs += 1));
    const step = 2 ** 31 - 1;
    nowMs = step;
    t.mock.timers.tick(step);
    assert.equal(runs, 0);
    nowMs = month;
    t.mock.timers.tick(month - step);
    assert.equal(runs, 1);
  });

  test('every runs until it is cancelled; cancelling twice is no harm', (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    let runs = 0;
    const timer = systemClock.every(10, () => (runs += 1));
    t.mock.timers.tick(35);
    timer.cancel();
    timer.cancel();
    t.mock.timers.tick(100);
    assert.equal(runs, 3);
    const never = systemClock.after(10, () => (runs += 1));
    never.cancel();
    t.mock.timers.tick(100);
    assert.equal(runs, 3);
  });
});

test('senseless delays are bugs and throw', () => {
  assert.throws(() => systemClock.every(0, () => undefined), RangeError);
  assert.throws(() => systemClock.every(2 ** 31, () => undefined), RangeError);
  assert.throws(() => systemClock.after(Number.NaN, () => undefined), RangeError);
});

test('timers do not keep a process alive', () => {
  const url = new URL('./system-clock.ts', import.meta.url).href;
  const program = `
    const { systemClock } = await import(${JSON.stringify(url)});
    systemClock.every(50_000, () => {});
    systemClock.after(50_000, () => {});`;
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  assert.equal(ran.status, 0);
});

test('chance lies in [0, 1)', () => {
  for (let i = 0; i < 1_000; i += 1) {
    const value = systemRandom();
    assert.ok(value >= 0 && value < 1);
  }
});
