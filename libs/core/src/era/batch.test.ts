/** A batch is read message by message. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault } from '../model/fault.ts';
import { readBatch } from './batch.ts';

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

describe('a batch', () => {
  it('gives each message, with its own text', () => {
    const note = '{ "jsonrpc":"2.0", "method":"notifications/x" }';
    const read = readBatch(` [${ping}, ${note}]\n`, 10);
    assert.ok(!isFault(read));
    assert.deepEqual(
      read.map((message) => !isFault(message) && [message.kind, message.text]),
      [
        ['request', ping],
        ['notification', note],
      ],
    );
  });

  it('judges each element by itself', () => {
    const read = readBatch(`[7,${ping},[${ping}],{"jsonrpc":"2.0","id":1,"method":"m","Method":"n"}]`, 10);
    assert.ok(!isFault(read));
    assert.deepEqual(
      read.map((message) => (isFault(message) ? message.fault : message.kind)),
      ['bad_request', 'request', 'bad_request', 'bad_request'],
    );
    assert.match(JSON.stringify(read[2]), /not batches/);
  });

  const refused: readonly [string, string, string, RegExp][] = [
    ['empty', '[ ]', 'bad_request', /at least one/],
    ['too long', `[${[ping, ping, ping].join(',')}]`, 'bad_request', /at most 2 messages; this one has 3/],
    ['one message', ping, 'bad_request', /array/],
    ['cut', `[${ping}`, 'bad_json', /at character/],
    ['followed by something', `[${ping}]x`, 'bad_json', /behind the end/],
  ];
  for (const [name, text, fault, why] of refused) {
    it(`is refused where it is ${name}`, () => {
      const read = readBatch(text, 2);
      assert.ok(isFault(read) && read.fault === fault);
      assert.match(JSON.stringify(read), why);
    });
  }
});
