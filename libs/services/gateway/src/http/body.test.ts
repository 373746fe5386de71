/** Tests of how a request body becomes text, and of what is refused before it does. */

import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { isJsonType, readAccept, readBody } from './body.ts';

/** A request whose body comes in these pieces; `open` leaves its end out. */
function request(
  pieces: readonly (string | Uint8Array)[],
  headers: Record<string, string> = {},
  open = false,
): IncomingMessage {
  const message = new IncomingMessage(new Socket());
  Object.assign(message.headers, headers);
  for (const piece of pieces) message.push(piece);
  if (!open) message.push(null);
  return message;
}

describe('a body', () => {
  it('is read whole, in one piece or many, also where a character is cut', async () => {
    assert.equal(await readBody(request([]), 10), '');
    assert.equal(await readBody(request(['{}']), 2), '{}');
    const bytes = Buffer.from('"漢🎉"');
    const pieces = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    assert.equal(await readBody(request(pieces), bytes.length), '"漢🎉"');
  });

  it('that is announced too large is refused before a byte of it is read', async () => {
    const announced = request([], { 'content-length': '11' }, true);
    assert.deepEqual(await readBody(announced, 10), { fault: 'body_too_large', bytesMax: 10 });
    assert.equal(announced.listenerCount('data'), 0);
  });

  it('that turns out too large is refused though it goes on', async () => {
    const endless = request(['12345', '67890', '1'], {}, true);
    assert.deepEqual(await readBody(endless, 10), { fault: 'body_too_large', bytesMax: 10 });
    assert.equal(endless.listenerCount('data'), 0, 'what comes after is not kept');
  });

  it('of a length that is no number is bounded all the same', async () => {
    const lying = request(['12345678901'], { 'content-length': 'many' });
    assert.deepEqual(await readBody(lying, 10), { fault: 'body_too_large', bytesMax: 10 });
  });

  it('that is not UTF-8 is refused, not mended', async () => {
    for (const bytes of [
      [0xff],
      [0xc3, 0x28],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xc0, 0x80],
      [0xe6, 0xbc],
    ]) {
      assert.deepEqual(await readBody(request([Uint8Array.from(bytes)]), 100), {
        fault: 'bad_json',
        detail: 'the body is not valid UTF-8',
      });
    }
  });

  it('whose sender goes away ends as cancelled', async () => {
    for (const error of [undefined, new Error('cut')]) {
      const cut = request(['{'], {}, true);
      const read = readBody(cut, 100);
      cut.destroy(error);
      assert.deepEqual(await read, { fault: 'cancelled' });
    }
  });
});

describe('the content type', () => {
  it('is JSON with any parameters and in any case', () => {
    for (const type of [
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json ;x=y',
      'application/json;',
    ])
      assert.equal(isJsonType(type), true, type);
  });

  it('is not JSON where it only resembles it', () => {
    for (const type of [
      undefined,
      '',
      'text/plain',
      'application/json-rpc',
      'application/jsonp',
      'application/json, text/plain',
      'x application/json',
    ])
      assert.equal(isJsonType(type), false, String(type));
  });
});

describe('the Accept header', () => {
  const rows: readonly (readonly [accept: string | undefined, json: boolean, sse: boolean])[] = [
    [undefined, true, false],
    ['', false, false],
    ['application/json', true, false],
    ['application/json, text/event-stream', true, true],
    ['TEXT/EVENT-STREAM', false, true],
    ['*/*', true, true],
    ['application/*;q=0.5', true, false],
    ['text/*', false, true],
    ['text/html', false, false],
    ['image/png', false, false],
  ];
  for (const [accept, json, sse] of rows) {
    it(`${JSON.stringify(accept ?? null)} takes ${json ? '' : 'no '}JSON and ${sse ? '' : 'no '}stream`, () => {
      assert.deepEqual(readAccept(accept), { json, sse });
    });
  }
});
