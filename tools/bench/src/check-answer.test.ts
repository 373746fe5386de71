/** Tests of the judge of answers: what it lets pass, and each way in which an answer can be wrong. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemOf, problemOfStream, type Expected } from './check-answer.ts';
import { contentOf } from './payloads.ts';

const expectedOf = (tool: string, id: number): Expected => {
  const { own, rest } = contentOf(tool, id);
  return { id, payload: [Buffer.from(own), rest] };
};
const answerOf = (tool: string, id: number, number = id): string => {
  const { own, rest } = contentOf(tool, number);
  return `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${own}${rest.toString()}}}`;
};

describe('problemOf', () => {
  it('accepts the right answer, wherever the id stands and whatever else the result has', () => {
    for (const tool of ['echo', 'large']) {
      assert.equal(problemOf(Buffer.from(answerOf(tool, 7)), expectedOf(tool, 7)), undefined);
      const { own, rest } = contentOf(tool, 7);
      const other = `{"result":{${own}${rest.toString()},"x":{"id":1}},"jsonrpc":"2.0","id":7}`;
      assert.equal(problemOf(Buffer.from(other), expectedOf(tool, 7)), undefined);
    }
  });

  it('finds the id and the answer of somebody else', () => {
    assert.match(
      problemOf(Buffer.from(answerOf('echo', 8, 7)), expectedOf('echo', 7)) ?? '',
      /^id 8 instead of 7/,
    );
    assert.match(
      problemOf(Buffer.from(answerOf('echo', 7, 8)), expectedOf('echo', 7)) ?? '',
      /^the payload is missing/,
    );
  });

  it('finds one changed byte of a large result, a cut one and one with more behind it', () => {
    const whole = Buffer.from(answerOf('large', 7));
    const changed = Buffer.from(whole);
    changed[200_000] = (changed[200_000] ?? 0) ^ 1;
    assert.equal(problemOf(changed, expectedOf('large', 7)), 'the payload differs');
    assert.equal(problemOf(whole.subarray(0, 200_000), expectedOf('large', 7)), 'the payload differs');
    assert.match(problemOf(whole.subarray(0, -1), expectedOf('large', 7)) ?? '', /^no JSON/);
    const longer = Buffer.concat([whole, Buffer.alloc(5_000, ' ')]);
    assert.match(problemOf(longer, expectedOf('large', 7)) ?? '', /bytes around the payload$/);
  });

  it('finds errors', () => {
    const { own, rest } = contentOf('echo', 7);
    const toolError = `{"jsonrpc":"2.0","id":7,"result":{${own}${rest.toString()},"isError":true}}`;
    assert.equal(problemOf(Buffer.from(toolError), expectedOf('echo', 7)), 'a tool error');
    const fault = '{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"no"}}';
    assert.match(
      problemOf(Buffer.from(fault), expectedOf('echo', 7)) ?? '',
      /^the payload is missing: .*-32603/,
    );
  });
});

describe('problemOfStream', () => {
  const progress = (token: string, value: number): string =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"${token}","progress":${value}}}`;
  const streamOf = (events: readonly string[]): Buffer =>
    Buffer.from(`: open\n\n${events.map((data) => `id: 1\nevent: message\ndata: ${data}\n\n`).join('')}`);
  const judge = (events: readonly string[]): string | undefined =>
    problemOfStream(streamOf(events), expectedOf('stream', 7), { token: 't', count: 2 });

  it('accepts all progress events in order, then the answer', () => {
    assert.equal(judge([progress('t', 1), progress('t', 2), answerOf('stream', 7)]), undefined);
  });

  it('finds what is lost, out of order, of another call or missing at the end', () => {
    assert.equal(judge([progress('t', 1), answerOf('stream', 7)]), '1 progress notifications instead of 2');
    assert.match(judge([progress('t', 2), progress('t', 1), answerOf('stream', 7)]) ?? '', /^event 1 is/);
    assert.match(judge([progress('t', 1), progress('u', 2), answerOf('stream', 7)]) ?? '', /^event 2 is/);
    assert.match(judge([progress('t', 1), progress('t', 2)]) ?? '', /instead of 2$/);
    assert.equal(judge([]), 'an empty stream');
  });
});
