/** One call's answer as it arrives: JSON, or a stream as soon as something comes before it. */

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import type { Era, Reply } from '@cruvero/core';
import { probe, serveHttp, type ProbeResponse } from '@cruvero/testkit';
import { CallAnswer } from './call-answer.ts';
import { resultMessage } from './respond.ts';

const streams = {
  keepAlive: () => undefined,
  waitFor: () => undefined,
  waitedFor: () => undefined,
  answered: () => undefined,
};

/** What arrives of what `write` writes. */
async function written(write: (response: ServerResponse) => void): Promise<ProbeResponse> {
  await using host = await serveHttp((_request, response) => write(response));
  return await probe(host.origin);
}

/** One call's answer, as it arrives. */
function answered(
  write: (answer: CallAnswer) => void,
  era: Era = 'modern',
  sse = true,
  bufferedMax = 1 << 20,
): Promise<ProbeResponse> {
  return written((response) =>
    write(new CallAnswer(response, '"é"', { era, acceptsSse: sse, streams, bufferedMax })),
  );
}
const result: Reply = { kind: 'result', text: '{"n":1.0}' };
const error = (code: number): Reply => ({ kind: 'error', code, text: `{"code":${code},"message":"No."}` });

describe('the answer to a call', () => {
  it('is plain JSON where nothing came before it, to the letter', async () => {
    const response = await answered((to) => to.finish(result));
    assert.equal(response.header('content-type'), 'application/json');
    assert.equal(response.body, '{"jsonrpc":"2.0","id":"é","result":{"n":1.0}}');
    assert.equal(response.body, resultMessage('"é"', result.text));
  });

  it('becomes a stream with the first notification, and ends it', async () => {
    const response = await answered((to) => {
      to.notify('{"method":"a"}');
      to.notify('{"method":"b"}');
      to.finish(result);
      to.notify('{"method":"late"}');
      to.finish(result);
    });
    assert.equal(response.status, 200);
    assert.equal(response.header('content-type'), 'text/event-stream');
    assert.equal(response.header('x-accel-buffering'), 'no');
    assert.deepEqual(
      response.body.split('\n').filter((line) => line.startsWith('data: ')),
      ['data: {"method":"a"}', 'data: {"method":"b"}', `data: ${resultMessage('"é"', result.text)}`],
    );
  });

  it('is a stream from the start where it is begun before there is anything to tell', async () => {
    const response = await answered((to) => {
      to.begin();
      to.finish(result);
    });
    assert.equal(response.header('content-type'), 'text/event-stream');
    assert.ok(response.body.endsWith(`data: ${resultMessage('"é"', result.text)}\n\n`));
  });

  it('in a stream may be a fault or an error too', async () => {
    for (const outcome of [{ fault: 'cancelled' } as const, error(-32602)]) {
      const response = await answered((to) => {
        to.notify('{}');
        to.finish(outcome);
      });
      assert.equal(response.status, 200);
      assert.match(response.body, /data: \{"jsonrpc":"2.0","id":"é","error":\{"code":-/);
    }
  });

  it('stays JSON for a caller that takes no stream', async () => {
    const response = await answered(
      (to) => {
        to.notify('{}');
        to.finish(result);
      },
      'legacy',
      false,
    );
    assert.equal(response.body, resultMessage('"é"', result.text));
  });

  it('comes though its caller did not read what came before', async () => {
    const response = await answered(
      (to) => {
        for (let n = 0; n < 1_000; n += 1) to.notify(`{"n":${n}}`);
        to.finish(result);
      },
      'modern',
      true,
      200,
    );
    assert.match(response.body, /"result":\{"n":1\.0\}/);
    assert.ok((response.body.match(/data: /g) ?? []).length < 50, 'the rest was dropped');
  });

  it('that is an error of the server has the status that its era gives it', async () => {
    const status = async (code: number, era: Era) =>
      (await answered((to) => to.finish(error(code)), era)).status;
    for (const [code, modern] of [
      [-32601, 404],
      [-32020, 400],
      [-32021, 400],
      [-32022, 400],
      [-32602, 200],
      [-32603, 200],
    ] as const) {
      assert.equal(await status(code, 'modern'), modern);
      assert.equal(await status(code, 'legacy'), 200);
    }
  });

  it('to a caller that left is dropped', async () => {
    await assert.rejects(
      written((response) => {
        const to = new CallAnswer(response, '1', { era: 'modern', acceptsSse: true, streams });
        response.destroy();
        to.notify('{}');
        to.finish(result);
      }),
    );
  });
});
