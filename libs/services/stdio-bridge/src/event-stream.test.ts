/** Event streams of the bridge are bounded and end. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamBroken } from '@cruvero/ports';
import { EventStream } from './event-stream.ts';

async function readAll(stream: EventStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

describe('EventStream', () => {
  it('drops notifications that a slow reader leaves lying, never the answer', async () => {
    const stream = new EventStream(100);
    for (let i = 0; i < 1_000; i += 1) stream.notify(`{"n":${i}}`);
    stream.finish(`{"answer":"${'x'.repeat(1_000)}"}`);
    const text = await readAll(stream);
    assert.ok(stream.dropped > 980);
    assert.ok(text.length < 1_400);
    assert.match(text, /^event: message\ndata: \{"n":0\}\n\n/);
    assert.match(text, /data: \{"answer":"x{1000}"\}\n\n$/);
  });

  it('wakes a reader who waits, in order, until the end', async () => {
    const stream = new EventStream(1_000);
    const reading = readAll(stream);
    stream.notify('1');
    await Promise.resolve();
    stream.notify('2');
    stream.finish('3');
    stream.notify('4');
    assert.deepEqual((await reading).match(/data: ./g), ['data: 1', 'data: 2', 'data: 3']);
  });

  it('hands out what came before it broke, then says so', async () => {
    const stream = new EventStream(1_000);
    stream.notify('1');
    stream.break('the child died');
    const chunks = stream[Symbol.asyncIterator]();
    assert.match(String((await chunks.next()).value), /data: 1/);
    await assert.rejects(chunks.next(), UpstreamBroken);
  });
});
