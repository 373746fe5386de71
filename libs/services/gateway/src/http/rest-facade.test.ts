/** Tests of every REST route of the gateway and of its faults, over HTTP. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '@cruvero/core';
import {
  probe,
  startModernServer,
  type FixtureServer,
  type ProbeRequest,
  type ProbeResponse,
} from '@cruvero/testkit';
import { authPayload, keys, profileRow, serverRow, stage, until, type Stage } from '../gateway.fixture.ts';

let server: FixtureServer;
let gateway: Stage;
const nobody = 'http://127.0.0.1:9/mcp';

before(async () => {
  server = await startModernServer();
  gateway = await stage({
    config: {
      bodyBytesMax: 8_192,
      callDeadlineMs: 1_500,
      retry: { retriesMax: 0, backoffMs: 1, backoffMsMax: 1 },
    },
  });
  const files = serverRow({ name: 'files', endpoints: [server.url, nobody] });
  const [first, second] = files['instances'] as readonly JsonObject[];
  const servers = [
    {
      ...files,
      instances: [
        { ...first, health: 'unknown', tags: ['blue'] },
        { ...second, health: 'unhealthy' },
      ],
    },
    serverRow({ name: 'mcp-web', endpoint: server.url }),
    serverRow({ name: 'gone', endpoint: nobody, health: 'stale' }),
    serverRow({ name: 'far', endpoint: server.url, tenant: 'acme' }),
  ];
  await gateway.configure('servers', { version: 1_000, servers });
  await gateway.configure('policy', {
    version: 2,
    profiles: [profileRow(), profileRow('strict', { tool_denylist: ['mcp.files.add'] })],
  });
  const auth = authPayload(2);
  const rows = (auth['keys'] as readonly JsonObject[]).map((row) =>
    row['principal'] === 'zoe' || row['principal'] === 'strict' ? { ...row, scopes: ['mcp', 'admin'] } : row,
  );
  await gateway.configure('auth', { ...auth, keys: rows });
  assert.ok(await gateway.gateway.ready([], 5_000));
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

interface Asked extends ProbeRequest {
  /** Default: the admin's. */
  readonly key?: string;
}

const ask = (path: string, { key = keys.admin, ...request }: Asked = {}): Promise<ProbeResponse> =>
  probe(gateway.url, {
    path: `/api/v1/mcp${path}`,
    ...request,
    headers: [['x-api-key', key], ...(request.headers ?? [])],
  });

const execute = (service: string, body: unknown, over: Asked = {}): Promise<ProbeResponse> =>
  ask(`/${service}/execute`, {
    headers: [['content-type', 'application/json']],
    body: JSON.stringify(body),
    ...over,
  });

interface RestError {
  readonly error: { readonly code: string; readonly message: string; readonly details: JsonObject };
}

function refused(response: ProbeResponse, status: number, code: string, says: RegExp): void {
  assert.equal(response.status, status, response.body);
  assert.match(response.header('content-type') ?? '', /^application\/json/);
  const { error } = response.json() as RestError;
  assert.equal(error.code, code);
  assert.match(error.message, says);
  assert.ok(!response.body.includes('cmk_'));
}

describe('the lists of servers', () => {
  it('hold the names of the own tenant', async () => {
    assert.deepEqual((await ask('/services')).json(), ['files', 'gone', 'mcp-web']);
    assert.deepEqual((await ask('/services', { key: keys.zoe })).json(), ['far']);
  });

  it('say of each how it is, in two places', async () => {
    const overview = (await ask('/status')).json() as {
      services: Record<string, JsonObject>;
      summary: JsonObject;
    };
    assert.deepEqual(overview.services['files'], { healthy: true, available: true, instances: 2 });
    assert.partialDeepStrictEqual(overview.services['gone'], {
      healthy: false,
      available: false,
      instances: 1,
    });
    assert.match(String(overview.services['gone']?.['reason']), /"gone" cannot be reached/);
    assert.deepEqual(overview.summary, { total: 3, healthy: 2, unhealthy: 1 });
    assert.deepEqual((await ask('/health')).json(), overview);
  });
});

describe('one server', () => {
  for (const path of ['/files', '/services/files', '/mcp-files', '/services/mcp-files']) {
    it(`shows its instances at ${path}/status`, async () => {
      assert.deepEqual((await ask(`${path}/status`)).json(), {
        service: 'files',
        instances: 2,
        healthy: 1,
        details: [
          { id: 'files-1', address: server.url, state: 'HEALTHY', tags: ['blue'] },
          { id: 'files-2', address: nobody, state: 'UNHEALTHY', tags: [] },
        ],
      });
    });

    it(`shows what it offers at ${path}/capabilities`, async () => {
      const offers = (await ask(`${path}/capabilities`)).json() as Record<string, readonly string[]>;
      assert.deepEqual([...(offers['tools'] ?? [])].sort(), [...server.catalogue.toolNames].sort());
      assert.ok(offers['resources']?.includes('fixture://notes/welcome'));
      assert.ok(offers['resource_templates']?.includes('fixture://people/{name}'));
      assert.ok(offers['prompts']?.includes('review'));
      assert.equal(offers['service'], 'files');
    });

    it(`runs a tool at ${path}/execute`, async () => {
      const { status, body } = await execute(path.slice(1), { command: 'add', params: { a: 1, b: 2 } });
      assert.equal(status, 200);
      assert.partialDeepStrictEqual(JSON.parse(body), {
        service: 'files',
        success: true,
        result: { structuredContent: { sum: 3 } },
      });
    });
  }

  it('may be called mcp-… itself, and is then found by either name', async () => {
    for (const path of ['/mcp-web', '/mcp-mcp-web'])
      assert.equal(((await ask(`${path}/status`)).json() as JsonObject)['service'], 'mcp-web');
    refused(
      await ask('/web/status'),
      404,
      'unknown_server',
      /no server "web"; known: files, gone, mcp-web\./,
    );
  });

  it('that nobody knows, or of another tenant, is a 404 at every route', async () => {
    for (const name of ['nope', 'far', 'A.B', '%2e%2e', 'x'.repeat(500)]) {
      for (const route of ['status', 'capabilities'])
        refused(await ask(`/${name}/${route}`), 404, 'unknown_server', /^There is no server ".*known: files/);
      refused(await execute(name, { command: 'echo' }), 404, 'unknown_server', /^There is no server/);
    }
  });

  it('that was never listed offers nothing, and says so with empty lists', async () => {
    assert.deepEqual((await ask('/gone/capabilities')).json(), {
      service: 'gone',
      tools: [],
      resources: [],
      resource_templates: [],
      prompts: [],
    });
  });
});

describe('execute', () => {
  it('takes the name of a tool, under command or method, with or without params', async () => {
    for (const body of [{ command: 'counted' }, { method: 'counted' }, { command: 'counted', params: {} }]) {
      assert.partialDeepStrictEqual((await execute('files', body)).json(), {
        success: true,
        result: { content: [{ type: 'text' }] },
      });
    }
  });

  it('takes params as deep as a call over MCP may be', async () => {
    const deep = (levels: number): string =>
      `{"command":"echo","params":{"text":"deep","a":${'['.repeat(levels)}${']'.repeat(levels)}}}`;
    const send = (levels: number) =>
      ask('/files/execute', { headers: [['content-type', 'application/json']], body: deep(levels) });
    assert.equal((await send(189)).status, 200);
    refused(await send(190), 400, 'bad_params', /nesting is deeper than 190/);
  });

  it('takes an MCP method, which it knows by its slash', async () => {
    const listed = (await execute('files', { command: 'tools/list' })).json() as {
      result: { tools: readonly JsonObject[] };
    };
    assert.equal(listed.result.tools.length, server.catalogue.toolNames.length);
    assert.equal(listed.result.tools[0]?.['name'], 'echo', 'under its own name');
    const read = await execute('files', {
      method: 'resources/read',
      params: { uri: 'fixture://notes/welcome' },
    });
    assert.match(read.body, /fixture:\/\/notes\/welcome/);
  });

  it('keeps every field of the answer, a failing tool included', async () => {
    const { status, body } = await execute('files', { command: 'fail', params: { text: 'no' } });
    assert.equal(status, 200);
    assert.partialDeepStrictEqual(JSON.parse(body), {
      success: true,
      result: { isError: true, 'x-fixture-result': { kept: true } },
    });
  });

  it('answers 422 with the error that the server gave', async () => {
    const { status, body } = await execute('files', { command: 'nothing' });
    assert.equal(status, 422);
    assert.partialDeepStrictEqual(JSON.parse(body), {
      service: 'files',
      success: false,
      error: { code: -32602 },
    });
  });

  const json: readonly (readonly [string, string])[] = [['content-type', 'application/json']];
  const faults: readonly [name: string, over: Asked, status: number, code: string, says: RegExp][] = [
    ['half a JSON text', { headers: json, body: '{"command":' }, 400, 'bad_json', /not valid JSON/],
    ['no body', { headers: json, body: '' }, 400, 'bad_params', /"command" is missing/],
    ['a list', { headers: json, body: '[1]' }, 400, 'bad_request', /The body is a JSON object/],
    ['a text', { headers: json, body: '"echo"' }, 400, 'bad_json', /not valid JSON/],
    [
      'another content type',
      { headers: [['content-type', 'text/plain']], body: '{"command":"echo"}' },
      415,
      'wrong_content_type',
      /"text\/plain"; send application\/json/,
    ],
    [
      'no content type',
      { headers: [], body: '{"command":"echo"}' },
      415,
      'wrong_content_type',
      /send application\/json/,
    ],
    [
      'an unknown charset',
      { headers: [['content-type', 'application/json; charset=klingon']], body: '{}' },
      400,
      'bad_request',
      /Unsupported/,
    ],
    [
      'too many bytes',
      { headers: json, body: JSON.stringify({ command: 'x'.repeat(9_000) }) },
      413,
      'body_too_large',
      /larger than 8192 bytes/,
    ],
    [
      'a compressed body that is none',
      { headers: [...json, ['content-encoding', 'gzip']], body: 'not gzip' },
      400,
      'bad_request',
      /[.]$/,
    ],
    [
      'params deep enough to break a careless reader',
      { headers: json, body: `{"command":"echo","params":{"a":${'['.repeat(4_000)}${']'.repeat(4_000)}}}` },
      400,
      'bad_params',
      /nesting is deeper than/,
    ],
    ['nothing to do', { headers: json, body: '{}' }, 400, 'bad_params', /"command" is missing/],
    [
      'an empty command',
      { headers: json, body: '{"command":""}' },
      400,
      'bad_params',
      /"command" is missing/,
    ],
    [
      'a number as command',
      { headers: json, body: '{"command":7}' },
      400,
      'bad_params',
      /"command" is missing/,
    ],
    [
      'params as a list',
      { headers: json, body: '{"command":"echo","params":[]}' },
      400,
      'bad_params',
      /"params" is an object/,
    ],
    [
      'params too deep',
      { headers: json, body: `{"command":"echo","params":{"a":${'['.repeat(300)}${']'.repeat(300)}}}` },
      400,
      'bad_params',
      /nesting is deeper than/,
    ],
    [
      'a method of the other era',
      { headers: json, body: '{"command":"server/discover"}' },
      404,
      'unknown_method',
      /"server\/discover" is not served here/,
    ],
    [
      'a subscription',
      { headers: json, body: '{"command":"subscriptions/listen"}' },
      404,
      'unknown_method',
      /is not served here/,
    ],
  ];
  for (const timeout of ['0', '-1', '301', '"5"', 'null', '1e999', '[]']) {
    it(`refuses a timeout of ${timeout}`, async () => {
      const response = await ask('/files/execute', {
        headers: [['content-type', 'application/json']],
        body: `{"command":"echo","timeout":${timeout}}`,
      });
      if (timeout === 'null') assert.equal(response.status, 200, 'null counts as not given');
      else refused(response, 400, 'bad_params', /"timeout" is a number of seconds above 0, at most 300\./);
    });
  }
  for (const [name, over, status, code, says] of faults) {
    it(`answers ${name} with ${status} ${code}`, async () => {
      refused(await ask('/files/execute', { method: 'POST', ...over }), status, code, says);
    });
  }

  it('ends a call at its own timeout, and never later than the gateway would', async () => {
    const before = performance.now();
    refused(
      await execute('files', { command: 'slow', params: { ms: 20_000 }, timeout: 0.05 }),
      504,
      'upstream_timeout',
      /within 50 ms/,
    );
    assert.ok(performance.now() - before < 2_000);
    refused(
      await execute('files', { command: 'slow', params: { ms: 20_000 }, timeout: 300 }),
      504,
      'upstream_timeout',
      /within 1500 ms/,
    );
    await until(() => server.catalogue.aborted >= 2, 'the end at the server');
  });

  it('ends the call of a caller who leaves', async () => {
    const [runs, ended] = [server.catalogue.executions.get('slow') ?? 0, server.catalogue.aborted];
    const left = execute('files', { command: 'slow', params: { ms: 20_000 } }, { timeoutMs: 100 });
    await assert.rejects(left);
    await until(() => (server.catalogue.executions.get('slow') ?? 0) > runs, 'the call');
    await until(() => server.catalogue.aborted > ended, 'its end at the server');
  });

  it('says that a server cannot be reached', async () => {
    refused(
      await execute('gone', { command: 'echo' }),
      503,
      'upstream_unavailable',
      /"gone" cannot be reached/,
    );
  });

  it('keeps to the policy of the caller', async () => {
    const body = { command: 'add', params: { a: 1, b: 2 } };
    refused(
      await execute('files', body, { key: keys.strict }),
      403,
      'forbidden',
      /"mcp\.files\.add" is not allowed/,
    );
    assert.equal(
      (await execute('files', { command: 'echo', params: { text: 'x' } }, { key: keys.strict })).status,
      200,
    );
  });
});

describe('every route of REST', () => {
  const routes = [
    '/status',
    '/health',
    '/services',
    '/files/status',
    '/services/files/capabilities',
    '/files/execute',
    '/nothing/at/all',
    '/',
  ];
  for (const route of routes) {
    for (const method of ['GET', 'POST']) {
      it(`${method} ${route} needs a key with the scope admin`, async () => {
        const none = await probe(gateway.url, { path: `/api/v1/mcp${route}`, method });
        refused(none, 401, 'unauthenticated', /An API key is needed/);
        assert.equal(none.header('www-authenticate'), 'Bearer realm="cruvero-mcp"');
        refused(await ask(route, { method, key: 'cmk_wrong' }), 401, 'unauthenticated', /not known here/);
        refused(
          await ask(route, { method, key: keys.alice }),
          403,
          'forbidden',
          /not the scope "admin"; it has: mcp/,
        );
        refused(
          await ask(route, { method, headers: [['X-Api-Key', keys.admin]] }),
          400,
          'bad_request',
          /sent more than once/,
        );
      });
    }
  }

  it('that is not there is a 404', async () => {
    for (const [path, method] of [
      ['', 'GET'],
      ['/nothing/at/all', 'GET'],
      ['/files/status', 'POST'],
      ['/files/execute', 'GET'],
      ['/files/restart', 'POST'],
      ['/services/files', 'DELETE'],
    ] as const)
      refused(await ask(path, { method }), 404, 'no_such_path', /^Nothing is served at/);
  });

  it('takes no name that cannot be decoded', async () => {
    refused(await ask('/%E0%A4%A/status'), 400, 'bad_request', /Bad Request/);
  });

  it('says nothing of the software behind it', async () => {
    const response = await ask('/services');
    assert.equal(response.header('x-powered-by'), undefined);
    assert.equal(response.header('etag'), undefined);
  });

  it('left no line about a failure inside', () => {
    assert.deepEqual(
      gateway.telemetry.lines.filter(({ level }) => level === 'error'),
      [],
    );
  });
});
