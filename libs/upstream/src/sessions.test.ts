/** Legacy sessions: one for each key, opened once, ended when nobody uses them and never under a running request. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type JsonObject } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import {
  answer,
  error,
  FakeStreams,
  faulted,
  json,
  legacyScript,
  modernScript,
  scene,
  termsOf,
  text,
  until,
} from './fake-peer.fixture.ts';

describe('sessions', () => {
  it('are one for each key, kept from call to call', async () => {
    const { link, peer, ask } = scene(legacyScript());
    for (const key of ['a/alice', 'a/bob', 'a/alice', 'b/alice']) await ask({ terms: termsOf(key) });
    assert.equal(link.sessionCount, 4, 'three callers, and the link itself');
    const used = peer.seen.filter(({ method }) => method === 'tools/call').map(({ session }) => session);
    assert.deepEqual(used, ['s2', 's3', 's2', 's4']);
  });

  it('are opened once for all callers of a key who come meanwhile', async () => {
    const { peer, ask } = scene(legacyScript());
    await Promise.all([ask(), ask(), ask(), ask()]);
    assert.equal(peer.count('initialize'), 2);
  });

  it('that could not be opened are opened at the next need', async () => {
    const legacy = legacyScript();
    let refuse = false;
    const { peer, link, ask } = scene((seen) =>
      refuse && seen.method === 'initialize' ? text(503, '') : legacy(seen),
    );
    await link.face();
    refuse = true;
    assert.partialDeepStrictEqual(await ask(), { fault: 'upstream_unavailable', neverLeft: true });
    refuse = false;
    assert.ok(!isFault(await ask()));
    assert.equal(peer.count('initialize'), 3);
  });

  it('for which a bridge has no room just now are a matter of waiting, and the server is not held to be broken', async () => {
    const legacy = legacyScript();
    const refusal = { code: -31030, message: 'All are in use; try again.', data: { retryAfterMs: 1_234 } };
    let data: JsonObject = refusal;
    let full = false;
    const { link, ask } = scene((seen) =>
      seen.method === 'initialize' && full
        ? json(503, { jsonrpc: '2.0', id: seen.message['id'] ?? null, error: data })
        : legacy(seen),
    );
    await link.face();
    full = true;
    assert.deepEqual(await ask(), {
      fault: 'overloaded',
      detail: 'Server "fake" has no room for your session now: All are in use; try again.',
      retryAfterMs: 1_234,
    });
    data = { code: -31030, message: 'no' };
    assert.partialDeepStrictEqual(await ask(), { fault: 'overloaded', retryAfterMs: 5_000 });
  });

  it('of one caller alone are waited for where there is no room for another beside them, and not for ever', async () => {
    const calls = new FakeStreams();
    const legacy = legacyScript(calls.script);
    let room = 2;
    const { peer, clock, link, ask } = scene(
      (seen) =>
        seen.method === 'initialize' && (room -= 1) < 0
          ? error(seen, -31030, 'All are in use.', 503)
          : legacy(seen),
      { timeoutMs: 10_000 },
    );
    await link.face();
    const terms = termsOf('alice', { exclusive: true });
    const running = [ask({ terms }), ask({ terms })];
    const finish = (at: number): void =>
      calls.at(at).send({ jsonrpc: '2.0', id: calls.seen(at).message['id'] ?? null, result: {} });
    await calls.nth(0);
    await settle();
    assert.equal(calls.count, 1, 'the other one waits');
    finish(0);
    await calls.nth(1);
    assert.ok(!isFault((await running[0]) ?? assert.fail()));
    const late = ask({ terms, timeoutMs: 60_000 });
    const aborter = new AbortController();
    const left = ask({ terms, abort: aborter });
    await settle();
    aborter.abort();
    assert.ok(isFault(await left));
    await clock.advance(9_999);
    finish(1);
    assert.ok(!isFault((await running[1]) ?? assert.fail()));
    await calls.nth(2);
    finish(2);
    assert.ok(!isFault(await late));
    assert.equal(
      new Set(peer.seen.filter(({ method }) => method === 'tools/call').map((one) => one.session)).size,
      1,
    );
    const held = ask({ terms, timeoutMs: 60_000 });
    await calls.nth(3);
    const refused = ask({ terms });
    await settle();
    await clock.advance(10_000);
    assert.equal(faulted(await refused).fault, 'overloaded');
    finish(3);
    assert.ok(!isFault(await held));
    assert.equal(faulted(await ask({ terms: termsOf('bob', { exclusive: true }) })).fault, 'overloaded');
  });

  it('of one caller alone are used before another is asked for again, wherever there is a gap among them', async () => {
    const calls = new FakeStreams();
    const legacy = legacyScript(calls.script);
    let full = false;
    let refused = 0;
    const { clock, link, ask } = scene(
      (seen) => {
        if (seen.method !== 'initialize' || !full) return legacy(seen);
        assert.ok((refused += 1) < 5, 'it asks again and again');
        return error(seen, -31030, 'All are in use.', 503);
      },
      { sessionIdleMs: 1_000 },
    );
    const terms = termsOf('alice', { exclusive: true });
    const running = [ask({ terms }), ask({ terms }), ask({ terms })];
    await calls.nth(2);
    const finish = (at: number): void =>
      calls.at(at).send({ jsonrpc: '2.0', id: calls.seen(at).message['id'] ?? null, result: {} });
    finish(1);
    await running[1];
    await clock.advance(600);
    finish(2);
    await running[2];
    await clock.advance(400);
    link.sweep();
    full = true;
    const last = ask({ terms });
    await calls.nth(3);
    assert.equal(calls.seen(3).session, calls.seen(2).session);
    assert.equal(refused, 1);
    finish(3);
    finish(0);
    assert.ok(!isFault(await last));
    await running[0];
  });

  it('say who asks, and what was negotiated, on every request', async () => {
    const { peer, ask } = scene(legacyScript());
    await ask();
    const initialize = peer.seen.find(({ method }) => method === 'initialize') ?? assert.fail();
    assert.deepEqual(initialize.message['params'], {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    });
    for (const method of ['notifications/initialized', 'tools/call']) {
      const { headers } = (peer.seen.findLast((seen) => seen.method === method) ?? assert.fail()).request;
      assert.equal(headers['mcp-protocol-version'], '2025-11-25');
      assert.equal(headers['mcp-session-id'], 's2');
    }
  });

  it('do without an id where the server keeps none', async () => {
    const { peer, link, ask } = scene((seen) =>
      seen.method === 'initialize'
        ? answer(seen, { protocolVersion: '2025-06-18', capabilities: {} })
        : seen.method === 'server/discover'
          ? text(404, '')
          : answer(seen, {}),
    );
    assert.ok(!isFault(await ask()));
    assert.ok(peer.seen.every(({ session }) => session === undefined));
    await link.close();
    assert.equal(peer.count('DELETE'), 0);
  });

  it('beyond the bound push out the one unused longest, which the server is told', async () => {
    const { link, peer, clock, ask } = scene(legacyScript(), { sessionsMax: 3 });
    for (const key of ['a', 'b']) {
      await ask({ terms: termsOf(key) });
      await clock.advance(10);
    }
    await ask({ terms: termsOf('a') });
    await ask({ terms: termsOf('c') });
    await ask({ terms: termsOf('d') });
    assert.equal(link.sessionCount, 3);
    const ended = peer.seen.filter(({ method }) => method === 'DELETE').map(({ session }) => session);
    assert.deepEqual(ended, ['s1', 's3'], 'the link and b; a was used again');
  });

  it('are not pushed out while a request runs over them; who finds no room is told so', async () => {
    const { peer, link, ask } = scene(
      legacyScript(() => 'silence'),
      { sessionsMax: 2 },
    );
    const [one, two] = [new AbortController(), new AbortController()];
    const running = [ask({ terms: termsOf('a'), abort: one }), ask({ terms: termsOf('b'), abort: two })];
    await until(() => peer.count('tools/call') === 2);
    const fault = faulted(await ask({ terms: termsOf('c') }));
    assert.partialDeepStrictEqual(fault, { fault: 'upstream_unavailable', neverLeft: true });
    assert.equal(link.sessionCount, 2);
    one.abort();
    two.abort();
    await Promise.all(running);
  });

  it('that nobody uses are ended by the sweep, at their time and not before', async () => {
    const { link, peer, clock, ask } = scene(legacyScript(), { sessionIdleMs: 1_000 });
    await ask({ terms: termsOf('a') });
    await clock.advance(600);
    await ask({ terms: termsOf('b') });
    await clock.advance(400);
    link.sweep();
    await settle();
    assert.deepEqual(
      peer.seen.filter(({ method }) => method === 'DELETE').map(({ session }) => session),
      ['s1', 's2'],
    );
    assert.equal(link.sessionCount, 1);
    const { headers } = (peer.seen.find(({ method }) => method === 'DELETE') ?? assert.fail()).request;
    assert.equal(headers['mcp-protocol-version'], '2025-11-25');
  });

  it('are not idle while a request runs over them, however long it takes', async () => {
    const gate = Promise.withResolvers<void>();
    const { link, peer, clock, ask } = scene(
      legacyScript(async (seen) => {
        await gate.promise;
        return answer(seen, {});
      }),
      { sessionIdleMs: 1_000 },
    );
    const running = ask({ terms: termsOf('a') });
    await until(() => peer.count('tools/call') === 1);
    await clock.advance(5_000);
    link.sweep();
    assert.deepEqual(
      peer.seen.filter(({ method }) => method === 'DELETE').map(({ session }) => session),
      ['s1'],
    );
    gate.resolve();
    assert.partialDeepStrictEqual(await running, { reply: { kind: 'result' } });
  });

  it('of a link that is closed end when their last request is through', async () => {
    const gate = Promise.withResolvers<void>();
    const { link, peer, ask } = scene(
      legacyScript(async (seen) => {
        await gate.promise;
        return answer(seen, {});
      }),
    );
    const running = ask({ terms: termsOf('a') });
    await until(() => peer.count('tools/call') === 1);
    await link.close();
    assert.equal(peer.count('DELETE'), 1, 'only the one of the link itself');
    gate.resolve();
    assert.partialDeepStrictEqual(await running, { reply: { kind: 'result' } });
    await settle();
    assert.equal(peer.count('DELETE'), 2);
    assert.equal(link.sessionCount, 0);
  });

  it('that were still opening when the link was closed are ended as soon as they are open', async () => {
    const gate = Promise.withResolvers<void>();
    const legacy = legacyScript();
    const { link, peer } = scene(async (seen) => {
      if (seen.method === 'initialize') await gate.promise;
      return legacy(seen);
    });
    const face = link.face();
    await until(() => peer.count('initialize') === 1);
    await link.close();
    gate.resolve();
    assert.ok(!isFault(await face));
    await settle();
    assert.equal(peer.count('DELETE'), 1);
    assert.equal(link.sessionCount, 0);
  });

  it('of a link that was closed before live no longer than the request', async () => {
    const { link, peer, ask } = scene(legacyScript());
    await link.close();
    assert.ok(!isFault(await ask()));
    await settle();
    assert.equal(link.sessionCount, 0);
    assert.equal(peer.count('DELETE'), 2);
  });
});

describe('a session that the server forgot', () => {
  it('is opened anew, and the request is sent again, once for all of its callers', async () => {
    const script = legacyScript();
    const { peer, ask } = scene(script);
    await ask();
    script.forget();
    const answers = await Promise.all([ask(), ask(), ask()]);
    for (const one of answers) assert.partialDeepStrictEqual(one, { reply: { kind: 'result' } });
    assert.equal(peer.count('initialize'), 3);
    assert.equal(peer.count('tools/call'), 1 + 2 * 3);
  });

  it('is opened anew for every caller after a restart', async () => {
    const script = legacyScript();
    const { ask } = scene(script);
    for (const key of ['a', 'b']) await ask({ terms: termsOf(key) });
    script.forget();
    for (const key of ['a', 'b']) {
      assert.partialDeepStrictEqual(await ask({ terms: termsOf(key) }), { reply: { kind: 'result' } });
    }
  });

  it('is opened anew also where the server says so with HTTP 400, as the reference server does', async () => {
    const legacy = legacyScript();
    let open = new Set<string>();
    const { peer, ask } = scene(async (seen) => {
      if (seen.session !== undefined && !open.has(seen.session)) {
        return error(seen, -32000, 'Bad Request: No valid session ID provided', 400);
      }
      const response = await legacy(seen);
      const id =
        typeof response === 'object' && 'headers' in response
          ? response.headers['mcp-session-id']
          : undefined;
      if (id !== undefined) open.add(id);
      return response;
    });
    await ask();
    open = new Set();
    assert.partialDeepStrictEqual(await ask(), { reply: { kind: 'result' } });
    assert.equal(peer.count('initialize'), 3);
  });

  it('again is no reason for a third try: the 404 is given back', async () => {
    const { peer, ask } = scene(legacyScript(() => text(404, 'Session not found')));
    const fault = faulted(await ask());
    assert.equal(fault.fault, 'upstream_broken');
    assert.match('detail' in fault ? fault.detail : '', /HTTP 404/);
    assert.equal(peer.count('tools/call'), 2);
  });

  it('again, said in JSON-RPC, is the answer', async () => {
    const { ask } = scene(legacyScript((seen) => error(seen, -32001, 'Session not found', 404)));
    assert.partialDeepStrictEqual(await ask(), { era: 'legacy', reply: { kind: 'error', code: -32001 } });
  });

  it('is not looked for where there never was one', async () => {
    const { peer, ask } = scene((seen) =>
      seen.method === 'initialize'
        ? answer(seen, { protocolVersion: '2025-06-18', capabilities: {} })
        : text(404, ''),
    );
    assert.equal(faulted(await ask()).fault, 'upstream_broken');
    assert.equal(peer.count('tools/call'), 1);
  });

  it('lets the face be read again, for the server may offer other things now', async () => {
    const script = legacyScript();
    const { link, ask } = scene(script);
    const before = await link.face();
    await ask();
    script.forget();
    await ask();
    await settle();
    const after = await link.face();
    assert.ok(!isFault(before) && !isFault(after));
    assert.notDeepEqual(before.serverInfo, after.serverInfo);
  });
});

describe('a modern server', () => {
  it('is sent no session, and none is held', async () => {
    const { link, peer, ask } = scene(modernScript());
    assert.ok(!isFault(await ask()));
    assert.equal(link.sessionCount, 0);
    await link.close();
    assert.deepEqual(peer.methods(), ['server/discover', 'tools/call']);
  });
});
