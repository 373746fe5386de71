/** Anything at all sent to the gateway is answered: with a status, with a JSON body, and in time. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { probe, startModernServer, type FixtureServer, type ProbeResponse } from '@cruvero/testkit';
import { Client } from '../client.fixture.ts';
import { keys, stage, type Stage } from '../gateway.fixture.ts';

let server: FixtureServer;
let gateway: Stage;
let session: string;
before(async () => {
  server = await startModernServer();
  gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
  session = (await new Client('legacy', `${gateway.url}/mcp`, keys.alice).open()).session ?? '';
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

const runs = { numRuns: 150 };

function isAnswer(response: ProbeResponse): void {
  assert.ok(response.whole, 'the answer was cut');
  assert.ok(response.status >= 200 && response.status < 500, `${response.status}: ${response.body}`);
  if (response.status === 202 || response.status === 204) return void assert.equal(response.body, '');
  const type = response.header('content-type') ?? '';
  if (type === 'text/event-stream') return;
  assert.equal(type, 'application/json', response.body);
  const body = response.json() as { jsonrpc?: unknown; result?: unknown; error?: { message: unknown } };
  assert.ok(body.result !== undefined || typeof body.error?.message === 'string');
}

const fixed: readonly (readonly [string, string])[] = [
  ['content-type', 'application/json'],
  ['x-api-key', keys.alice],
];
const send = (
  path: string,
  body: string | Uint8Array,
  headers: readonly (readonly [string, string])[] = [],
) => probe(gateway.url + path, { headers: [...fixed, ...headers], body, timeoutMs: 5_000 });

const path = fc.constantFrom('/mcp', '/servers/files/mcp');
const headerText = fc.stringMatching(/^[\x21-\x7e]{0,40}$/);
const oddHeaders = fc.array(
  fc.tuple(
    fc.constantFrom(
      'mcp-session-id',
      'mcp-protocol-version',
      'mcp-method',
      'mcp-name',
      'accept',
      'traceparent',
      'tracestate',
      'last-event-id',
      'x-junk',
    ),
    fc.oneof(
      headerText,
      fc.constantFrom('2026-07-28', '2025-11-25', 'tools/call', '=?base64?/w==?=', '=?base64?'),
    ),
  ),
  { maxLength: 5 },
);
const method = fc.oneof(
  fc.constantFrom(
    'initialize',
    'ping',
    'tools/list',
    'tools/call',
    'prompts/get',
    'resources/read',
    'completion/complete',
    'server/discover',
    'notifications/cancelled',
    'logging/setLevel',
    'toString',
    '__proto__',
  ),
  fc.string(),
);
const messageLike = fc.record(
  {
    jsonrpc: fc.constantFrom('2.0', '1.0', 2),
    id: fc.oneof(fc.integer(), fc.string(), fc.jsonValue()),
    method: fc.oneof(method, fc.jsonValue()),
    params: fc.oneof(
      fc.record(
        {
          name: fc.oneof(fc.string(), fc.constantFrom('mcp.files.echo', 'echo', 'mcp..', 'mcp.files.')),
          uri: fc.string(),
          ref: fc.jsonValue(),
          arguments: fc.jsonValue(),
          _meta: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    ),
  },
  { requiredKeys: [] },
);

describe('the gateway answers', () => {
  it('any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(path, fc.uint8Array({ maxLength: 300 }), async (where, bytes) =>
        isAnswer(await send(where, bytes)),
      ),
      runs,
    );
  });

  it('any JSON', async () => {
    await fc.assert(
      fc.asyncProperty(path, fc.json(), async (where, text) => isAnswer(await send(where, text))),
      runs,
    );
  });

  it('anything that looks like a message, in a session', async () => {
    const inSession: readonly [string, string][] = [
      ['mcp-session-id', session],
      ['accept', 'application/json, text/event-stream'],
    ];
    await fc.assert(
      fc.asyncProperty(messageLike, async (message) =>
        isAnswer(await send('/mcp', JSON.stringify(message), inSession)),
      ),
      runs,
    );
  });

  it('anything that looks like a modern message', async () => {
    await fc.assert(
      fc.asyncProperty(path, method, fc.jsonValue(), fc.jsonValue(), async (where, called, params, meta) => {
        const own =
          typeof params === 'object' && params !== null && !Array.isArray(params) ? params : { name: params };
        const envelope = {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': meta,
          progressToken: meta,
        };
        const body = JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: called,
          params: { ...own, _meta: envelope },
        });
        const headers: [string, string][] = [['mcp-protocol-version', '2026-07-28']];
        if (/^[\x21-\x7e]+$/.test(called)) headers.push(['mcp-method', called]);
        isAnswer(await send(where, body, headers));
      }),
      runs,
    );
  });

  it('any headers', async () => {
    await fc.assert(
      fc.asyncProperty(path, oddHeaders, messageLike, async (where, headers, message) =>
        isAnswer(await send(where, JSON.stringify(message), headers)),
      ),
      runs,
    );
  });

  it('any path of the REST facade', async () => {
    const segment = fc.oneof(
      fc.constantFrom(
        'services',
        'files',
        'status',
        'execute',
        'capabilities',
        '%zz',
        '..',
        '%2e%2e',
        '__proto__',
      ),
      fc.stringMatching(/^[A-Za-z0-9%._~-]{1,12}$/),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { maxLength: 4 }),
        fc.constantFrom('GET', 'POST', 'DELETE'),
        fc.json(),
        async (segments, verb, body) => {
          const response = await probe(gateway.url, {
            method: verb,
            path: ['/api/v1/mcp', ...segments].join('/'),
            headers: [
              ['content-type', 'application/json'],
              ['x-api-key', keys.admin],
            ],
            body,
          });
          assert.ok(response.whole && response.status < 500, `${response.status} ${response.body}`);
          assert.match(response.header('content-type') ?? '', /^application\/json/);
          response.json();
        },
      ),
      runs,
    );
  });

  it('and is well after all of that: no error in the log, no call under way, and it still serves', async () => {
    assert.deepEqual(
      gateway.telemetry.lines.filter(({ level }) => level === 'error'),
      [],
    );
    const client = await new Client('modern', `${gateway.url}/mcp`, keys.alice).open();
    const { result } = await client.call('tools/call', {
      name: 'mcp.files.echo',
      arguments: { text: 'well' },
    });
    assert.match(JSON.stringify(result), /"well"/);
  });
});
