/** Whole answers that nobody reads: the oldest make room, those that stand still end, and readers are left alone. */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { stillMsMax, UnreadAnswers, unreadTotalBytesMax } from './unread.ts';

class FakeAnswer extends EventEmitter {
  destroyed = false;
  writableLength: number;

  constructor(bytes: number) {
    super();
    this.writableLength = bytes;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function stage() {
  const answers = new UnreadAnswers();
  const given = (bytes: number, nowMs = 0): FakeAnswer => {
    const answer = new FakeAnswer(bytes);
    answers.given(answer as unknown as ServerResponse, nowMs);
    return answer;
  };
  return { answers, given };
}

const quarter = unreadTotalBytesMax / 4;

describe('answers that nobody reads', () => {
  it('lose their connection, the oldest first, when all together are too many bytes', () => {
    const { given } = stage();
    const [first, second] = [given(quarter), given(quarter)];
    const rest = [given(quarter), given(quarter)];
    assert.equal(first.destroyed, false, 'just enough');
    const last = given(quarter);
    assert.equal(first.destroyed, true);
    assert.deepEqual(
      [second, ...rest, last].map(({ destroyed }) => destroyed),
      [false, false, false, false],
    );
  });

  it('make room first by what was read of them meanwhile', () => {
    const { given } = stage();
    const read = given(3 * quarter);
    read.writableLength = 0;
    given(2 * quarter);
    assert.equal(read.destroyed, false);
  });

  it('end when nothing of them was read for a while, and not while something is', () => {
    const { answers, given } = stage();
    const still = given(quarter);
    const slow = given(quarter);
    slow.writableLength -= 1;
    answers.sweep(stillMsMax - 1);
    assert.equal(still.destroyed, false);
    answers.sweep(stillMsMax);
    assert.deepEqual([still.destroyed, slow.destroyed], [true, false]);
    answers.sweep(2 * stillMsMax - 1);
    assert.equal(slow.destroyed, true);
  });

  it('are forgotten when they were read, and when their client went', () => {
    const { given } = stage();
    const read = given(3 * quarter);
    read.emit('finish');
    const gone = given(3 * quarter);
    gone.emit('close');
    const next = given(3 * quarter);
    assert.deepEqual(
      [read, gone, next].map(({ destroyed }) => destroyed),
      [false, false, false],
    );
  });

  it('count only where a socket did not take them at once', () => {
    const { answers, given } = stage();
    const small = given(1_000);
    answers.sweep(10 * stillMsMax);
    assert.equal(small.destroyed, false);
  });
});
