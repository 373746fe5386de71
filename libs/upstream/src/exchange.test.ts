/** One request and what answers it: a body, a stream of events, nothing, or garbage. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, paramsFrom, type Fault } from '@cruvero/core';
import type { UpstreamFault } from '@cruvero/ports';
import { settle } from '@cruvero/testkit';
import {
  answer,
  error,
  event,
  FakeStream,
  faulted,
  json,
  legacyScript,
  modernScript,
  scene,
  text,
  until,
  type Script,
} from './fake-peer.fixture.ts';

const note = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };

/** A link to a server that answers calls with this stream. */
function streaming(era: 'legacy' | 'modern' = 'modern', bounds = {}) {
  const stream = new FakeStream();
  const serve: Script = (seen) => (seen.method === 'tools/call' ? stream.respond(seen) : answer(seen, {}));
  const stage = scene(era === 'legacy' ? legacyScript(serve) : modernScript(serve), bounds);
  const called = (): Promise<void> => until(() => stage.peer.count('tools/call') > 0);
  const idOfCall = () =>
    stage.peer.seen.findLast(({ method }) => method === 'tools/call')?.message['id'] ?? null;
  const done = (): void => stream.send({ jsonrpc: '2.0', id: idOfCall(), result: { done: true } });
  return { ...stage, stream, called, idOfCall, done };
}

const detailOf = (fault: Fault): string => ('detail' in fault ? fault.detail : '');

describe('a request', () => {
  it('carries what the caller wrote, to the letter, with the changes that the route wants', async () => {
    const { peer, ask } = scene(modernScript());
    const params = paramsFrom('{ "name":"mcp.a.b" , "arguments":{"n":1.0,"x":"\\u00e4"}, "vendor":[1,2] }');
    await ask({ params, changes: { name: '"b"' }, meta: undefined });
    const { body, headers } = peer.seen[1]?.request ?? assert.fail();
    assert.ok(body?.includes('"arguments":{"n":1.0,"x":"\\u00e4"}, "vendor":[1,2]'));
    assert.equal(headers['mcp-name'], 'b');
    assert.equal(headers['mcp-method'], 'tools/call');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['accept'], 'application/json, text/event-stream');
  });

  it('carries the trace in headers and in _meta', async () => {
    const { peer, ask } = scene(modernScript());
    await ask({ metaChanges: { traceparent: '00-a-b-01', tracestate: 'v=1' } });
    const { body, headers } = peer.seen[1]?.request ?? assert.fail();
    assert.equal(headers['traceparent'], '00-a-b-01');
    assert.equal(headers['tracestate'], 'v=1');
    assert.match(body ?? '', /"traceparent":"00-a-b-01","tracestate":"v=1"/);
  });

  it('has an id of its own each time', async () => {
    const { peer, ask } = scene(legacyScript());
    await Promise.all([ask(), ask(), ask()]);
    const ids = peer.seen.filter(({ method }) => method === 'tools/call').map(({ message }) => message['id']);
    assert.equal(new Set(ids).size, 3);
  });

  it('takes its own bound where it names one', async () => {
    const { peer, ask } = scene(modernScript());
    await ask({ timeoutMs: 77 });
    assert.equal(peer.seen[1]?.request.timeoutMs, 77);
    assert.equal(peer.seen[0]?.request.timeoutMs, 30_000);
  });
});

describe('an answer in one body', () => {
  it('is given as it came', async () => {
    const { ask } = scene(
      modernScript((seen) =>
        text(200, `{"result": {"a":1.0},"id":${String(seen.message['id'])},"jsonrpc":"2.0"}`),
      ),
    );
    assert.partialDeepStrictEqual(await ask(), {
      era: 'modern',
      reply: { kind: 'result', text: '{"a":1.0}' },
    });
  });

  for (const status of [200, 400, 404, 500]) {
    it(`is an error of the server where it says so, with HTTP ${status}`, async () => {
      const { ask } = scene(modernScript((seen) => error(seen, -32602, 'Unknown tool', status)));
      assert.partialDeepStrictEqual(await ask(), { reply: { kind: 'error', code: -32602 } });
    });
  }

  it('may be an error without an id: the server could not read ours', async () => {
    const { ask } = scene(
      modernScript(() => json(400, { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'x' } })),
    );
    assert.partialDeepStrictEqual(await ask(), { reply: { kind: 'error', code: -32700 } });
  });

  const broken: readonly [string, Script, RegExp][] = [
    [
      'the id of another request',
      () => json(200, { jsonrpc: '2.0', id: 'x', result: {} }),
      /id of another request/,
    ],
    [
      'a result without an id',
      () => json(200, { jsonrpc: '2.0', id: null, result: {} }),
      /id of another request/,
    ],
    ['a notification', () => json(200, note), /no answer/],
    ['no JSON', () => text(200, '<h1>Hi</h1>'), /character 0/],
    ['nothing', () => text(200, ''), /HTTP 200 without a body/],
    ['HTTP 202 without a body', () => text(202, ''), /HTTP 202 without a body/],
    ['HTTP 500 with a page', () => text(500, '<h1>Oops</h1>'), /HTTP 500 without a JSON-RPC message/],
  ];
  for (const [name, serve, detail] of broken) {
    it(`is broken where it is ${name}`, async () => {
      const { ask } = scene(modernScript(serve));
      const fault = faulted(await ask());
      assert.partialDeepStrictEqual(fault, { fault: 'upstream_broken', server: 'fake' });
      assert.match(detailOf(fault), detail);
    });
  }

  for (const status of [401, 403]) {
    it(`with HTTP ${status} and no message says that the server refuses this gateway`, async () => {
      const { ask } = scene(modernScript(() => text(status, '<h1>No</h1>')));
      const detail = `it refuses this gateway's credentials (HTTP ${status})`;
      assert.partialDeepStrictEqual(await ask(), { fault: 'upstream_unavailable', detail, neverLeft: false });
    });
  }

  for (const status of [429, 503]) {
    it(`with HTTP ${status} says that the server has no time, after the request reached it`, async () => {
      const { ask } = scene(modernScript(() => text(status, '')));
      assert.partialDeepStrictEqual(await ask(), { fault: 'upstream_unavailable', neverLeft: false });
    });
  }
});

describe('what goes wrong on the way', () => {
  const faults: readonly [UpstreamFault['fault'], boolean, object][] = [
    ['unreachable', true, { fault: 'upstream_unavailable', neverLeft: true }],
    ['refused_address', true, { fault: 'upstream_unavailable', neverLeft: true }],
    ['timeout', false, { fault: 'upstream_timeout', timeoutMs: 30_000 }],
    ['timeout', true, { fault: 'upstream_unavailable', neverLeft: true }],
    ['broken', false, { fault: 'upstream_broken' }],
    ['too_large', false, { fault: 'upstream_too_large', bytesMax: 1_024 }],
    ['aborted', false, { fault: 'cancelled' }],
  ];
  for (const [fault, neverLeft, expected] of faults) {
    it(`has a name here: ${fault}${neverLeft ? ', before it left' : ''}`, async () => {
      const { ask } = scene(
        modernScript(() => ({ fault, detail: 'the answer is larger than 1024 bytes', neverLeft })),
      );
      assert.partialDeepStrictEqual(await ask(), expected);
    });
  }

  it('names no bound where the transport names none', async () => {
    const detail = 'the head of the answer is too large';
    const { ask } = scene(modernScript(() => ({ fault: 'too_large', detail, neverLeft: false })));
    assert.partialDeepStrictEqual(await ask(), { fault: 'upstream_broken', detail });
  });
});

describe('an answer in a stream', () => {
  it('comes behind notifications, which are handed on in order', async () => {
    const { stream, ask, called, done } = streaming();
    const notes: string[] = [];
    const asked = ask({ onNotification: (one) => notes.push(one) });
    await called();
    stream.push(': hello\n\n');
    for (const progress of [1, 2, 3]) stream.send({ ...note, params: { progress } });
    done();
    assert.partialDeepStrictEqual(await asked, { reply: { kind: 'result', text: '{"done":true}' } });
    assert.deepEqual(
      notes.map((one) => (JSON.parse(one) as typeof note).params.progress),
      [1, 2, 3],
    );
  });

  it('is found however the stream is cut', async () => {
    const { stream, ask, called, idOfCall } = streaming();
    const asked = ask();
    await called();
    for (const character of event(note) + event({ jsonrpc: '2.0', id: idOfCall(), result: { ok: 'ä' } })) {
      stream.push(character);
    }
    assert.partialDeepStrictEqual(await asked, { reply: { text: '{"ok":"ä"}' } });
  });

  it('is not the answer to somebody else', async () => {
    const { stream, ask, called, done } = streaming();
    const asked = ask();
    await called();
    stream.send({ jsonrpc: '2.0', id: 'another', result: { wrong: true } });
    stream.push('event: message\nid: 1\ndata:\n\n');
    done();
    assert.partialDeepStrictEqual(await asked, { reply: { text: '{"done":true}' } });
  });

  const bad: readonly [string, (stream: FakeStream) => void, RegExp][] = [
    ['ends before it', (stream) => stream.end(), /ended without the answer/],
    ['breaks before it', (stream) => stream.fail('the socket was reset'), /socket was reset/],
    ['holds something that is no message', (stream) => stream.push('data: {"a":\n\n'), /character/],
    [
      'holds an event beyond the bound',
      (stream) => stream.push(`data: ${'x'.repeat(2_000)}`),
      /longer than 1000 characters/,
    ],
  ];
  for (const [name, act, detail] of bad) {
    it(`is broken where the stream ${name}`, async () => {
      const { stream, ask, called } = streaming('modern', { answerBytesMax: 1_000 });
      const asked = ask();
      await called();
      act(stream);
      const fault = faulted(await asked);
      assert.equal(fault.fault, 'upstream_broken');
      assert.match(detailOf(fault), detail);
    });
  }

  it('is waited for as long as the stream is not silent', async () => {
    const { stream, clock, ask, called, done } = streaming('modern', { timeoutMs: 1_000 });
    const asked = ask();
    await called();
    for (let beat = 0; beat < 10; beat += 1) {
      await clock.advance(900);
      stream.push(': beat\n\n');
    }
    await settle();
    done();
    assert.partialDeepStrictEqual(await asked, { reply: { kind: 'result' } });
  });

  it('is given up when the stream is silent beyond the bound, and the stream is closed', async () => {
    const { stream, clock, ask, called } = streaming('modern', { timeoutMs: 1_000 });
    const abort = new AbortController();
    const asked = ask({ abort });
    await called();
    await clock.advance(1_000);
    assert.deepEqual(await asked, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_000 });
    assert.ok(stream.aborted);
    assert.equal(abort.signal.aborted, false, 'the call may go on at another instance');
  });

  it('takes the caller bound for the whole of it where there is one', async () => {
    const { stream, clock, ask, called } = streaming('legacy', { timeoutMs: 1_000 });
    const asked = ask({ wholeMs: 1_500 });
    await called();
    for (let beat = 0; beat < 3; beat += 1) {
      await clock.advance(500);
      stream.push(': beat\n\n');
    }
    assert.deepEqual(await asked, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_500 });
  });

  it('frees the connection though the server leaves its stream open, and nothing else is aborted by that', async () => {
    const { stream, clock, ask, called, done } = streaming();
    const abort = new AbortController();
    const asked = ask({ abort });
    await called();
    done();
    assert.ok(!isFault(await asked));
    await clock.advance(999);
    assert.equal(stream.aborted, false);
    await clock.advance(1);
    assert.ok(stream.aborted);
    assert.equal(abort.signal.aborted, false);
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  it('leaves nothing behind where the server ends its stream', async () => {
    const { stream, clock, ask, called, done } = streaming();
    const asked = ask();
    await called();
    done();
    stream.end();
    assert.ok(!isFault(await asked));
    await settle();
    assert.equal(clock.pending, 0);
    assert.equal(stream.aborted, false);
  });
});

describe('a caller that gives up', () => {
  it('closes the stream of a modern server, which needs no other word', async () => {
    const { stream, peer, ask, called } = streaming('modern');
    const abort = new AbortController();
    const asked = ask({ abort });
    await called();
    abort.abort();
    assert.deepEqual(await asked, { fault: 'cancelled' });
    assert.ok(stream.aborted);
    await settle();
    assert.equal(peer.count('notifications/cancelled'), 0);
  });

  it('is told to a legacy server, with the id of the request', async () => {
    const { peer, ask, called, idOfCall } = streaming('legacy');
    const abort = new AbortController();
    const asked = ask({ abort });
    await called();
    abort.abort();
    assert.deepEqual(await asked, { fault: 'cancelled' });
    await until(() => peer.count('notifications/cancelled') === 1);
    const cancelled =
      peer.seen.findLast(({ method }) => method === 'notifications/cancelled') ?? assert.fail();
    assert.partialDeepStrictEqual(cancelled.message['params'], { requestId: idOfCall() });
    assert.equal(cancelled.session, 's2');
  });

  it('before the request left is not told to anybody', async () => {
    const { peer, link, ask } = streaming('modern');
    await link.face();
    const abort = new AbortController();
    abort.abort();
    assert.deepEqual(await ask({ abort }), { fault: 'cancelled' });
    assert.equal(peer.count('tools/call'), 0);
  });

  it('because a legacy server was silent is told to it too', async () => {
    const { peer, clock, ask, called } = streaming('legacy', { timeoutMs: 1_000 });
    const asked = ask();
    await called();
    await clock.advance(1_000);
    assert.equal(faulted(await asked).fault, 'upstream_timeout');
    await until(() => peer.count('notifications/cancelled') === 1);
  });
});

describe('a legacy server that asks in the middle of a call', () => {
  for (const [method, expected] of [
    ['ping', { id: 'q1', result: {} }],
    ['sampling/createMessage', { id: 'q1', error: { code: -32601 } }],
    ['elicitation/create', { id: 'q1', error: { code: -32601 } }],
    ['roots/list', { id: 'q1', error: { code: -32601 } }],
    ['x"},{"y', { id: 'q1', error: { code: -32601 } }],
  ] as const) {
    it(`is answered at once: ${method}`, async () => {
      const { stream, peer, ask, called, done } = streaming('legacy');
      const asked = ask();
      await called();
      stream.send({ jsonrpc: '2.0', id: 'q1', method, params: {} });
      await until(() => peer.count('answer') === 1);
      const told = peer.seen.find((seen) => seen.method === 'answer') ?? assert.fail();
      assert.partialDeepStrictEqual(told.message, { jsonrpc: '2.0', ...expected });
      assert.equal(told.session, 's2');
      done();
      assert.ok(!isFault(await asked));
    });
  }
});

describe('a notification', () => {
  it('needs no answer, and a stream in its place is closed and not read', async () => {
    const stream = new FakeStream();
    const legacy = legacyScript();
    const { link } = scene((seen) =>
      seen.method === 'notifications/initialized' ? stream.respond(seen) : legacy(seen),
    );
    assert.ok(!isFault(await link.face()));
    assert.ok(stream.aborted);
  });

  it('that cannot be delivered leaves no session behind', async () => {
    const legacy = legacyScript();
    const { link } = scene((seen) =>
      seen.method === 'notifications/initialized'
        ? { fault: 'unreachable', detail: 'refused', neverLeft: true }
        : legacy(seen),
    );
    assert.equal(faulted(await link.face()).fault, 'upstream_unavailable');
    assert.equal(link.sessionCount, 0);
  });
});
