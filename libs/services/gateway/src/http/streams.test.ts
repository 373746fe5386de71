/** Event streams to clients: kept alive, ended at their age, and closed for a client that does not read. */

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { SimClock } from '@cruvero/testkit';
import { Streams } from './streams.ts';

/** A response whose client reads only when the test says so. */
class FakeResponse extends EventEmitter {
  readonly written: string[] = [];
  status = 0;
  unread = 0;
  reads = true;
  destroyed = false;
  writableEnded = false;

  get writableLength(): number {
    return this.unread;
  }

  writeHead(status: number): void {
    this.status = status;
  }

  write(text: string): boolean {
    if (this.writableEnded) throw new Error('write after end');
    this.written.push(text);
    if (!this.reads) this.unread += text.length;
    return true;
  }

  end(text?: string): void {
    if (text !== undefined) this.write(text);
    this.writableEnded = true;
    if (this.reads) this.emit('close');
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function stage(bounds = { streamsMax: 2, streamAgeMs: 60_000 }) {
  const clock = new SimClock();
  const streams = new Streams(bounds, clock);
  const open = (last?: string) => {
    const response = new FakeResponse();
    let closed = 0;
    const stream = streams.open(
      response as unknown as ServerResponse,
      () => (closed += 1),
      (aged) => aged.end(last),
    );
    return { response, stream, closed: () => closed };
  };
  return { clock, streams, open };
}

describe('a stream', () => {
  it('begins at once with a comment, and is kept alive with comments', async () => {
    const { clock, open } = stage();
    const { response } = open();
    assert.equal(response.status, 200);
    assert.deepEqual(response.written, [': keep-alive\n\n']);
    await clock.advance(30_000);
    assert.equal(response.written.length, 3);
  });

  it('carries messages as events', () => {
    const { open } = stage();
    const { response, stream } = open();
    assert.equal(stream.send('{"a":1}'), true);
    assert.equal(response.written.at(-1), 'event: message\ndata: {"a":1}\n\n');
  });

  it('ends at its age with the last word of its opener', async () => {
    const { clock, streams, open } = stage();
    const { response, stream, closed } = open('{"done":true}');
    await clock.advance(60_000);
    assert.ok(response.writableEnded);
    assert.equal(response.written.at(-1), 'event: message\ndata: {"done":true}\n\n');
    assert.equal(closed(), 1);
    assert.equal(streams.size, 0);
    assert.equal(stream.send('x'), false);
    stream.end();
  });

  it('of a client that does not read is closed beyond the bound, by a message or by the beat', async () => {
    const { clock, streams, open } = stage();
    const [one, two] = [open(), open()];
    for (const { response } of [one, two]) {
      response.reads = false;
      response.unread = (1 << 20) + 1;
    }
    assert.equal(one.stream.send('x'), false);
    assert.ok(one.response.destroyed);
    assert.equal(two.response.destroyed, false);
    await clock.advance(15_000);
    assert.ok(two.response.destroyed);
    assert.equal(streams.size, 0);
  });

  it('of a client that does not even read its end is closed at the next beat', async () => {
    const { clock, streams, open } = stage();
    const { response, stream } = open();
    response.reads = false;
    stream.end();
    assert.equal(streams.size, 1);
    await clock.advance(15_000);
    assert.ok(response.destroyed);
    assert.equal(streams.size, 0);
  });

  it('that the client closed takes nothing more', () => {
    const { streams, open } = stage();
    const { response, stream, closed } = open();
    response.destroy();
    assert.equal(stream.send('x'), false);
    assert.equal(closed(), 1);
    assert.equal(streams.size, 0);
  });
});

describe('all streams', () => {
  it('are bounded in number', () => {
    const { streams, open } = stage();
    open();
    assert.equal(streams.full(), false);
    open();
    assert.equal(streams.full(), true);
  });

  it('end at the end, each with its last word, and no beat follows', () => {
    const { clock, streams, open } = stage();
    const opened = [open('{"n":1}'), open('{"n":2}')];
    streams.close();
    assert.ok(opened.every(({ response }) => response.writableEnded));
    assert.equal(clock.pending, 0);
    assert.equal(streams.size, 0);
  });
});
