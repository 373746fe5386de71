/** Tests of the pauses between restarts. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { eventually } from './eventually.fixture.ts';
import { keepAlive, pauseMs } from './keep-alive.ts';
import type { Exit } from './process.ts';

describe('pauseMs', () => {
  it('doubles and stays below 15 s, however often', () => {
    assert.deepEqual(
      [0, 1, 2, 5, 1_000].map((attempt) => pauseMs(attempt, 500)),
      [500, 1_000, 2_000, 15_000, 15_000],
    );
  });
});

describe('keepAlive', () => {
  it('tries until the start succeeds, and stops when told so', async () => {
    const events: string[] = [];
    let die: (exit: Exit) => void = () => assert.fail('nobody listens');
    let starts = 0;
    const restart = async (): Promise<void> => {
      starts += 1;
      if (starts < 3) throw new Error(`start ${starts} fails`);
    };
    const mortal = { name: 'x', restart, onDeath: (listener: (exit: Exit) => void) => void (die = listener) };
    const end = keepAlive(mortal, { onEvent: (line) => void events.push(line), firstPauseMs: 10 });
    die({ code: 1, signal: null });
    await eventually('it runs again', () => events.at(-1) === 'x runs again');
    assert.deepEqual(events, [
      'x ended (exit code 1); starting it again in 0.01 s',
      'x did not start (start 1 fails); starting it again in 0.02 s',
      'x did not start (start 2 fails); starting it again in 0.04 s',
      'x runs again',
    ]);
    end();
    die({ code: 1, signal: null });
    assert.equal(events.length, 4);
  });
});
