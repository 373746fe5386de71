/** A modern server's rounds for a legacy caller: they end, and a server that never ends them is answered for, not held against. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, paramsFrom, type Fault, type Reply } from '@cruvero/core';
import type { Answer } from '@cruvero/upstream';
import { answerRounds, type RoundParts } from './input-rounds.ts';

const params = paramsFrom('{"name":"ask"}');
const asking = JSON.stringify({
  resultType: 'input_required',
  inputRequests: { a: { method: 'roots/list', params: {} } },
  requestState: 's',
});
const answerOf = (text: string): Answer => ({ reply: { kind: 'result', text }, era: 'modern' });

function scene(over: Partial<RoundParts> = {}) {
  const sent: string[] = [];
  const parts: RoundParts = {
    request: (next) => {
      sent.push(next.text);
      return Promise.resolve(answerOf(asking));
    },
    ask: () => Promise.resolve({ kind: 'result', text: '{"roots":[]}' }),
    pause: () => Promise.resolve(),
    server: 'files',
    method: 'tools/call',
    ...over,
  };
  return { sent, run: (): Promise<Answer | Fault> => answerRounds(answerOf(asking), params, parts) };
}

describe('rounds', () => {
  it('bring the answers and the state of the server, until it has its result', async () => {
    const texts: string[] = [];
    const { run } = scene({
      request: (next) => {
        texts.push(next.text);
        return Promise.resolve(answerOf(texts.length < 2 ? asking : '{"content":[]}'));
      },
    });
    assert.deepEqual(await run(), answerOf('{"content":[]}'));
    assert.equal(texts.length, 2);
    assert.deepEqual(JSON.parse(texts[0] ?? ''), {
      name: 'ask',
      inputResponses: { a: { roots: [] } },
      requestState: 's',
    });
  });

  it('without an end are given up by an answer, no fault: nothing is tried again, no breaker counts it', async () => {
    const { sent, run } = scene();
    const answer = await run();
    if (isFault(answer)) assert.fail(JSON.stringify(answer));
    assert.equal(sent.length, 16);
    const error = answer.reply as Extract<Reply, { kind: 'error' }>;
    assert.deepEqual([error.kind, error.code], ['error', -31052]);
    assert.match(error.text, /still asks for input after 16 rounds/);
  });

  it('end with the fault of a server that is gone, and with what a client said instead of an answer', async () => {
    const gone: Fault = { fault: 'cancelled' };
    assert.equal(await scene({ request: () => Promise.resolve(gone) }).run(), gone);
    const refusal: Reply = { kind: 'error', code: -32601, text: '{"code":-32601,"message":"no roots here"}' };
    const answer = await scene({ ask: () => Promise.resolve(refusal), method: 'prompts/get' }).run();
    if (isFault(answer)) assert.fail(JSON.stringify(answer));
    assert.match(answer.reply.text, /answered with an error: no roots here/);
  });
});
