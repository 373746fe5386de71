/** Ids are read strictly, and every fault speaks. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { faultData, faultMessage, faultTable, isFault, type Fault, type FaultName } from './fault.ts';
import { readGatewayId, readInstanceId, readServerName, readTenantId, serverKey } from './ids.ts';
import { isJsonObject, parseJsonObject } from './json.ts';

describe('ids', () => {
  const hostile = [
    '',
    '.',
    '..',
    'a/b',
    'a b',
    'a\n',
    '>',
    '*',
    'a.*',
    '__proto__/',
    '-a',
    'ü',
    'x'.repeat(200),
  ];
  for (const text of hostile) {
    it(`are not made out of ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.equal(readServerName(text), undefined);
      assert.equal(readTenantId(text), undefined);
      assert.equal(readGatewayId(text), undefined);
      assert.equal(readInstanceId(text), undefined);
    });
  }
  it('are not made out of anything but text', () => {
    for (const value of [undefined, null, 7, {}, ['a']]) assert.equal(readServerName(value), undefined);
  });
  it('make keys that never collide', () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,8}$/);
    fc.assert(
      fc.property(word, word, word, word, (t1, n1, t2, n2) => {
        const key = (t: string, n: string) =>
          serverKey(readTenantId(t) ?? assert.fail(), readServerName(n) ?? assert.fail());
        assert.equal(key(t1, n1) === key(t2, n2), t1 === t2 && n1 === n2);
      }),
    );
  });
});

const samples: { readonly [Name in FaultName]: Extract<Fault, { fault: Name }> } = {
  bad_json: { fault: 'bad_json', detail: 'd' },
  bad_request: { fault: 'bad_request', detail: 'd' },
  bad_params: { fault: 'bad_params', detail: 'd' },
  batch_refused: { fault: 'batch_refused', detail: 'd' },
  body_too_large: { fault: 'body_too_large', bytesMax: 7 },
  wrong_content_type: { fault: 'wrong_content_type', got: 'g' },
  not_acceptable: { fault: 'not_acceptable', got: 'g' },
  wrong_http_method: { fault: 'wrong_http_method', allow: 'POST' },
  no_such_path: { fault: 'no_such_path', path: '/x' },
  wrong_host: { fault: 'wrong_host', host: 'h' },
  wrong_origin: { fault: 'wrong_origin', origin: 'o' },
  header_mismatch: { fault: 'header_mismatch', detail: 'd' },
  unsupported_version: { fault: 'unsupported_version', requested: 'r', supported: ['s'] },
  missing_capability: { fault: 'missing_capability', detail: 'd', required: {} },
  unknown_session: { fault: 'unknown_session' },
  session_required: { fault: 'session_required' },
  unknown_method: { fault: 'unknown_method', method: 'm' },
  unauthenticated: { fault: 'unauthenticated', detail: 'd' },
  forbidden: { fault: 'forbidden', detail: 'd' },
  rate_limited: { fault: 'rate_limited', retryAfterMs: 5 },
  overloaded: { fault: 'overloaded', detail: 'd', retryAfterMs: 5 },
  unknown_server: { fault: 'unknown_server', server: 's', known: [] },
  unknown_tool: { fault: 'unknown_tool', name: 'n', hint: 'h' },
  unknown_resource: { fault: 'unknown_resource', uri: 'u' },
  upstream_unavailable: { fault: 'upstream_unavailable', server: 's', detail: 'd', neverLeft: true },
  upstream_timeout: { fault: 'upstream_timeout', server: 's', timeoutMs: 5 },
  upstream_broken: { fault: 'upstream_broken', server: 's', detail: 'd' },
  upstream_too_large: { fault: 'upstream_too_large', server: 's', bytesMax: 5 },
  credential_unavailable: {
    fault: 'credential_unavailable',
    server: 's',
    why: 'away',
    detail: 'd',
    retryAfterMs: 5,
  },
  cancelled: { fault: 'cancelled' },
  draining: { fault: 'draining' },
  internal: { fault: 'internal', detail: 'd' },
};

describe('faults', () => {
  for (const fault of Object.values(samples)) {
    it(`${fault.fault} says what was wrong, with a status and a code of its own kind`, () => {
      assert.ok(isFault(fault));
      assert.ok(faultMessage(fault).length > 0);
      assert.doesNotMatch(faultMessage(fault), /undefined|\[object/);
      const { httpStatus, code } = faultTable[fault.fault];
      assert.ok(httpStatus >= 200 && httpStatus < 600);
      // -32000..-32019 may not be allocated, -32023..-32099 are reserved by the specification
      assert.ok(code > -32000 || code < -32099 || [-32020, -32021, -32022].includes(code));
    });
  }

  it('carry data where a program can use it', () => {
    assert.deepEqual(faultData(samples.unsupported_version), { supported: ['s'], requested: 'r' });
    assert.deepEqual(faultData(samples.missing_capability), { requiredCapabilities: {} });
    assert.deepEqual(faultData(samples.rate_limited), { retryAfterMs: 5 });
    assert.deepEqual(faultData(samples.upstream_broken), { reason: 'upstream_broken', server: 's' });
    assert.deepEqual(faultData(samples.credential_unavailable), {
      reason: 'credential_unavailable',
      server: 's',
      why: 'away',
      retryAfterMs: 5,
    });
    assert.equal(faultData(samples.bad_json), undefined);
  });

  it('are told from results', () => {
    assert.equal(isFault({ kind: 'result' }), false);
    assert.equal(isFault(undefined), false);
    assert.equal(isFault(null), false);
  });
});

describe('JSON objects', () => {
  it('are told from everything else', () => {
    assert.ok(isJsonObject({}));
    for (const other of [null, [], 'x', 7, undefined]) assert.ok(!isJsonObject(other));
    assert.deepEqual(parseJsonObject('{"a":1}'), { a: 1 });
    assert.equal(parseJsonObject('[1]'), undefined);
    assert.equal(parseJsonObject('{'), undefined);
  });
});
