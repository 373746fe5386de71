/** Calls that wait for their callers: what became of them meanwhile is kept for the retry, and not longer than the question. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, paramsFrom, type Fault, type GatewayId, type Question, type Reply } from '@cruvero/core';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { alice, doorOf, faulted } from '../calls.fixture.ts';
import { Deadline } from '../deadline.ts';
import { sealWith } from '../seal.ts';
import type { Caller } from './caller.ts';
import { Dialogues } from './dialogues.ts';
import { RequestStates } from './request-states.ts';

const gatewayId = 'gw' as GatewayId;
const questionMs = 60_000;
const question: Question = { method: 'elicitation/create', paramsText: '{"message":"Sure?"}' };
const request = {
  principal: alice,
  door: doorOf('files'),
  method: 'tools/call',
  params: paramsFrom('{"name":"ask"}'),
};
const done: Reply = { kind: 'result', text: '{"content":[]}' };
const quiet = (): void => undefined;

function scene() {
  const clock = new SimClock();
  const states = new RequestStates(sealWith([new Uint8Array(32)]), clock);
  const dialogues = new Dialogues(
    { questionMs, parkedMax: 10, parkedPerPrincipalMax: 10 },
    {
      clock,
      gatewayId,
      states,
      elsewhere: () => assert.fail('there is no other replica'),
      log: new MemoryTelemetry().log,
    },
  );
  const abort = new AbortController();
  /** Begins a call and waits until its caller was asked. */
  const asked = async (run: (caller: Caller) => Promise<Reply | Fault>): Promise<string> => {
    const deadline = new Deadline(10_000, abort, clock);
    const begun = dialogues.begin(
      { request, capabilities: { elicitation: {} }, abort, deadline, run },
      quiet,
    );
    await settle();
    await clock.advance(30);
    return stateOf(await begun);
  };
  const stateOf = (outcome: Reply | Fault): string => {
    if (isFault(outcome)) assert.fail(JSON.stringify(outcome));
    const { requestState } = JSON.parse(outcome.text) as { requestState: string };
    return requestState;
  };
  const retry = (
    state: string,
    answers: readonly [string, string][] = [['input_1', '{"action":"accept"}']],
  ) => {
    const opened = states.open(request, state);
    if (isFault(opened) || opened.at !== 'parked') assert.fail('the state is that of a parked call');
    return dialogues.resume(request, opened, new Map(answers), quiet, new AbortController().signal);
  };
  return { clock, dialogues, abort, asked, retry, stateOf };
}

describe('a call whose caller is away', () => {
  it('keeps the outcome that its server gave without waiting for an answer', async () => {
    const { asked, retry, dialogues } = scene();
    const ended = Promise.withResolvers<Reply>();
    const takeBack = new AbortController();
    const state = await asked((caller) => {
      void caller.ask(question, takeBack.signal);
      return ended.promise;
    });
    takeBack.abort();
    ended.resolve(done);
    await settle();
    assert.deepEqual(await retry(state), done);
    assert.equal(dialogues.size, 0);
  });

  it('goes on where its server took the question back and asks another', async () => {
    const { asked, retry, clock, stateOf } = scene();
    const takeBack = new AbortController();
    const state = await asked(async (caller) => {
      await caller.ask(question, takeBack.signal);
      const answer = await caller.ask(question, new AbortController().signal);
      return answer;
    });
    takeBack.abort();
    await settle();
    const again = retry(state);
    await settle();
    await clock.advance(30);
    const next = stateOf(await again);
    assert.deepEqual(await retry(next, [['input_2', '{"action":"decline"}']]), {
      kind: 'result',
      text: '{"action":"decline"}',
    });
  });

  it('waits for the outcome where the question was taken back and nothing else came yet', async () => {
    const { asked, retry } = scene();
    const ended = Promise.withResolvers<Reply>();
    const takeBack = new AbortController();
    const state = await asked(async (caller) => {
      await caller.ask(question, takeBack.signal);
      return ended.promise;
    });
    takeBack.abort();
    await settle();
    const again = retry(state);
    await settle();
    ended.resolve(done);
    assert.deepEqual(await again, done);
  });

  it('is forgotten with its outcome when the time for the answer is over, or was collected once', async () => {
    const { asked, retry, clock, dialogues } = scene();
    const take = async (): Promise<string> => {
      const takeBack = new AbortController();
      const state = await asked(async (caller) => {
        await caller.ask(question, takeBack.signal);
        return done;
      });
      takeBack.abort();
      await settle();
      return state;
    };
    const once = await take();
    assert.deepEqual(await retry(once), done);
    assert.match(JSON.stringify(faulted(await retry(once))), /requestState is refused/);
    const late = await take();
    await clock.advance(questionMs - 1);
    assert.equal(dialogues.size, 1);
    await clock.advance(1);
    assert.equal(dialogues.size, 0);
    assert.match(JSON.stringify(faulted(await retry(late))), /requestState is refused/);
  });

  it('that failed inside has an outcome all the same', async () => {
    const { asked, retry } = scene();
    const state = await asked(async (caller) => {
      await caller.ask(question, new AbortController().signal);
      throw new Error('a bug');
    });
    assert.equal(faulted(await retry(state)).fault, 'internal');
  });

  it('is resumed by one retry at a time', async () => {
    const { asked, retry } = scene();
    const ended = Promise.withResolvers<Reply>();
    const state = await asked(async (caller) => {
      await caller.ask(question, new AbortController().signal);
      return ended.promise;
    });
    const first = retry(state);
    await settle();
    assert.match(JSON.stringify(faulted(await retry(state))), /requestState is refused/);
    ended.resolve(done);
    assert.deepEqual(await first, done);
  });
});
