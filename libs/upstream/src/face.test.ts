/** The era of a server is found out once, by what it answers; a server that does not answer tells nothing. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import {
  answer,
  asking,
  capabilities,
  discovered,
  error,
  faulted,
  json,
  legacyScript,
  modernScript,
  scene,
  termsOf,
  text,
  until,
  type Act,
  type Script,
} from './fake-peer.fixture.ts';

describe('the era probe', () => {
  it('calls a server modern that answers server/discover, and sends nothing else', async () => {
    const { link, peer } = scene(modernScript());
    assert.partialDeepStrictEqual(await link.face(), { era: 'modern', version: '2026-07-28', capabilities });
    assert.deepEqual(peer.methods(), ['server/discover']);
    const { headers, body } = peer.seen[0]?.request ?? assert.fail();
    assert.equal(headers['mcp-protocol-version'], '2026-07-28');
    assert.equal(headers['mcp-method'], 'server/discover');
    assert.match(body ?? '', /"io.modelcontextprotocol\/clientInfo":\{"name":"test"/);
  });

  const notModern: readonly [string, (seen: Parameters<Script>[0]) => Act][] = [
    ['a JSON-RPC error with HTTP 400', (seen) => error(seen, -32000, 'no session', 400)],
    ['a JSON-RPC error with HTTP 200', (seen) => error(seen, -32601, 'Method not found')],
    ['HTTP 404 with a page', () => text(404, '<h1>Not found</h1>', { 'content-type': 'text/html' })],
    ['HTTP 405', () => text(405, '')],
    ['a page with HTTP 200', () => text(200, '<h1>Hello</h1>', { 'content-type': 'text/html' })],
    ['nothing with HTTP 200', () => text(200, '')],
    ['half a JSON text', () => text(200, '{"jsonrpc":')],
    ['a result that says nothing of versions', (seen) => answer(seen, { ok: true })],
    [
      'versions that are not known here',
      (seen) => answer(seen, { ...discovered, supportedVersions: ['2999-01-01'] }),
    ],
    ['the answer to another request', () => json(200, { jsonrpc: '2.0', id: 'other', result: discovered })],
    ['a modern error for a version of the future', (seen) => error(seen, -32022, 'Unsupported', 400)],
    [
      'a connection that breaks in the middle of the answer',
      () => ({ fault: 'broken', detail: 'cut', neverLeft: false }),
    ],
  ];
  for (const [name, act] of notModern) {
    it(`calls a server legacy that initializes after ${name}`, async () => {
      const legacy = legacyScript();
      const { link, peer } = scene((seen) => (seen.method === 'server/discover' ? act(seen) : legacy(seen)));
      assert.partialDeepStrictEqual(await link.face(), { era: 'legacy', version: '2025-11-25' });
      assert.deepEqual(peer.methods(), ['server/discover', 'initialize', 'notifications/initialized']);
    });
  }

  const refusingVersion = (supported: readonly string[]) => (seen: Parameters<Script>[0]) =>
    json(400, {
      jsonrpc: '2.0',
      id: seen.message['id'] ?? null,
      error: { code: -32022, message: 'Unsupported protocol version', data: { supported } },
    });

  it('asks again with a version that the server names when it refuses the first', async () => {
    const modern = modernScript();
    let asked = 0;
    const { link, peer } = scene((seen) =>
      (asked += 1) === 1 ? refusingVersion(['2999-01-01', '2026-07-28'])(seen) : modern(seen),
    );
    assert.partialDeepStrictEqual(await link.face(), { era: 'modern', version: '2026-07-28' });
    assert.deepEqual(peer.methods(), ['server/discover', 'server/discover']);
  });

  it('calls a server broken that names a version and then refuses it too', async () => {
    const { link, peer } = scene(refusingVersion(['2026-07-28']));
    assert.partialDeepStrictEqual(faulted(await link.face()), { fault: 'upstream_broken' });
    assert.deepEqual(peer.methods(), ['server/discover', 'server/discover']);
  });

  it('initializes with a server that names only versions of the legacy era', async () => {
    const legacy = legacyScript();
    const refuse = refusingVersion(['2025-11-25']);
    const { link } = scene((seen) => (seen.method === 'server/discover' ? refuse(seen) : legacy(seen)));
    assert.partialDeepStrictEqual(await link.face(), { era: 'legacy', version: '2025-11-25' });
  });

  it('says which versions a server speaks where none of them is spoken here', async () => {
    const { link, peer } = scene(refusingVersion(['2999-01-01']));
    const fault = faulted(await link.face());
    assert.match(JSON.stringify(fault), /2999-01-01/);
    assert.deepEqual(peer.methods(), ['server/discover']);
  });

  const outages: readonly [string, Act, string][] = [
    [
      'a refused connection',
      { fault: 'unreachable', detail: 'refused', neverLeft: true },
      'upstream_unavailable',
    ],
    ['a time-out', { fault: 'timeout', detail: 'late', neverLeft: false }, 'upstream_timeout'],
    [
      'an address that is refused',
      { fault: 'refused_address', detail: 'metadata', neverLeft: true },
      'upstream_unavailable',
    ],
    ['HTTP 401', text(401, ''), 'upstream_unavailable'],
    ['HTTP 403', text(403, ''), 'upstream_unavailable'],
    ['HTTP 429', text(429, ''), 'upstream_unavailable'],
    ['HTTP 500', text(500, '<h1>Oops</h1>'), 'upstream_unavailable'],
    ['HTTP 503', text(503, ''), 'upstream_unavailable'],
  ];
  for (const [name, act, fault] of outages) {
    it(`takes ${name} for no verdict, and asks again at the next need`, async () => {
      let down = true;
      const modern = modernScript();
      const { link, peer } = scene((seen) => (down ? act : modern(seen)));
      assert.equal(faulted(await link.face()).fault, fault);
      assert.equal(peer.count('initialize'), 0);
      down = false;
      assert.partialDeepStrictEqual(await link.face(), { era: 'modern' });
    });
  }

  it('never sends a modern request over the HTTP+SSE transport', async () => {
    const { link, peer } = scene(legacyScript(), {}, 'sse');
    assert.partialDeepStrictEqual(await link.face(), { era: 'legacy' });
    assert.deepEqual(peer.methods(), ['initialize', 'notifications/initialized']);
  });

  it('says so where this process does not speak the transport', async () => {
    const { link } = scene(legacyScript(), {}, 'stdio');
    const fault = faulted(await link.face());
    assert.partialDeepStrictEqual(fault, { fault: 'upstream_unavailable', neverLeft: true });
    assert.match('detail' in fault ? fault.detail : '', /transport "stdio"/);
  });

  it('says what a server answered that is of neither era', async () => {
    const { link } = scene((seen) => error(seen, -32603, 'out of order', 400));
    const fault = faulted(await link.face());
    assert.partialDeepStrictEqual(fault, { fault: 'upstream_broken', server: 'fake' });
    assert.match('detail' in fault ? fault.detail : '', /refused initialize with HTTP 400.*out of order/);
  });

  it('refuses a protocol version that nobody here knows', async () => {
    const { link } = scene((seen) =>
      seen.method === 'initialize'
        ? answer(seen, { protocolVersion: '1999-01-01', capabilities: {} })
        : text(404, ''),
    );
    const fault = faulted(await link.face());
    assert.match('detail' in fault ? fault.detail : '', /protocol version "1999-01-01"/);
  });

  it('takes HTTP 502 without a message at initialize for an outage', async () => {
    const { link } = scene((seen) => text(seen.method === 'initialize' ? 502 : 404, ''));
    assert.equal(faulted(await link.face()).fault, 'upstream_unavailable');
  });

  it('ends after the bound though the server keeps its stream lively without an answer', async () => {
    const { FakeStream } = await import('./fake-peer.fixture.ts');
    const stream = new FakeStream();
    const { link, clock } = scene((seen) => stream.respond(seen), { timeoutMs: 1_000 });
    const face = link.face();
    for (let beat = 0; beat < 5; beat += 1) {
      stream.push(': still here\n\n');
      await clock.advance(300);
    }
    assert.deepEqual(faulted(await face), { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_000 });
    assert.ok(stream.aborted);
  });
});

describe('the face of a server', () => {
  it('is asked once for all who need it at the same moment', async () => {
    const { link, peer } = scene(legacyScript());
    const faces = await Promise.all([link.face(), link.face(), link.face()]);
    assert.ok(faces.every((face) => !isFault(face)));
    assert.equal(peer.count('server/discover'), 1);
    assert.equal(peer.count('initialize'), 1);
  });

  it('is kept until it is old, and then asked again', async () => {
    const { link, peer, clock } = scene(modernScript(), { faceAgeMs: 60_000 });
    await link.face();
    await clock.advance(60_000);
    await link.face();
    assert.equal(peer.count('server/discover'), 1);
    await clock.advance(1);
    await link.face();
    assert.equal(peer.count('server/discover'), 2);
  });

  it('of a legacy server is not probed for the modern era again while it answers', async () => {
    const { link, peer, clock } = scene(legacyScript(), { faceAgeMs: 60_000 });
    await link.face();
    await clock.advance(60_001);
    await link.face();
    assert.equal(peer.count('server/discover'), 1);
  });

  for (const [from, to, era] of [
    [legacyScript, modernScript, 'modern'],
    [modernScript, legacyScript, 'legacy'],
  ] as const) {
    it(`is found anew by the second call where a server of the ${era} era stands in the place of another`, async () => {
      const { peer, ask } = scene(from());
      assert.partialDeepStrictEqual(await ask(), { reply: { kind: 'result' } });
      peer.script = to();
      const lost = await ask();
      assert.ok(isFault(lost) || lost.reply.kind === 'error');
      assert.partialDeepStrictEqual(await ask(), { era, reply: { kind: 'result' } });
    });
  }

  it('is found anew when the link is told to ask again, and the sessions of callers stay', async () => {
    const { link, peer, ask } = scene(legacyScript());
    await ask();
    await link.reask();
    assert.partialDeepStrictEqual(await link.face(), { era: 'legacy' });
    assert.equal(peer.count('server/discover'), 2);
    await ask();
    assert.equal(peer.count('initialize'), 3, 'two for the link, one for the caller');
    assert.equal(peer.count('DELETE'), 1);
  });

  it('does not keep a caller waiting who gives up', async () => {
    const { peer, ask } = scene(() => 'silence');
    const abort = new AbortController();
    const asked = ask({ abort });
    await until(() => peer.seen.length === 1);
    abort.abort();
    assert.deepEqual(await asked, { fault: 'cancelled' });
  });

  it('goes on being asked for the others when one of the callers gives up', async () => {
    const gate = Promise.withResolvers<void>();
    const modern = modernScript();
    const { peer, ask } = scene(async (seen) => {
      if (seen.method === 'server/discover') await gate.promise;
      return modern(seen);
    });
    const abort = new AbortController();
    const asked = [ask({ abort }), ask()];
    await until(() => peer.seen.length === 1);
    abort.abort();
    gate.resolve();
    const [first, second] = await Promise.all(asked);
    assert.deepEqual(first, { fault: 'cancelled' });
    assert.partialDeepStrictEqual(second, { era: 'modern' });
  });
});

describe('a probe', () => {
  it('of a modern server is one more server/discover', async () => {
    const { link, peer } = scene(modernScript());
    assert.deepEqual(await link.probe(termsOf('health')), { era: 'modern' });
    assert.deepEqual(peer.methods(), ['server/discover', 'server/discover']);
  });

  it('of a modern server that forgot its era is a fault', async () => {
    const { link, peer } = scene(modernScript());
    await link.face();
    peer.script = () => text(404, '');
    assert.equal(faulted(await link.probe(termsOf('health'))).fault, 'upstream_broken');
    peer.script = () => ({ fault: 'unreachable', detail: 'refused', neverLeft: true });
    assert.equal(faulted(await link.probe(termsOf('health'))).fault, 'upstream_unavailable');
  });

  it('of a legacy server pings over the session that is kept, however often it is made', async () => {
    const { link, peer } = scene(legacyScript());
    for (let times = 0; times < 5; times += 1)
      assert.deepEqual(await link.probe(termsOf('health')), { era: 'legacy' });
    assert.equal(peer.count('ping'), 5);
    assert.equal(peer.count('initialize'), 2, 'one for the face, one for the probes');
    assert.equal(link.sessionCount, 2);
  });

  it('finds a server alive that does not know ping', async () => {
    const { link } = scene(legacyScript((seen) => error(seen, -32601, 'Method not found')));
    assert.deepEqual(await link.probe(termsOf('health')), { era: 'legacy' });
  });

  for (const status of [401, 500, 503]) {
    it(`does not take HTTP ${status} without a message for a sign of life`, async () => {
      const { link } = scene(legacyScript(() => text(status, 'no')));
      assert.ok(isFault(await link.probe(termsOf('health'))));
    });
  }

  it('of a server that cannot be reached says so', async () => {
    const { link } = scene(() => ({ fault: 'unreachable', detail: 'refused', neverLeft: true }));
    assert.equal(faulted(await link.probe(termsOf('health'))).fault, 'upstream_unavailable');
  });
});

describe('a link that is reset', () => {
  it('ends its sessions and asks for the era again', async () => {
    const { link, peer } = scene(legacyScript());
    await link.request(asking());
    await link.reset();
    assert.equal(link.sessionCount, 0);
    assert.equal(peer.count('DELETE'), 2);
    await link.face();
    await settle();
    assert.equal(peer.count('server/discover'), 2);
  });
});
