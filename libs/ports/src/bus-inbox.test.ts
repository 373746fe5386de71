/** An inbox hands out in order, one at a time, and is bounded. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Inbox } from './bus-inbox.ts';

describe('Inbox', () => {
  it('never runs two handlers at once and keeps the order', async () => {
    const seen: number[] = [];
    let running = 0;
    const inbox = new Inbox<number>(
      async (n) => {
        running += 1;
        assert.equal(running, 1);
        await new Promise<void>((resolve) => setImmediate(resolve));
        seen.push(n);
        running -= 1;
      },
      (error) => assert.fail(String(error)),
    );
    for (let n = 0; n < 20; n += 1) assert.ok(inbox.push(n, 1));
    await inbox.idle();
    assert.deepEqual(seen, [...Array(20).keys()]);
  });

  it('goes on after a handler that throws, and says so', async () => {
    const seen: number[] = [];
    const thrown: unknown[] = [];
    const inbox = new Inbox<number>(
      (n) => {
        if (n === 1) throw new Error('one');
        seen.push(n);
      },
      (error) => thrown.push(error),
    );
    for (const n of [0, 1, 2]) inbox.push(n, 1);
    await inbox.idle();
    assert.deepEqual(seen, [0, 2]);
    assert.equal(thrown.length, 1);
  });

  it('drops what is over its bounds, by count and by bytes, and takes again when there is room', async () => {
    const seen: string[] = [];
    const inbox = new Inbox<string>(
      (text) => void seen.push(text),
      () => undefined,
      { messagesMax: 2, bytesMax: 10 },
    );
    assert.deepEqual(
      [inbox.push('a', 6), inbox.push('b', 5), inbox.push('c', 4), inbox.push('d', 0)],
      [true, false, true, false],
    );
    await inbox.idle();
    assert.ok(inbox.push('e', 10));
    await inbox.idle();
    assert.deepEqual(seen, ['a', 'c', 'e']);
  });

  it('hands out nothing after it was closed', async () => {
    const seen: number[] = [];
    const inbox = new Inbox<number>(
      (n) => void seen.push(n),
      () => undefined,
    );
    inbox.push(1, 1);
    inbox.close();
    assert.equal(inbox.push(2, 1), false);
    await inbox.idle();
    assert.deepEqual(seen, []);
  });
});
