/** Many calls at once, servers that restart, fleets that change under running calls: nothing crosses, nothing is lost. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import {
  hostileKinds,
  namedTool,
  startHostileServer,
  startLegacyServer,
  startLegacySseServer,
  startModernServer,
  type FixtureServer,
  type HostileKind,
} from '@cruvero/testkit';
import { Client, eras, type Era } from './client.fixture.ts';
import { keys, stage, until, type Stage } from './gateway.fixture.ts';

const starts = { legacy: startLegacyServer, modern: startModernServer, sse: startLegacySseServer } as const;
const kinds = ['legacy', 'modern', 'sse'] as const;

const one = (server: FixtureServer, name = 'files') => ({
  name,
  endpoint: server.url,
  transport: server.transport,
});
const textOf = (result: JsonObject): string => {
  const content = Array.isArray(result['content']) ? result['content'] : [];
  return isJsonObject(content[0]) ? String(content[0]['text']) : '';
};
const client = (gateway: Stage, era: 'legacy' | 'modern', path = '/mcp', key: string = keys.alice) =>
  new Client(era, gateway.url + path, key).open();

for (const kind of kinds) {
  describe(`calls to a ${kind} server`, () => {
    it('of 32 callers with equal ids and equal progress tokens never cross', async () => {
      await using server = await starts[kind]();
      await using gateway = await stage({ servers: [one(server)] });
      const callers = await Promise.all(
        Array.from({ length: 32 }, (_, n) =>
          client(gateway, n % 2 === 0 ? 'legacy' : 'modern', '/mcp', n % 4 < 2 ? keys.alice : keys.bob),
        ),
      );
      const answers = await Promise.all(
        callers.map((caller, n) =>
          caller.call(
            'tools/call',
            { name: 'mcp.files.slow', arguments: { ms: 40 + n, steps: 4 } },
            { id: 'same', meta: { progressToken: 7 } },
          ),
        ),
      );
      for (const [n, { message, result, notes }] of answers.entries()) {
        assert.equal(message['id'], 'same');
        assert.equal(textOf(result), `waited ${40 + n} ms`);
        assert.deepEqual(
          notes.map(({ params }) =>
            isJsonObject(params) ? [params['progressToken'], params['progress']] : params,
          ),
          [1, 2, 3, 4].map((step) => [7, step]),
          `caller ${n}`,
        );
      }
    });

    it('carry nothing of the caller that is not the server business: no key, no cookie, no identity', async () => {
      await using server = await starts[kind]();
      await using gateway = await stage({ servers: [one(server)] });
      for (const era of eras) {
        const caller = await client(gateway, era);
        const canaries = [
          ['cookie', 'session=canary-cookie'],
          ['x-forwarded-user', 'canary-user'],
          ['proxy-authorization', 'Basic canary-proxy'],
          ['x-custom', 'canary-custom'],
          ['traceparent', `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`],
        ] as const;
        const { result } = await caller.call(
          'tools/call',
          { name: 'mcp.files.whoami-headers', arguments: {} },
          { headers: canaries },
        );
        const seen = textOf(result).toLowerCase();
        for (const secret of [
          'canary',
          keys.alice.toLowerCase(),
          'cmk_',
          'authorization',
          'cookie',
          'x-api-key',
          'x-forwarded',
        ]) {
          assert.ok(!seen.includes(secret), `${secret} reached the server: ${seen}`);
        }
        // HTTP+SSE shows the headers of its GET stream; the trace is then in _meta only.
        if (kind !== 'sse') assert.match(seen, new RegExp(`00-${'c'.repeat(32)}-(?!d{16})[0-9a-f]{16}-01`));
      }
      for (const { params, headers } of server.catalogue.received) {
        assert.ok(!JSON.stringify([params, headers]).includes('cmk_'));
      }
    });

    it('go on after the server was restarted and forgot its sessions', async () => {
      await using server = await starts[kind]();
      await using gateway = await stage({ servers: [one(server)] });
      for (const era of eras) {
        const caller = await client(gateway, era);
        const call = () =>
          caller.call('tools/call', { name: 'mcp.files.echo', arguments: { text: 'hello' } });
        assert.equal(textOf((await call()).result), 'hello');
        await server.forgetSessions();
        assert.equal(textOf((await call()).result), 'hello', `${era} after the restart`);
      }
    });

    it('that a modern caller leaves are ended at the server', async () => {
      await using server = await starts[kind]();
      await using gateway = await stage({ servers: [one(server)] });
      const caller = await client(gateway, 'modern');
      const params = { name: 'mcp.files.slow', arguments: { ms: 20_000 } };
      const abort = new AbortController();
      const headers = Object.fromEntries(caller.headers('tools/call', params));
      const left = fetch(caller.url, {
        method: 'POST',
        headers,
        body: caller.body('tools/call', params),
        signal: abort.signal,
      });
      left.catch(() => undefined);
      await until(() => server.catalogue.executions.get('slow') === 1, 'the call');
      abort.abort();
      await until(() => server.catalogue.aborted === 1, 'the end at the server');
    });

    it('that a legacy caller cancels are ended at the server, and only those', async () => {
      await using server = await starts[kind]();
      await using gateway = await stage({ servers: [one(server)] });
      const caller = await client(gateway, 'legacy');
      const call = (id: string, ms: number) =>
        caller.call('tools/call', { name: 'mcp.files.slow', arguments: { ms } }, { id });
      const [cancelled, kept] = [call('a', 20_000), call('b', 150)];
      await until(() => server.catalogue.executions.get('slow') === 2, 'both calls');
      assert.equal((await caller.notify('notifications/cancelled', { requestId: 'a' })).status, 202);
      assert.equal((await cancelled).error?.code, -31099);
      await until(() => server.catalogue.aborted === 1, 'the end at the server');
      assert.equal(textOf((await kept).result), 'waited 150 ms');
    });
  });
}

describe('a fleet that changes', () => {
  it('while 200 calls run drops none of them, though their server leaves', async () => {
    await using legacy = await startLegacyServer();
    await using modern = await startModernServer();
    await using sse = await startLegacySseServer();
    const fleet = [one(legacy, 'legacy'), one(modern, 'modern'), one(sse, 'sse')];
    await using gateway = await stage({ servers: fleet });
    const callers = await Promise.all(
      eras.flatMap((era) => [keys.alice, keys.bob].map((key) => client(gateway, era, '/mcp', key))),
    );
    const running = Array.from({ length: 200 }, (_, n) => {
      const name = `mcp.${fleet[n % 3]?.name ?? ''}.slow`;
      return (callers[n % 4] ?? assert.fail()).call(
        'tools/call',
        { name, arguments: { ms: 200 + n } },
        { id: `n${n}` },
      );
    });
    const begun = (): number =>
      [legacy, modern, sse].reduce((sum, { catalogue }) => sum + (catalogue.executions.get('slow') ?? 0), 0);
    await until(() => begun() === 200, 'all calls');
    await gateway.fleet([]);
    await gateway.fleet([{ ...one(legacy, 'other') }]);
    await gateway.judge('other', 'other-1', 'degraded');
    for (const [n, { result, error }] of (await Promise.all(running)).entries()) {
      assert.equal(error, undefined, `call ${n}: ${JSON.stringify(error)}`);
      assert.equal(textOf(result), `waited ${200 + n} ms`);
    }
    const gone = await (callers[0] ?? assert.fail()).call('tools/call', {
      name: 'mcp.modern.echo',
      arguments: {},
    });
    assert.match(gone.error?.message ?? '', /no server "modern" here \(any more\)/);
    await until(() => legacy.sessionCount() <= 1, 'the end of the sessions that nobody uses');
  });

  it('is told to a legacy session on its stream, and to a modern subscription with its id', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [one(server)] });
    for (const era of eras) {
      await using stream = await (await client(gateway, era)).listen();
      assert.equal(stream.status, 200);
      if (era === 'modern') {
        assert.deepEqual(JSON.parse((await stream.next())?.data ?? '{}'), {
          jsonrpc: '2.0',
          method: 'notifications/subscriptions/acknowledged',
          params: {
            _meta: { 'io.modelcontextprotocol/subscriptionId': 'listen' },
            notifications: { toolsListChanged: true, resourcesListChanged: true, promptsListChanged: true },
          },
        });
      }
      const fromMs = performance.now();
      await gateway.fleet([one(server), one(server, `new-${era}`)]);
      const told = new Set<string>();
      while (told.size < 3) {
        const message = JSON.parse((await stream.next())?.data ?? '{}') as {
          method: string;
          params: JsonObject;
        };
        told.add(message.method);
        assert.deepEqual(
          message.params,
          era === 'modern' ? { _meta: { 'io.modelcontextprotocol/subscriptionId': 'listen' } } : {},
        );
      }
      assert.deepEqual(
        [...told].sort(),
        ['prompts', 'resources', 'tools'].map((what) => `notifications/${what}/list_changed`),
      );
      assert.ok(performance.now() - fromMs < 1_000, 'within a second');
      await gateway.fleet([one(server)]);
    }
  });

  it('is not told to who did not ask for it, to the door of another server, or to another tenant', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [one(server), { ...one(server, 'far'), tenant: 'acme' }] });
    await using prompts = await (
      await client(gateway, 'modern')
    ).listen({ promptsListChanged: true, toolsListChanged: false });
    await using door = await (await client(gateway, 'legacy', '/servers/files/mcp')).listen();
    await using zoe = await (await client(gateway, 'legacy', '/mcp', keys.zoe)).listen();
    await using alice = await (await client(gateway, 'legacy')).listen();
    await prompts.next();
    await gateway.fleet([one(server), one(server, 'web'), { ...one(server, 'far'), tenant: 'acme' }]);
    for (let n = 0; n < 3; n += 1) await alice.next();
    assert.match((await prompts.next())?.data ?? '', /notifications\/prompts\/list_changed/);
    for (const quiet of [prompts, door, zoe]) assert.ok(!quiet.received.includes('tools/list_changed'));
  });

  it('keeps what a server offered when it stumbles, and follows it when it changes', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [one(server)], config: { listAgeMs: 40 } });
    const caller = await client(gateway, 'modern');
    const names = async () =>
      ((await caller.call('tools/list')).result['tools'] as readonly JsonObject[]).map(({ name }) => name);
    assert.equal((await names()).length, 12);
    await using stream = await caller.listen({ toolsListChanged: true });
    await stream.next();
    server.catalogue.addTool(namedTool('fresh'));
    assert.match((await stream.next())?.data ?? '', /tools\/list_changed/);
    assert.ok((await names()).includes('mcp.files.fresh'));
    await server.close();
    await until(
      () => gateway.telemetry.lines.some(({ message }) => message === 'a server cannot be listed'),
      'the stumble',
    );
    const { result } = await caller.call('tools/list');
    assert.equal((result['tools'] as readonly unknown[]).length, 13);
  });
});

describe('an instance that fails', () => {
  it('before it got the call is passed over for another one', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({
      servers: [{ name: 'files', endpoints: ['http://127.0.0.1:9/mcp', server.url] }],
    });
    const caller = await client(gateway, 'modern');
    for (let n = 0; n < 4; n += 1) {
      const { result } = await caller.call('tools/call', { name: 'mcp.files.counted', arguments: {} });
      assert.equal(textOf(result), String(n + 1));
    }
  });

  it('in the middle of a call is not asked twice, unless the tool may run twice', async () => {
    await using hostile = await startHostileServer('resets', { era: 'modern' });
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: hostile.url }] });
    const caller = await client(gateway, 'legacy');
    const { status, error } = await caller.call('tools/call', {
      name: 'mcp.files.nothing-said',
      arguments: {},
    });
    assert.equal(status, 200);
    assert.equal(error?.code, -31052);
    assert.equal(hostile.misbehaviours(), 1);
    await caller.call('tools/call', { name: 'mcp.files.anything', arguments: {} });
    assert.equal(hostile.misbehaviours(), 1 + 3, 'the first attempt and two retries');
  });

  it('late is a time-out of the server, not a cancellation by the caller', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [one(server)], config: { callDeadlineMs: 100 } });
    for (const era of eras) {
      const { status, error } = await (
        await client(gateway, era)
      ).call('tools/call', { name: 'mcp.files.slow', arguments: { ms: 20_000 } });
      assert.equal(status, 200);
      assert.deepEqual(error, {
        code: -31054,
        message: 'Server "files" did not answer within 100 ms.',
        data: { reason: 'upstream_timeout', server: 'files' },
      });
    }
    await until(() => server.catalogue.aborted === 2, 'the end at the server');
  });

  it('again and again is reported, and given a pause', async () => {
    await using hostile = await startHostileServer('status-500');
    await using gateway = await stage({
      servers: [{ name: 'files', endpoint: hostile.url }],
      config: { breaker: { failuresMax: 3, successesMin: 1, pauseMs: 60_000, pauseMsMax: 60_000 } },
    });
    const caller = await client(gateway, 'modern');
    const call = () => caller.call('tools/call', { name: 'mcp.files.x', arguments: {} });
    for (let n = 0; n < 3; n += 1) assert.equal((await call()).error?.code, -31052);
    assert.match(
      (await call()).error?.message ?? '',
      /every instance failed repeatedly and is given a pause/,
    );
    assert.equal(hostile.misbehaviours(), 3);
    await until(
      () => gateway.events.some(({ event_type }) => event_type === 'server.health_changed'),
      'the report',
    );
  });

  it('is no failure where it asks back what a legacy caller cannot be asked', async () => {
    await using server = await startModernServer({
      extraTools: [
        {
          definition: { name: 'asks', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } },
          run: () => ({
            resultType: 'input_required',
            inputRequests: { one: { method: 'roots/list', params: {} } },
          }),
        },
      ],
    });
    await using gateway = await stage({
      servers: [one(server)],
      config: { breaker: { failuresMax: 2, successesMin: 1, pauseMs: 60_000, pauseMsMax: 60_000 } },
    });
    const caller = await client(gateway, 'legacy');
    for (let n = 0; n < 4; n += 1) {
      const { result } = await caller.call('tools/call', { name: 'mcp.files.asks', arguments: {} });
      assert.equal(result['isError'], true);
      assert.match(
        JSON.stringify(result),
        /asked for input \(roots\/list\).*needs the client capability roots/,
      );
    }
    assert.equal(server.catalogue.executions.get('asks'), 4, 'not one retry');
    const modern = new Client('modern', `${gateway.url}/mcp`, keys.alice, { roots: {} });
    const { result } = await modern.call('tools/call', { name: 'mcp.files.asks', arguments: {} });
    assert.equal(result['resultType'], 'input_required');
  });
});

describe('a hostile server', () => {
  const harmless: readonly HostileKind[] = ['byte-by-byte-json', 'byte-by-byte-stream', 'duplicate-ids'];
  const bounds = {
    answerBytesMax: 1 << 20,
    sessionsMax: 8,
    sessionIdleMs: 60_000,
    faceAgeMs: 60_000,
    pagesMax: 10,
  };

  async function meet(kinds: readonly HostileKind[], callers: readonly Era[]): Promise<void> {
    await using open = new AsyncDisposableStack();
    const good = open.use(await startModernServer());
    const fleet = [one(good, 'good')];
    for (const kind of kinds) {
      const hostile = open.use(await startHostileServer(kind, { era: 'modern' }));
      fleet.push({ name: kind, endpoint: hostile.url, transport: 'http' });
    }
    const gateway = open.use(
      await stage({
        servers: fleet,
        config: {
          link: { ...bounds, timeoutMs: 600 },
          callDeadlineMs: 1_000,
          retry: { retriesMax: 0, backoffMs: 1, backoffMsMax: 1 },
        },
      }),
    );
    for (const era of callers) {
      const caller = await client(gateway, era);
      const call = (name: string, args: JsonObject = {}) =>
        caller.call('tools/call', { name, arguments: args });
      const outcomes = await Promise.all(kinds.map((kind) => call(`mcp.${kind}.anything`)));
      for (const [at, { status, error, result }] of outcomes.entries()) {
        const kind = kinds[at] ?? assert.fail();
        assert.equal(status, 200, kind);
        if (harmless.includes(kind))
          assert.ok(Array.isArray(result['content']), `${kind}: ${JSON.stringify(error)}`);
        else {
          assert.ok(
            error && error.code <= -31052 && error.code >= -31055,
            `${kind}: ${JSON.stringify(error)}`,
          );
          assert.ok(error.message.includes(`"${kind}"`), error.message);
        }
      }
      assert.equal(textOf((await call('mcp.good.echo', { text: 'still here' })).result), 'still here');
    }
  }

  it('of any kind ends its own call with one clear answer, and leaves the others alone', async () => {
    await meet(
      hostileKinds.filter((kind) => !kind.startsWith('floods')),
      eras,
    );
  });

  // A legacy caller is given every log message, and this test would have to hold the flood of them.
  for (const kind of ['floods-json', 'floods-one-event', 'floods-events'] as const) {
    it(`that ${kind.replaceAll('-', ' ')} is cut off at the bound`, async () => {
      await meet([kind], ['modern']);
    });
  }
});
