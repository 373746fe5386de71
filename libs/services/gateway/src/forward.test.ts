/** One attempt: the request in the server's era, the answer in the caller's, and only the caller's own notifications. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import type { Upstream } from '@cruvero/ports';
import { defaultBounds } from '@cruvero/upstream';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { doorOf, instance, legacySpoken, modernSpoken, routed, type CallFacts } from './calls.fixture.ts';
import { RequestStates } from './callers/request-states.ts';
import { Deadline } from './deadline.ts';
import { forwarder } from './forward.ts';
import { LegacyTasks } from './legacy-tasks.ts';
import { Links } from './links.ts';
import { sealWith } from './seal.ts';
import { TaskIds } from './task-ids.ts';

interface Asked {
  readonly message: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
}

const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});

/** A modern server that answers a call with these messages; a function is given what was asked. */
function stage(answers: (asked: Asked) => readonly (JsonObject | Promise<JsonObject>)[] | 'silence') {
  const asked: Asked[] = [];
  const http: Upstream = {
    exchange: async (request) => {
      const message = JSON.parse(request.body ?? '{}') as JsonObject;
      const { id, method } = message;
      if (method === 'server/discover') {
        const result = { supportedVersions: ['2026-07-28'], capabilities: {} };
        return {
          status: 200,
          headers: {},
          body: { kind: 'text', text: JSON.stringify({ jsonrpc: '2.0', id, result }) },
        };
      }
      asked.push({ message, headers: request.headers });
      const told = answers({ message, headers: request.headers });
      if (told === 'silence') {
        return new Promise((resolve) =>
          request.signal.addEventListener('abort', () =>
            resolve({ fault: 'aborted', detail: 'gone', neverLeft: false }),
          ),
        );
      }
      const chunks = (async function* () {
        for (const next of told) {
          const one = await next;
          yield `data: ${JSON.stringify({ jsonrpc: '2.0', ...one, ...('method' in one ? {} : { id }) })}\n\n`;
        }
      })();
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: { kind: 'stream', chunks },
      };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  const links = new Links(defaultBounds, {
    upstreams: { http },
    clock,
    random: () => 0.5,
    clientInfo: { name: 'gw' },
  });
  const seal = sealWith([new Uint8Array(32)]);
  const forward = forwarder({
    links,
    telemetry,
    catalog: { toolOf: () => undefined, refresh: async () => undefined },
    states: new RequestStates(seal, clock),
    taskIds: new TaskIds(seal),
    legacyTasks: new LegacyTasks(new TaskIds(seal, 'legacy-task'), undefined),
    pause: async () => undefined,
  });
  const notes: JsonObject[] = [];
  const run = (facts: CallFacts & { changes?: Record<string, string> } = {}) =>
    forward(
      routed({ notify: (text) => void notes.push(JSON.parse(text) as JsonObject), ...facts }),
      instance(),
    );
  return { run, asked, notes, clock, telemetry, links };
}

const done = { result: { content: [], resultType: 'complete' } };
const progress = (token: Json): JsonObject => ({
  method: 'notifications/progress',
  params: { progressToken: token, progress: 1, 'x-kept': [1] },
});
const tokenOf = ({ message }: Asked): Json =>
  object(object(message['params'])['_meta'])['progressToken'] ?? null;

describe('progress', () => {
  const withToken = { spoken: modernSpoken({}, { progressToken: 'mine' }) };

  it('comes back under the token of the caller, with all else as it was', async () => {
    const { run, notes, asked } = stage((one) => [progress(tokenOf(one)), done]);
    await run(withToken);
    assert.equal(typeof tokenOf(asked[0] ?? assert.fail()), 'number', 'the server got another one');
    assert.partialDeepStrictEqual(notes, [{ params: { progressToken: 'mine', progress: 1, 'x-kept': [1] } }]);
  });

  it('is asked of the server only where the caller asked', async () => {
    const { run, asked } = stage(() => [done]);
    await run({ spoken: modernSpoken() });
    assert.equal(tokenOf(asked[0] ?? assert.fail()), null);
  });

  it('of another call, or without a token, or asked by nobody, goes nowhere', async () => {
    const { run, notes } = stage((one) => [
      progress(Number(tokenOf(one)) + 1),
      progress('mine'),
      { method: 'notifications/progress' },
      progress({ a: 1 }),
      done,
    ]);
    await run(withToken);
    await run({ spoken: modernSpoken() });
    assert.deepEqual(notes, []);
  });

  it('of a call that is not the newest still finds its caller', async () => {
    const gates: PromiseWithResolvers<JsonObject>[] = [];
    const { run, notes, asked } = stage(() => {
      const gate = Promise.withResolvers<JsonObject>();
      gates.push(gate);
      return [gate.promise, done];
    });
    const running = ['first', 'second'].map((progressToken) =>
      run({ spoken: modernSpoken({}, { progressToken }) }),
    );
    await settle();
    for (const at of [1, 0]) gates[at]?.resolve(progress(tokenOf(asked[at] ?? assert.fail())));
    await Promise.all(running);
    assert.deepEqual(
      notes.map(({ params }) => object(params)['progressToken']),
      ['second', 'first'],
    );
  });
});

describe('log messages', () => {
  const log = { method: 'notifications/message', params: { level: 'info', data: 'hello' } };
  const cases: readonly [string, CallFacts, number][] = [
    ['a legacy caller', { spoken: legacySpoken }, 1],
    [
      'a modern caller that asked for them',
      { spoken: modernSpoken({}, { 'io.modelcontextprotocol/logLevel': 'info' }) },
      1,
    ],
    ['a modern caller that did not ask', { spoken: modernSpoken() }, 0],
  ];
  for (const [who, facts, count] of cases) {
    it(`reach ${who} ${count} times`, async () => {
      const { run, notes } = stage(() => [log, done]);
      await run(facts);
      assert.equal(notes.length, count);
    });
  }

  it('and what nobody here knows is handed on as it is; changes of lists are not of this call', async () => {
    const { run, notes } = stage(() => [
      { method: 'notifications/tools/list_changed', params: {} },
      { method: 'notifications/x' },
      { method: 'notifications/y', params: {} },
      done,
    ]);
    await run({ spoken: legacySpoken });
    assert.deepEqual(
      notes.map(({ method }) => method),
      ['notifications/x', 'notifications/y'],
    );
  });
});

describe('the answer', () => {
  it('is in the era of the caller', async () => {
    const { run } = stage(() => [{ result: { resultType: 'complete', ttlMs: 5, content: [], 'x-kept': 1 } }]);
    assert.deepEqual(await run({ spoken: legacySpoken }), {
      kind: 'result',
      text: '{"content":[],"x-kept":1}',
    });
    const modern = await run({ spoken: modernSpoken() });
    assert.partialDeepStrictEqual(modern, {
      text: '{"resultType":"complete","ttlMs":5,"content":[],"x-kept":1}',
    });
  });

  it('has URIs that lead back at the aggregate, and the server own at its door', async () => {
    const { run } = stage(() => [{ result: { content: [{ type: 'resource_link', uri: 'x:1' }] } }]);
    const here = await run({ spoken: modernSpoken() });
    assert.match('text' in here ? here.text : '', /"mcp:\/\/files\/x:1"/);
    const there = await run({ spoken: modernSpoken(), door: doorOf('files') });
    assert.match('text' in there ? there.text : '', /"uri":"x:1"/);
  });

  it('that a legacy caller cannot be given is an error, not a failure of the server', async () => {
    const { run, telemetry } = stage(() => [{ result: { resultType: 'task', taskId: 't' } }]);
    const answer = await run({ spoken: legacySpoken });
    assert.ok(!isFault(answer));
    assert.partialDeepStrictEqual(answer, { kind: 'error', code: -31052 });
    assert.match(answer.text, /cannot be given to you: its result type \\"task\\" does not exist/);
    assert.equal(telemetry.spans[0]?.failure, undefined);
  });

  it('that is an error of a modern server has a code that the legacy era knows', async () => {
    const { run } = stage(() => [{ error: { code: -32021, message: 'no' } }]);
    assert.partialDeepStrictEqual(await run({ spoken: legacySpoken }), { kind: 'error', code: -32603 });
    assert.partialDeepStrictEqual(await run({ spoken: modernSpoken() }), { kind: 'error', code: -32021 });
  });
});

describe('an attempt', () => {
  it('carries its own span to the server, below the caller trace', async () => {
    const { run, asked, telemetry } = stage(() => [done]);
    await run();
    const [span] = telemetry.spans;
    assert.partialDeepStrictEqual(span, { name: 'mcp forward' });
    const { headers, message } = asked[0] ?? assert.fail();
    assert.match(headers['traceparent'] ?? '', new RegExp(span?.traceId ?? 'none'));
    assert.equal(object(object(message['params'])['_meta'])['traceparent'], headers['traceparent']);
  });

  it('that its caller gave up is cancelled; one that its deadline ended is late', async () => {
    const { run, clock, telemetry } = stage(() => 'silence');
    const [left, late] = [new AbortController(), new AbortController()];
    void new Deadline(250, late, clock);
    const outcomes = [run({ abort: left }), run({ abort: late })];
    await clock.advance(100);
    left.abort();
    await clock.advance(150);
    assert.deepEqual(await Promise.all(outcomes), [
      { fault: 'cancelled' },
      { fault: 'upstream_timeout', server: 'files', timeoutMs: 250 },
    ]);
    assert.deepEqual(
      telemetry.spans.map(({ failure }) => failure),
      ['cancelled', 'cancelled'],
    );
  });
});
