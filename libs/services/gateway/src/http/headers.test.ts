/** Tests of which headers the gateway reads, and that one sent twice is refused where it decides something. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { probe, serveHttp, type HttpHost } from '@cruvero/testkit';
import { eraHeaders, presented, repeatedHeader, sessionIdOf, traceOf } from './headers.ts';

type Header = readonly [name: string, value: string];

/** Shows what is read of a request as Node's own parser hands it over. */
let host: HttpHost;
before(async () => {
  host = await serveHttp((request, response) => {
    const read = {
      repeated: repeatedHeader(request),
      era: eraHeaders(request),
      presented: presented(request),
      session: sessionIdOf(request),
      trace: traceOf(request),
    };
    response.end(JSON.stringify(read));
  });
});
after(() => host.close());

async function read(...headers: readonly Header[]): Promise<Readonly<Record<string, unknown>>> {
  return (await probe(host.origin, { headers })).json() as Readonly<Record<string, unknown>>;
}

describe('the headers of a request', () => {
  it('are read where they are, in any case, and absent where they are not', async () => {
    assert.deepEqual(await read(), { era: {}, presented: {} });
    const headers: readonly Header[] = [
      ['MCP-Protocol-Version', '2026-07-28'],
      ['mcp-method', 'tools/call'],
      ['Mcp-Name', '=?base64?w6Q=?='],
      ['AUTHORIZATION', 'Bearer k'],
      ['X-Api-Key', 'k'],
      ['Mcp-Session-Id', 's'],
      ['traceparent', 'p'],
      ['tracestate', 'a=1'],
    ];
    assert.deepEqual(await read(...headers), {
      era: { protocolVersion: '2026-07-28', mcpMethod: 'tools/call', mcpName: '=?base64?w6Q=?=' },
      presented: { authorization: 'Bearer k', apiKey: 'k' },
      session: 's',
      trace: { traceparent: 'p', tracestate: 'a=1' },
    });
  });

  it('give no trace where there is a state without a parent, and one without a state', async () => {
    assert.equal((await read(['tracestate', 'a=1']))['trace'], undefined);
    assert.deepEqual((await read(['traceparent', 'p']))['trace'], { traceparent: 'p' });
  });
});

describe('a header sent twice', () => {
  for (const name of [
    'authorization',
    'x-api-key',
    'mcp-session-id',
    'mcp-protocol-version',
    'mcp-method',
    'mcp-name',
  ]) {
    it(`is refused where it is ${name}, equal or not, in any case, wherever it stands`, async () => {
      const refused = {
        fault: 'bad_request',
        detail: `The header ${name} was sent more than once; send it once.`,
      };
      assert.deepEqual(
        (await read([name, 'a'], ['x-between', 'b'], [name.toUpperCase(), 'c']))['repeated'],
        refused,
      );
      assert.deepEqual((await read([name, 'a'], [name, 'a']))['repeated'], refused);
      assert.deepEqual((await read([name, ''], [name, 'a']))['repeated'], refused);
      // A name that an object cannot hold must not hide another one.
      assert.deepEqual((await read(['__proto__', 'x'], [name, 'a'], [name, 'b']))['repeated'], refused);
    });
  }

  it('passes where it decides nothing', async () => {
    assert.equal(
      (await read(['accept', 'a'], ['accept', 'b'], ['x-any', '1'], ['x-any', '2']))['repeated'],
      undefined,
    );
  });
});
