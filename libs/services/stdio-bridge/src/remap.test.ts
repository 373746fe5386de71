/** Ids and tokens are mapped there and back, and nothing else changes. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, readMessage, type RequestMessage } from '@cruvero/core';
import fc from 'fast-check';
import {
  answerTowardsChild,
  asLine,
  childParam,
  endOfSubscription,
  readFromChild,
  towardsCaller,
  towardsChild,
} from './remap.ts';

function request(text: string): RequestMessage {
  const message = readMessage(text);
  return !isFault(message) && message.kind === 'request' ? message : assert.fail(`not a request: ${text}`);
}

const id = fc.oneof(
  fc.string().map((text) => JSON.stringify(text)),
  fc.bigInt().map(String),
);
const number = fc.integer({ min: 1, max: 999_999_999 });

describe('remapping towards the child', () => {
  it('changes the id and the token and nothing else', () => {
    const text =
      '{ "params":{"z":1.50,"_meta":{"b":1e2,"progressToken":"tok","a":12345678901234567890},"a":[ ]}, "x":null,"id" : "a","jsonrpc":"2.0","method":"tools/call"}';
    assert.deepEqual(towardsChild(request(text), 7), {
      line: text.replace('"tok"', '7').replace('"a","jsonrpc"', '7,"jsonrpc"'),
      tokenText: '"tok"',
    });
  });

  it('brings any request back to the letter when the two are changed back', () => {
    const params = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(
        id,
        fc.option(id),
        params,
        fc.string({ minLength: 1 }),
        number,
        (idText, token, rest, method, ours) => {
          const { _meta: _dropped, ...others } = rest;
          const meta = token === null ? '' : `"_meta":{"v":1.0,"progressToken":${token}},`;
          const paramsText = `{${meta}${JSON.stringify(others).slice(1)}`.replace(/,}$/, '}');
          const text = `{"jsonrpc":"2.0","id":${idText},"method":${JSON.stringify(method)},"params":${paramsText}}`;
          const sent = towardsChild(request(text), ours);
          assert.equal(sent.tokenText, token ?? undefined);
          const expected = `{"jsonrpc":"2.0","id":${ours},"method":${JSON.stringify(method)},"params":${
            token === null
              ? paramsText
              : `{"_meta":{"v":1.0,"progressToken":${ours}},${JSON.stringify(others).slice(1)}`.replace(
                  /,}$/,
                  '}',
                )
          }}`;
          assert.equal(sent.line, expected);
        },
      ),
    );
  });

  it('puts the trace of this hop in, wherever the caller had room for it', () => {
    const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const lined = (text: string) =>
      JSON.parse(towardsChild(request(text), 3, trace).line) as { params: { _meta: object } };
    const head = '{"jsonrpc":"2.0","method":"m","id":1';
    assert.deepEqual(lined(`${head}}`).params, { _meta: { traceparent: trace } });
    assert.deepEqual(lined(`${head},"params":{"a":1}}`).params, { _meta: { traceparent: trace }, a: 1 });
    assert.deepEqual(lined(`${head},"params":{"_meta":{"traceparent":"old","k":2}}}`).params._meta, {
      traceparent: trace,
      k: 2,
    });
  });

  it('makes one line of JSON that was written in several', () => {
    const pretty = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'm', params: { text: 'a\nb' } }, null, 2);
    const { line } = towardsChild(request(pretty), 1);
    assert.doesNotMatch(line, /[\r\n]/);
    assert.deepEqual(JSON.parse(line), JSON.parse(pretty));
    assert.equal(asLine('{"a":"\\n"}'), '{"a":"\\n"}');
  });
});

describe('remapping towards the caller', () => {
  it('reads an answer however it is spelled, and gives the caller its own id', () => {
    const result = fc.jsonValue().map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(number, id, result, (ours, idText, text) => {
        const spellings = [
          (one: string) => `{"result":${text},"jsonrpc":"2.0","id":${one}}`,
          (one: string) => `{"jsonrpc":"2.0","id":${one},"result":${text}}`,
          (one: string) => `{ "id" : ${one} , "jsonrpc":"2.0", "result":${text} }`,
          (one: string) => `{"jsonrpc":"2.0","result":${text},"id":${one}}`,
        ];
        for (const spell of spellings) {
          const line = spell(String(ours));
          const read = readFromChild(line);
          assert.ok(read.kind === 'answer', line);
          assert.equal(read.reference.number, ours);
          assert.equal(read.errorCode, undefined);
          assert.equal(towardsCaller(line, read.reference, idText), spell(idText));
        }
      }),
    );
  });

  it('is not misled by a result that looks like the end of an answer', () => {
    const inner = '{"result":1,"jsonrpc":"2.0","id":9}';
    for (const line of [
      `{"result":${JSON.stringify(inner)},"jsonrpc":"2.0","id":4}`,
      `{"result":${inner},"jsonrpc":"2.0","id":4}`,
      `{"jsonrpc":"2.0","id":4,"result":${inner}}`,
    ]) {
      const read = readFromChild(line);
      assert.ok(read.kind === 'answer');
      assert.equal(read.reference.number, 4, line);
    }
  });

  it('reads errors with their code', () => {
    const coded = (error: string) => {
      const read = readFromChild(`{"jsonrpc":"2.0","id":1,"error":${error}}`);
      return read.kind === 'answer' ? read.errorCode : read.kind;
    };
    assert.equal(coded('{"code":-32601,"message":"x"}'), -32601);
    assert.equal(coded('{"message":"x"}'), -32603);
    assert.equal(coded('"what"'), -32603);
  });

  it('finds what a notification speaks of', () => {
    const about = (method: string, params: object) => {
      const line = JSON.stringify({ jsonrpc: '2.0', method, params });
      const read = readFromChild(line);
      if (read.kind !== 'notification' || !read.about) return undefined;
      return [read.about.by, read.about.number, towardsCaller(line, read.about, '"mine"')];
    };
    assert.deepEqual(about('notifications/progress', { progressToken: 5, progress: 1 }), [
      'token',
      5,
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mine","progress":1}}',
    ]);
    const meta = { 'io.modelcontextprotocol/subscriptionId': 8 };
    assert.equal(about('notifications/tools/list_changed', { _meta: meta })?.[1], 8);
    assert.equal(about('notifications/tools/list_changed', {}), undefined);
    assert.equal(about('notifications/progress', { progressToken: 'foreign' }), undefined);
  });

  it('leaves open whose id a cancellation names, whatever that id is', () => {
    for (const requestId of ['5', '"of its own"', '-1']) {
      const line = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${requestId} }}`;
      const read = readFromChild(line);
      assert.ok(read.kind === 'cancelled');
      assert.equal(read.idText, requestId);
      assert.equal(towardsCaller(line, { span: read.id }, '77'), line.replace(requestId, '77'));
    }
  });

  it('gives an answer of the caller the id by which the child asked, and one line', () => {
    const text = '\n{"jsonrpc":"2.0", "id":77,\n"result":{"n":1.50,"id":77}}';
    assert.equal(answerTowardsChild(text, '"q"'), '{"jsonrpc":"2.0", "id":"q", "result":{"n":1.50,"id":77}}');
  });

  it('reads one string of the params of a message', () => {
    const line = '{"jsonrpc":"2.0","method":"m","params":{"uri":"a\\u0062","level":3}}';
    assert.equal(childParam(line, 'uri'), 'ab');
    assert.equal(childParam(line, 'level'), undefined);
    assert.equal(childParam('{"jsonrpc":"2.0","method":"m"}', 'uri'), undefined);
  });

  it('restores the subscription id in the end of a subscription', () => {
    const result = { resultType: 'complete', _meta: { 'io.modelcontextprotocol/subscriptionId': 6 } };
    const text = JSON.stringify({ jsonrpc: '2.0', id: 'x', result });
    assert.equal(endOfSubscription(text, 6, '"x"'), text.replace('Id":6', 'Id":"x"'));
    assert.equal(endOfSubscription(text, 7, '"x"'), text);
  });

  it('takes everything else for noise, and never throws', () => {
    for (const line of [
      '',
      'listening on port 3000',
      '[]',
      '7',
      '{}',
      '{"jsonrpc":"2.0","id":null,"error":{}}',
      '{"id":1',
    ]) {
      assert.equal(readFromChild(line).kind, 'noise', line);
    }
    fc.assert(fc.property(fc.string(), (line) => void readFromChild(line)));
    fc.assert(fc.property(fc.json(), (line) => void readFromChild(line)));
  });
});
