/** Label sets are found in any order, kept apart, and bounded. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { LabelSets } from './label-sets.ts';

const counters = (setsMax: number) => new LabelSets(setsMax, () => ({ total: 0 }));

test('the order of labels does not matter, and no labels are a set too', () => {
  const sets = counters(10);
  sets.of({ a: '1', b: '2' }).total += 1;
  sets.of({ b: '2', a: '1' }).total += 1;
  sets.of().total += 5;
  sets.of({}).total += 5;
  assert.deepEqual(
    [...sets.cells()].map(({ labels, value }) => [labels, value.total]),
    [
      [{ a: '1', b: '2' }, 2],
      [{}, 10],
    ],
  );
});

test('a value cannot pass itself off as another label', () => {
  const sets = counters(10);
  for (const forged of ['1b=2', '1b=1:2', '1:2b=1:2']) {
    assert.notEqual(sets.of({ a: forged }), sets.of({ a: '1', b: '2' }));
  }
  assert.notEqual(sets.of({ a: '', b: 'x' }), sets.of({ a: 'x', b: '' }));
});

test('sets beyond the bound count as other, and nothing is lost', () => {
  const sets = counters(3);
  for (let i = 0; i < 10_000; i += 1) sets.of({ tool: `t${i}`, status: 'ok' }).total += 1;
  sets.of({ tool: 't1', status: 'ok' }).total += 1;
  const cells = [...sets.cells()];
  assert.equal(cells.length, 4);
  assert.deepEqual(cells.at(-1), { labels: { status: 'other', tool: 'other' }, value: { total: 9_997 } });
  assert.equal(sets.folded, 9_997);
  assert.equal(
    cells.reduce((sum, { value }) => sum + value.total, 0),
    10_001,
  );
});

test('long values are cut', () => {
  const sets = counters(3);
  sets.of({ tool: 'x'.repeat(100_000) }).total += 1;
  sets.of({ tool: 'x'.repeat(200_000) }).total += 1;
  const [cell] = sets.cells();
  assert.equal(cell?.labels['tool']?.length, 160);
  assert.equal(cell?.value.total, 2);
});

test('every addition lands in the cell of its own labels', () => {
  const labels = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.string({ maxLength: 3 }));
  fc.assert(
    fc.property(fc.array(labels, { maxLength: 40 }), (many) => {
      const sets = counters(1_000);
      const expected = new Map<string, number>();
      const keyOf = (one: object) => JSON.stringify(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
      for (const one of many) {
        sets.of(one).total += 1;
        expected.set(keyOf(one), (expected.get(keyOf(one)) ?? 0) + 1);
      }
      const got = new Map([...sets.cells()].map((cell) => [keyOf(cell.labels), cell.value.total]));
      assert.deepEqual(new Map([...got].sort()), new Map([...expected].sort()));
    }),
  );
});
