/** Tests of the one place that writes statuses, headers and bodies. */

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { faultTable, type Fault } from '@cruvero/core';
import { probe, serveHttp, type ProbeResponse } from '@cruvero/testkit';
import { errorMessage, faultText, mcpStatus, sendFault, sendJson } from './respond.ts';

/** What arrives of what `write` writes. */
async function written(write: (response: ServerResponse) => void): Promise<ProbeResponse> {
  await using host = await serveHttp((_request, response) => write(response));
  return await probe(host.origin);
}

const faults: readonly Fault[] = [
  { fault: 'bad_json', detail: 'it ends early' },
  { fault: 'bad_request', detail: 'No.' },
  { fault: 'bad_params', detail: 'No.' },
  { fault: 'batch_refused', detail: 'No.' },
  { fault: 'body_too_large', bytesMax: 9 },
  { fault: 'wrong_content_type', got: 'a"b' },
  { fault: 'not_acceptable', got: '' },
  { fault: 'wrong_http_method', allow: 'POST' },
  { fault: 'no_such_path', path: '/x' },
  { fault: 'wrong_host', host: 'evil.test' },
  { fault: 'wrong_origin', origin: 'https://evil.test' },
  { fault: 'header_mismatch', detail: 'No.' },
  { fault: 'unsupported_version', requested: '1', supported: ['2'] },
  { fault: 'missing_capability', detail: 'No.', required: { roots: {} } },
  { fault: 'unknown_session' },
  { fault: 'session_required' },
  { fault: 'unknown_method', method: 'x/y' },
  { fault: 'unauthenticated', detail: 'No.' },
  { fault: 'forbidden', detail: 'No.' },
  { fault: 'rate_limited', retryAfterMs: 1_001 },
  { fault: 'overloaded', detail: 'No.', retryAfterMs: 0 },
  { fault: 'unknown_server', server: 'a', known: ['b'] },
  { fault: 'unknown_tool', name: 'a', hint: 'No.' },
  { fault: 'unknown_resource', uri: 'a:b' },
  { fault: 'upstream_unavailable', server: 'a', detail: 'gone', neverLeft: true },
  { fault: 'credential_unavailable', server: 'a', why: 'away', detail: 'No.', retryAfterMs: 0 },
  { fault: 'upstream_timeout', server: 'a', timeoutMs: 5 },
  { fault: 'upstream_broken', server: 'a', detail: 'cut' },
  { fault: 'upstream_too_large', server: 'a', bytesMax: 9 },
  { fault: 'cancelled' },
  { fault: 'draining' },
  { fault: 'internal', detail: 'a bug' },
];

describe('a fault over MCP', () => {
  it('is one of all kinds here', () => {
    assert.deepEqual(faults.map(({ fault }) => fault).sort(), Object.keys(faultTable).sort());
  });

  const insideCall = [
    'unknown_tool',
    'unknown_resource',
    'upstream_unavailable',
    'credential_unavailable',
    'upstream_timeout',
    'upstream_broken',
    'upstream_too_large',
  ];
  for (const fault of faults) {
    const { httpStatus, code } = faultTable[fault.fault];
    it(`${fault.fault} has its own status, or 200 where it is about one call among many`, () => {
      const modern = insideCall.includes(fault.fault) ? 200 : httpStatus;
      assert.equal(mcpStatus(fault, 'modern'), modern);
      assert.equal(
        mcpStatus(fault, 'legacy'),
        ['unknown_method', 'bad_params'].includes(fault.fault) ? 200 : modern,
      );
      assert.equal(mcpStatus(fault, undefined), fault.fault === 'unknown_method' ? 200 : modern);
    });

    it(`${fault.fault} is written as a JSON-RPC error with a sentence`, async () => {
      const response = await written((to) => sendFault(to, fault, '"a-1"', 'modern'));
      assert.equal(response.header('content-type'), 'application/json');
      assert.equal(response.header('cache-control'), 'no-store');
      assert.equal(Number(response.header('content-length')), Buffer.byteLength(response.body));
      assert.partialDeepStrictEqual(response.json(), { jsonrpc: '2.0', id: 'a-1', error: { code } });
      assert.match(response.body, /"message":"[A-Z].*[.]"/);
    });
  }

  it('tells machines what they need beside the sentence', async () => {
    const header = async (fault: Fault, name: string) =>
      (await written((to) => sendFault(to, fault))).header(name);
    assert.equal(await header({ fault: 'rate_limited', retryAfterMs: 1_001 }, 'retry-after'), '2');
    assert.equal(await header({ fault: 'overloaded', detail: 'No.', retryAfterMs: 0 }, 'retry-after'), '1');
    assert.equal(await header({ fault: 'wrong_http_method', allow: 'POST, GET' }, 'allow'), 'POST, GET');
    assert.equal(
      await header({ fault: 'unauthenticated', detail: 'No.' }, 'www-authenticate'),
      'Bearer realm="cruvero-mcp"',
    );
    assert.equal(await header({ fault: 'forbidden', detail: 'No.' }, 'www-authenticate'), undefined);
  });

  it('has null as its id where none is known', async () => {
    const { body } = await written((to) => sendFault(to, { fault: 'cancelled' }));
    assert.equal(body, errorMessage('null', faultText({ fault: 'cancelled' })));
  });
});

describe('JSON', () => {
  it('is not written over an answer that has begun, nor to somebody who left', async () => {
    const begun = await written((response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('first');
      sendJson(response, 500, '{}');
      response.end();
    });
    assert.equal(begun.status, 200);
    assert.equal(begun.body, 'first');
    await assert.rejects(
      written((response) => {
        response.destroy();
        sendJson(response, 200, '{}');
      }),
    );
  });
});
