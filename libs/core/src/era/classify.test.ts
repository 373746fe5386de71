/** The decision table of eras, as a table. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isFault } from '../model/fault.ts';
import { classify, eraOf, type EraHeaders } from './classify.ts';
import { readMessage } from './message.ts';

const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

interface Case {
  readonly method?: string;
  readonly params?: object;
  readonly headers?: Partial<EraHeaders>;
  readonly id?: number | undefined;
}

function judge({ method = 'tools/list', params, headers = {}, ...rest }: Case) {
  const id = 'id' in rest ? rest.id : 1;
  const message = readMessage(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  assert.ok(!isFault(message) && message.kind !== 'response');
  return classify(message, {
    protocolVersion: undefined,
    mcpMethod: undefined,
    mcpName: undefined,
    ...headers,
  });
}

const modern = { protocolVersion: '2026-07-28', mcpMethod: 'tools/list' };
const call = { method: 'tools/call', params: { name: 'é', _meta: modernMeta } };
const callHeaders = { protocolVersion: '2026-07-28', mcpMethod: 'tools/call' };

describe('classify', () => {
  const eras: readonly [string, Case, object][] = [
    [
      'no version anywhere is legacy, the oldest that Streamable HTTP has',
      {},
      { era: 'legacy', version: '2025-03-26' },
    ],
    [
      'a legacy header',
      { headers: { protocolVersion: '2025-06-18' } },
      { era: 'legacy', version: '2025-06-18' },
    ],
    [
      'initialize is legacy whatever header it wears',
      { method: 'initialize', headers: modern },
      { era: 'legacy' },
    ],
    [
      'a method that every object has from its prototype',
      {
        method: 'constructor',
        params: { _meta: modernMeta },
        headers: { ...modern, mcpMethod: 'constructor' },
      },
      { era: 'modern' },
    ],
    [
      'a call of no name, without Mcp-Name',
      { method: 'tools/call', params: { _meta: modernMeta }, headers: callHeaders },
      { era: 'modern' },
    ],
    [
      'a call of no name, with an empty Mcp-Name',
      { method: 'tools/call', params: { _meta: modernMeta }, headers: { ...callHeaders, mcpName: '' } },
      { era: 'modern' },
    ],
    [
      'a modern envelope with its headers',
      { params: { _meta: modernMeta }, headers: modern },
      { era: 'modern', version: '2026-07-28' },
    ],
    [
      'a name in base64',
      { ...call, headers: { ...callHeaders, mcpName: '=?base64?w6k=?=' } },
      { era: 'modern' },
    ],
    [
      'a modern notification without Mcp-Method',
      {
        method: 'notifications/x',
        id: undefined,
        params: { _meta: modernMeta },
        headers: { protocolVersion: '2026-07-28' },
      },
      { era: 'modern' },
    ],
    ['_meta with a member called fault', { params: { _meta: { fault: 'x' } } }, { era: 'legacy' }],
  ];
  for (const [name, given, expected] of eras) {
    it(`finds the era: ${name}`, () => assert.partialDeepStrictEqual(judge(given), expected));
  }

  const faults: readonly [string, Case, string, RegExp][] = [
    [
      'an unknown version in the header',
      { headers: { protocolVersion: '1999-01-01' } },
      'unsupported_version',
      /.*/,
    ],
    ['a modern header without envelope', { headers: modern }, 'bad_params', /protocolVersion/],
    [
      'an envelope without capabilities',
      { params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }, headers: modern },
      'bad_params',
      /clientCapabilities/,
    ],
    [
      'an envelope without the version header',
      { params: { _meta: modernMeta } },
      'header_mismatch',
      /MCP-Protocol-Version is missing/,
    ],
    [
      'a header of another version',
      { params: { _meta: modernMeta }, headers: { ...modern, protocolVersion: '2025-11-25' } },
      'header_mismatch',
      /2025-11-25/,
    ],
    [
      'no Mcp-Method',
      { params: { _meta: modernMeta }, headers: { protocolVersion: '2026-07-28' } },
      'header_mismatch',
      /Mcp-Method is missing/,
    ],
    [
      'another Mcp-Method',
      { params: { _meta: modernMeta }, headers: { ...modern, mcpMethod: 'tools/call' } },
      'header_mismatch',
      /Mcp-Method/,
    ],
    [
      'Mcp-Method in other letters',
      { params: { _meta: modernMeta }, headers: { ...modern, mcpMethod: 'Tools/List' } },
      'header_mismatch',
      /Mcp-Method/,
    ],
    ['no Mcp-Name', { ...call, headers: callHeaders }, 'header_mismatch', /Mcp-Name is missing/],
    [
      'another Mcp-Name',
      { ...call, headers: { ...callHeaders, mcpName: 'other' } },
      'header_mismatch',
      /"other"/,
    ],
    [
      'a Mcp-Name with broken base64',
      { ...call, headers: { ...callHeaders, mcpName: '=?base64?%?=' } },
      'header_mismatch',
      /base64/,
    ],
    [
      'a version of the future, said in both places',
      {
        params: { _meta: { ...modernMeta, 'io.modelcontextprotocol/protocolVersion': '2999-01-01' } },
        headers: { ...modern, protocolVersion: '2999-01-01' },
      },
      'unsupported_version',
      /.*/,
    ],
    [
      'a version that is no string',
      { params: { _meta: { 'io.modelcontextprotocol/protocolVersion': 7 } } },
      'bad_params',
      /string/,
    ],
    ['_meta that is no object', { params: { _meta: [] } }, 'bad_params', /object/],
    [
      'initialize with a modern envelope',
      {
        method: 'initialize',
        params: { _meta: modernMeta },
        headers: { ...modern, mcpMethod: 'initialize' },
      },
      'unknown_method',
      /.*/,
    ],
    [
      'a method that this era dropped',
      { method: 'ping', params: { _meta: modernMeta }, headers: { ...modern, mcpMethod: 'ping' } },
      'unknown_method',
      /.*/,
    ],
  ];
  for (const [name, given, fault, detail] of faults) {
    it(`refuses ${name}`, () => {
      const judged = judge(given);
      assert.ok(isFault(judged));
      assert.equal(judged.fault, fault);
      assert.match('detail' in judged ? judged.detail : '', detail);
    });
  }

  it('gives an era or a fault for anything, and never throws', () => {
    const header = fc.option(
      fc.oneof(fc.constantFrom('2026-07-28', '2025-11-25', 'tools/call'), fc.string()),
      { nil: undefined },
    );
    const meta = fc.option(fc.oneof(fc.constant(modernMeta), fc.jsonValue()), { nil: undefined });
    fc.assert(
      fc.property(header, header, header, meta, (protocolVersion, mcpMethod, mcpName, _meta) => {
        const judged = judge({
          method: 'tools/call',
          params: { name: 'x', _meta },
          headers: { protocolVersion, mcpMethod, mcpName },
        });
        assert.ok(isFault(judged) || judged.era === 'legacy' || judged.era === 'modern');
      }),
    );
  });

  it('knows the era of a version', () => {
    assert.equal(eraOf('2026-07-28'), 'modern');
    assert.equal(eraOf('2025-11-25'), 'legacy');
  });
});
