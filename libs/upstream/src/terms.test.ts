/** Under which terms sessions are opened, who gets which, and what replicas know of each other's. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, paramsFrom, type JsonObject } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import { linkTerms, type SessionTerms } from './ask.ts';
import {
  answer,
  asksBack,
  error,
  FakeStreams,
  faulted,
  legacyScript,
  modernScript,
  scene,
  termsOf,
  text,
  until,
  type FakePeer,
  type Script,
} from './fake-peer.fixture.ts';
import type { SessionMemory } from './peer.ts';

const initialized = (peer: FakePeer): readonly JsonObject[] =>
  peer.seen
    .filter(({ method }) => method === 'initialize')
    .map(({ message }) => message['params'] as JsonObject);
const sessionsOf = (peer: FakePeer, method = 'tools/call') =>
  peer.seen.filter((seen) => seen.method === method).map(({ session }) => session);

describe('a session', () => {
  it('declares what its terms say, in the name that they give', async () => {
    const { peer, ask } = scene(legacyScript());
    const clientInfo = { name: 'editor', version: '2' };
    await ask({ terms: termsOf('alice', { capabilities: asksBack, clientInfo }) });
    assert.deepEqual(initialized(peer), [
      { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
      { protocolVersion: '2025-11-25', capabilities: asksBack, clientInfo },
    ]);
  });

  it('has its log level set right after it was opened, where the server logs', async () => {
    const serve: Script = (seen) =>
      seen.method === 'logging/setLevel' ? error(seen, -32602, 'no such level') : answer(seen, {});
    for (const [capabilities, expected] of [
      [{ logging: {}, tools: {} }, ['initialize', 'notifications/initialized', 'logging/setLevel']],
      [{ tools: {} }, ['initialize', 'notifications/initialized']],
    ] as const) {
      const { peer, link, ask } = scene(legacyScript(serve, { capabilities }));
      await link.face();
      const before = peer.seen.length;
      const terms = termsOf('alice', { logLevel: 'debug' });
      assert.ok(!isFault(await ask({ terms })), 'a level that is refused costs nothing');
      assert.deepEqual(peer.methods().slice(before), [...expected, 'tools/call']);
      const set = peer.seen.find(({ method }) => method === 'logging/setLevel');
      if (set) assert.deepEqual(set.message['params'], { level: 'debug' });
    }
  });
});

describe('sessions under exclusive terms', () => {
  const terms = termsOf('alice', { exclusive: true });

  it('carry one request at a time: who comes meanwhile gets the lowest free one beside it', async () => {
    const calls = new FakeStreams();
    const { peer, link, ask } = scene(legacyScript(calls.script));
    const begin = async () => {
      const at = calls.count;
      const answered = ask({ terms });
      await calls.nth(at);
      return async () => {
        calls.at(at).send({ jsonrpc: '2.0', id: calls.seen(at).message['id'] ?? null, result: {} });
        calls.at(at).end();
        await answered;
      };
    };
    const [first, second, third] = [await begin(), await begin(), await begin()];
    assert.equal(link.sessionCount, 4, 'and the one of the link');
    await second();
    await first();
    const fourth = await begin();
    const fifth = await begin();
    assert.deepEqual(sessionsOf(peer), ['s2', 's3', 's4', 's2', 's3']);
    for (const done of [third, fourth, fifth]) await done();
  });

  it('are each opened for one caller though all come at once', async () => {
    const { peer, ask } = scene(legacyScript());
    await Promise.all([ask({ terms }), ask({ terms }), ask({ terms })]);
    assert.deepEqual([...sessionsOf(peer)].sort(), ['s2', 's3', 's4']);
  });

  it('are bounded like all others', async () => {
    const { peer, ask } = scene(
      legacyScript(() => 'silence'),
      { sessionsMax: 2 },
    );
    const abort = new AbortController();
    const running = [ask({ terms, abort }), ask({ terms, abort })];
    await until(() => peer.count('tools/call') === 2);
    assert.partialDeepStrictEqual(await ask({ terms }), { fault: 'upstream_unavailable', neverLeft: true });
    abort.abort();
    await Promise.all(running);
  });

  it('end together when their client is gone; those in use, behind their last request', async () => {
    const calls = new FakeStreams();
    const { peer, link, ask } = scene(legacyScript(calls.script));
    const running = [ask({ terms }), ask({ terms })];
    await calls.nth(1);
    for (const at of [0, 1]) {
      calls.at(at).send({ jsonrpc: '2.0', id: calls.seen(at).message['id'] ?? null, result: {} });
      if (at === 0) await running[0];
      if (at === 0) await link.endSession(terms);
      if (at === 0) assert.deepEqual(sessionsOf(peer, 'DELETE'), ['s2']);
    }
    await running[1];
    await settle();
    assert.deepEqual(sessionsOf(peer, 'DELETE'), ['s2', 's3']);
    assert.equal(link.sessionCount, 1);
  });
});

/** What replicas share. */
class Memory implements SessionMemory {
  readonly kept = new Map<string, string>();
  recall(key: string): Promise<string | undefined> {
    return Promise.resolve(this.kept.get(key));
  }
  remember(key: string, value: string): void {
    this.kept.set(key, value);
  }
  forget(key: string): void {
    this.kept.delete(key);
  }
}

describe('a session that replicas share', () => {
  const terms = termsOf('client-1', { shared: true });

  /** Two links of two replicas to one server. */
  function replicas(script = legacyScript()) {
    const memory = new Memory();
    return {
      memory,
      script,
      one: scene(script, {}, 'http', { memory }),
      two: scene(script, {}, 'http', { memory }),
    };
  }

  it('is opened by one and used by the other', async () => {
    const { memory, one, two } = replicas();
    await one.ask({ terms });
    assert.ok(!isFault(await two.ask({ terms })));
    assert.deepEqual(sessionsOf(one.peer), sessionsOf(two.peer));
    assert.deepEqual([...memory.kept.keys()], ['fake/i1/http://fake.test/mcp/client-1']);
    assert.equal(two.peer.count('initialize'), 1, 'only that of its own link');
    const call = two.peer.seen.find(({ method }) => method === 'tools/call') ?? assert.fail();
    assert.equal(call.request.headers['mcp-protocol-version'], '2025-11-25');
  });

  it('carries requests of both under ids of their own', async () => {
    const memory = new Memory();
    const chances = [0.25, 0.75];
    const script = legacyScript();
    const links = chances.map((chance) => scene(script, {}, 'http', { memory, random: () => chance }));
    const ids: unknown[] = [];
    for (const { ask, peer } of links) {
      await ask({ terms });
      await ask({ terms });
      ids.push(
        ...peer.seen.filter(({ method }) => method === 'tools/call').map(({ message }) => message['id']),
      );
    }
    assert.equal(new Set(ids).size, 4);
    assert.ok(ids.every(Number.isSafeInteger));
  });

  it('is told something once, by the one that knows of it first, and each own session by its holder', async () => {
    const { one, two } = replicas();
    const told = ({ peer }: typeof one): number => peer.count('notifications/roots/list_changed');
    const tell = ({ link }: typeof one, key: SessionTerms, unshared = false): Promise<boolean> =>
      link.notify(key, 'notifications/roots/list_changed', '{"x":1.0}', { unshared });
    assert.equal(await tell(one, terms), false, 'nothing is open');
    await one.ask({ terms });
    assert.equal(await tell(two, terms), true, 'it only knows of it');
    assert.equal(await tell(one, terms, true), false);
    assert.deepEqual([told(one), told(two)], [0, 1]);
    const own = termsOf('own');
    await one.ask({ terms: own });
    assert.equal(await tell(one, own, true), false);
    assert.deepEqual([told(one), told(two)], [1, 1]);
    assert.deepEqual([one.link.shares(terms), one.link.shares(own)], [true, false]);
    assert.equal(one.peer.seen.at(-1)?.request.body?.includes('{"x":1.0}'), true);
  });

  it('that the server does not know any more is opened anew, and the other follows', async () => {
    const { script, one, two } = replicas();
    await one.ask({ terms });
    await two.ask({ terms });
    script.forget();
    assert.ok(!isFault(await one.ask({ terms })));
    assert.ok(!isFault(await two.ask({ terms })));
    assert.equal(sessionsOf(one.peer).at(-1), sessionsOf(two.peer).at(-1));
  });

  it('is only let go of where it is idle or the link is closed, and ended where its client is gone', async () => {
    const { memory, one, two } = replicas();
    await one.ask({ terms });
    await two.ask({ terms });
    await one.link.close();
    assert.deepEqual(sessionsOf(one.peer, 'DELETE'), ['s1'], 'the one of the link');
    await two.clock.advance(600_000);
    two.link.sweep();
    await settle();
    assert.equal(two.link.sessionCount, 0);
    assert.equal(memory.kept.size, 1);
    await two.link.endSession(terms);
    assert.deepEqual(sessionsOf(two.peer, 'DELETE').at(-1), 's2', 'though it does not hold it any more');
    assert.equal(memory.kept.size, 0);
    await two.link.endSession(terms);
  });

  it('is ended at once where it is held', async () => {
    const { memory, one } = replicas();
    await one.ask({ terms });
    await one.link.endSession(terms);
    assert.deepEqual(sessionsOf(one.peer, 'DELETE'), ['s2']);
    assert.equal(memory.kept.size, 0);
  });

  it('is nobody else’s: siblings and sessions under other terms are each replica’s own', async () => {
    const { memory, one, two } = replicas();
    const exclusive = { ...terms, exclusive: true };
    await Promise.all([one.ask({ terms: exclusive }), one.ask({ terms: exclusive })]);
    await one.ask({ terms: termsOf('alice') });
    await two.ask({ terms: termsOf('alice') });
    assert.deepEqual([...memory.kept.keys()], ['fake/i1/http://fake.test/mcp/client-1']);
    assert.notEqual(sessionsOf(one.peer).at(-1), sessionsOf(two.peer).at(-1));
  });

  it('is opened anew where what is remembered cannot be read', async () => {
    const face = { era: 'legacy', version: '2025-11-25', capabilities: {}, serverInfo: {} };
    const texts = [
      'x',
      '{}',
      { id: 'a\r\nb', face },
      { id: 'a', face: 1 },
      { id: 'a', face: { ...face, version: '1999-01-01' } },
      { id: 'a', face: { ...face, serverInfo: 1 } },
    ];
    for (const kept of texts) {
      const { memory, one } = replicas();
      memory.remember(
        'fake/i1/http://fake.test/mcp/client-1',
        typeof kept === 'string' ? kept : JSON.stringify(kept),
      );
      assert.ok(!isFault(await one.ask({ terms })));
      assert.deepEqual(sessionsOf(one.peer), ['s2']);
    }
  });

  it('is remembered with what its server said', async () => {
    const { one } = replicas(legacyScript(undefined, { capabilities: { logging: {} } }));
    const { memory } = replicas();
    const face = {
      era: 'legacy',
      version: '2025-06-18',
      capabilities: {},
      serverInfo: {},
      instructions: 'Hi',
    };
    memory.remember('fake/i1/http://fake.test/mcp/client-1', JSON.stringify({ id: 'from-elsewhere', face }));
    const { peer, ask } = scene(
      (seen) => (seen.session === 'from-elsewhere' ? answer(seen, {}) : legacyScript()(seen)),
      {},
      'http',
      { memory },
    );
    await ask({ terms });
    const call = peer.seen.find(({ method }) => method === 'tools/call') ?? assert.fail();
    assert.equal(call.request.headers['mcp-protocol-version'], '2025-06-18');
    assert.ok(!isFault(await one.link.face()));
  });

  it('is none where the server keeps no sessions, or speaks another transport', async () => {
    const memory = new Memory();
    const stateless: Script = (seen) =>
      seen.method === 'initialize'
        ? answer(seen, { protocolVersion: '2025-06-18', capabilities: {} })
        : seen.method === 'server/discover'
          ? text(404, '')
          : answer(seen, {});
    await scene(stateless, {}, 'http', { memory }).ask({ terms });
    await scene(legacyScript(), {}, 'sse', { memory }).ask({ terms });
    assert.equal(memory.kept.size, 0);
  });
});

describe('a request to a modern server', () => {
  const meta = (peer: FakePeer): JsonObject => {
    const params = peer.seen.at(-1)?.message['params'] as JsonObject;
    return params['_meta'] as JsonObject;
  };
  const level = 'io.modelcontextprotocol/logLevel';

  it('bears the name, the capabilities, the level and the headers that its caller gives', async () => {
    const { peer, ask } = scene(modernScript());
    const clientInfo = { name: 'editor', version: '2' };
    const paramHeaders = { 'mcp-param-region': 'eu', 'mcp-param-x': '=?base64?w6Q=?=' };
    await ask({ clientInfo, capabilities: asksBack, logLevel: 'warning', paramHeaders });
    assert.deepEqual(meta(peer), {
      [level]: 'warning',
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': asksBack,
      'io.modelcontextprotocol/clientInfo': clientInfo,
    });
    assert.partialDeepStrictEqual(peer.seen.at(-1)?.request.headers, paramHeaders);
  });

  it('keeps the level that its own _meta names', async () => {
    const { peer, ask } = scene(modernScript());
    const own = { [level]: 'error' };
    await ask({
      meta: own,
      params: paramsFrom(JSON.stringify({ name: 't', _meta: own })),
      logLevel: 'debug',
    });
    assert.equal(meta(peer)[level], 'error');
  });

  it('with headers that do not match is given back as the server refused it', async () => {
    const { link, peer, ask } = scene(modernScript((seen) => error(seen, -32020, 'Header mismatch', 400)));
    assert.partialDeepStrictEqual(await ask({ paramHeaders: { 'mcp-param-x': '1' } }), {
      era: 'modern',
      reply: { kind: 'error', code: -32020 },
    });
    await link.face();
    assert.equal(peer.count('server/discover'), 1, 'its era is not in doubt');
  });
});

describe('a server that refuses this gateway', () => {
  for (const status of [401, 403]) {
    it(`with HTTP ${status} says so in the same words, whatever it was asked`, async () => {
      const detail = `it refuses this gateway's credentials (HTTP ${status})`;
      const expected = { fault: 'upstream_unavailable', detail, neverLeft: true };
      const always = scene(() => text(status, ''));
      assert.partialDeepStrictEqual(faulted(await always.link.face()), expected);
      const atInitialize = scene((seen) => text(seen.method === 'initialize' ? status : 404, ''));
      assert.partialDeepStrictEqual(faulted(await atInitialize.link.face()), expected);
      const legacy = scene(legacyScript(() => text(status, '')));
      const answered = faulted(await legacy.ask({ terms: linkTerms }));
      assert.partialDeepStrictEqual(answered, { ...expected, neverLeft: false });
    });
  }
});
