/** Which traceparents are parents, and what is passed on. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { parseTraceparent, traceContext, validTracestate } from './trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

describe('parseTraceparent', () => {
  test('takes version 00, and the beginning of later versions', () => {
    assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, flags: 1 });
    assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-00`), { traceId, spanId, flags: 0 });
    assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-ff-what-comes`), {
      traceId,
      spanId,
      flags: 3,
    });
  });

  test('refuses the rest', () => {
    const bad = [
      '',
      'junk',
      `ff-${traceId}-${spanId}-01`,
      `00-${traceId}-${spanId}-01-more`,
      `00-${traceId}-${spanId}-01 `,
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${traceId.slice(1)}-${spanId}-01`,
      `00-${traceId}-${spanId}`,
      `cc-${traceId}-${spanId}-01x`,
      `cc-${traceId}-${spanId}-01-${'x'.repeat(300)}`,
    ];
    for (const text of bad) assert.equal(parseTraceparent(text), undefined, text);
  });

  test('reads back what is written', () => {
    const hex = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 3 }), (trace, span, flags) => {
        fc.pre(!/^0+$/.test(trace) && !/^0+$/.test(span));
        const ids = { traceId: trace, spanId: span, flags };
        assert.deepEqual(parseTraceparent(traceContext(ids, undefined).traceparent), ids);
      }),
    );
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        parseTraceparent(text);
        validTracestate(text);
      }),
    );
  });
});

test('a tracestate is passed on where it is well formed and short', () => {
  assert.equal(
    validTracestate('rojo=00f067aa0ba902b7, congo=t61rcWkgMzE'),
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
  );
  assert.equal(validTracestate('a@b=1'), 'a@b=1');
  for (const text of [
    undefined,
    '',
    ',',
    'novalue',
    'A=1',
    'a=\r\nx: y',
    'a=b=c',
    `a=${'x'.repeat(600)}`,
    Array.from({ length: 33 }, (_, i) => `a${i}=1`).join(','),
  ]) {
    assert.equal(validTracestate(text), undefined, text ?? 'none');
  }
});
