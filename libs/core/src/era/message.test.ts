/** One message is read as one message, or refused with a reason. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isFault } from '../model/fault.ts';
import { paramsFrom, paramText, readMessage, stringParam } from './message.ts';

describe('readMessage', () => {
  const good: readonly [string, string, object][] = [
    [
      'a request',
      '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      { kind: 'request', idText: '1', method: 'ping' },
    ],
    [
      'a string id, as spelled',
      '{"jsonrpc":"2.0","id":"\\u0061","method":"m"}',
      { kind: 'request', idText: '"\\u0061"' },
    ],
    [
      'a huge integer id',
      '{"jsonrpc":"2.0","id":12345678901234567890,"method":"m"}',
      { idText: '12345678901234567890' },
    ],
    [
      'a notification',
      '{"jsonrpc":"2.0","method":"notifications/x"}',
      { kind: 'notification', method: 'notifications/x' },
    ],
    ['a result', '{"jsonrpc":"2.0","id":1,"result":{}}', { kind: 'response', idText: '1', isError: false }],
    ['an error', '{"jsonrpc":"2.0","id":1,"error":{}}', { kind: 'response', isError: true }],
    ['unknown members', '{"jsonrpc":"2.0","id":1,"method":"m","x-y":[1]}', { kind: 'request' }],
    ['space around it', ' \n{"jsonrpc":"2.0","id":1,"method":"m"}\t', { kind: 'request' }],
  ];
  for (const [name, text, expected] of good) {
    it(`reads ${name}`, () => assert.partialDeepStrictEqual(readMessage(text), expected));
  }

  const bad: readonly [string, string, string, RegExp][] = [
    ['nothing', '', 'bad_json', /.*/],
    ['half a message', '{"jsonrpc":"2.0"', 'bad_json', /comma or a closing brace/],
    [
      'two messages',
      '{"jsonrpc":"2.0","method":"a"}{"jsonrpc":"2.0","method":"b"}',
      'bad_json',
      /behind the end/,
    ],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"m"}]', 'batch_refused', /one message/],
    ['a number', '7', 'bad_request', /object/],
    [
      'a long s in a name',
      '{"jsonrpc":"2.0","id":1,"method":"m","param\u017f":{}}',
      'bad_request',
      /ambiguous.*\(params\)/,
    ],
    [
      'an envelope name in escaped capitals',
      '{"jsonrpc":"2.0","id":1,"method":"m","\\u0049d":2}',
      'bad_request',
      /ambiguous.*\(id\)/,
    ],
    ['a dotless i', '{"jsonrpc":"2.0","id":1,"method":"m","\u0131d":2}', 'bad_request', /ambiguous.*\(id\)/],
    [
      'a parameter in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"a","Name":"b"}}',
      'bad_request',
      /"Name" may be taken for name/,
    ],
    [
      'a parameter in other case alone',
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"taskid":"a"}}',
      'bad_request',
      /"taskid" may be taken for taskId/,
    ],
    [
      'a long s in a parameter',
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"argument\u017f":{}}}',
      'bad_request',
      /may be taken for arguments/,
    ],
    ['no version', '{"id":1,"method":"m"}', 'bad_request', /jsonrpc/],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"m"}', 'bad_request', /jsonrpc/],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"m"}', 'bad_request', /"id"/],
    ['a fractional id', '{"jsonrpc":"2.0","id":1.5,"method":"m"}', 'bad_request', /"id"/],
    ['an object id', '{"jsonrpc":"2.0","id":{},"method":"m"}', 'bad_request', /"id"/],
    [
      'an id of two kilobytes',
      `{"jsonrpc":"2.0","id":"${'x'.repeat(2_000)}","method":"m"}`,
      'bad_request',
      /1,024/,
    ],
    ['two ids', '{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}', 'bad_request', /stands twice/],
    ['an id in capitals', '{"jsonrpc":"2.0","ID":1,"method":"m"}', 'bad_request', /lower case/],
    [
      'a method in capitals beside the real one',
      '{"jsonrpc":"2.0","id":1,"method":"m","Method":"n"}',
      'bad_request',
      /lower case/,
    ],
    ['a method that is no string', '{"jsonrpc":"2.0","id":1,"method":7}', 'bad_request', /"method"/],
    ['an empty method', '{"jsonrpc":"2.0","id":1,"method":""}', 'bad_request', /"method"/],
    ['a method and a result', '{"jsonrpc":"2.0","id":1,"method":"m","result":{}}', 'bad_request', /not both/],
    [
      'a result and an error',
      '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
      'bad_request',
      /exactly one/,
    ],
    ['a response without id', '{"jsonrpc":"2.0","result":{}}', 'bad_request', /"id"/],
    ['positional params', '{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}', 'bad_params', /positional/],
    [
      'params that are a string',
      '{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}',
      'bad_params',
      /object/,
    ],
    [
      'a name that stands twice',
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"a","name":"b"}}',
      'bad_request',
      /stands twice/,
    ],
  ];
  for (const [name, text, fault, detail] of bad) {
    it(`refuses ${name}`, () => {
      const read = readMessage(text);
      assert.ok(isFault(read));
      assert.equal(read.fault, fault);
      assert.match('detail' in read ? read.detail : '', detail);
    });
  }

  it('never throws, and gives a request back as it was written', () => {
    const id = fc.oneof(fc.integer(), fc.string());
    fc.assert(
      fc.property(
        id,
        fc.string({ minLength: 1, maxLength: 40 }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (i, method, params) => {
          const text = JSON.stringify({ jsonrpc: '2.0', id: i, method, params });
          const read = readMessage(text);
          assert.ok(!isFault(read) && read.kind === 'request');
          assert.deepEqual([JSON.parse(read.idText), read.method], [i, method]);
          assert.deepEqual(JSON.parse(read.params.text), JSON.parse(JSON.stringify(params)));
        },
      ),
    );
  });
});

describe('params', () => {
  it('give strings as strings and everything as its text', () => {
    const params = paramsFrom('{"name":"a\\"b","n":1.0}');
    assert.equal(stringParam(params, 'name'), 'a"b');
    assert.equal(stringParam(params, 'n'), undefined);
    assert.equal(paramText(params, 'n'), '1.0');
    assert.equal(paramText(params, 'none'), undefined);
  });

  it('are a bug when they are no object', () =>
    assert.throws(() => paramsFrom('7'), /params must be an object/));
});
