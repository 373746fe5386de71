/** What /proc says is read right. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { familyOf, parseStat, usageOf, type ProcessRow } from './process-table.ts';

const row = (
  pid: number,
  parentPid: number,
  groupId: number,
  more: Partial<ProcessRow> = {},
): ProcessRow => ({
  pid,
  parentPid,
  groupId,
  isZombie: false,
  cpuTicks: 3,
  rssPages: 10,
  ...more,
});

describe('process table', () => {
  it('reads a row whose name holds brackets and spaces', () => {
    const rest = 'S 7 8 8 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 1 0 900 1000 55 18446744073709551615';
    assert.deepEqual(parseStat(`42 (a) (b c) ${rest}`), {
      pid: 42,
      parentPid: 7,
      groupId: 8,
      isZombie: false,
      cpuTicks: 50,
      rssPages: 55,
    });
    assert.equal(parseStat(''), undefined);
  });

  it('counts the group and all descendants, in whatever order they stand', () => {
    const table = [
      row(30, 20, 30),
      row(20, 10, 10),
      row(10, 1, 10),
      row(11, 1, 10),
      row(99, 1, 99),
      row(31, 30, 30),
    ];
    assert.deepEqual(
      familyOf(10, table).map(({ pid }) => pid),
      [30, 20, 10, 11, 31],
    );
  });

  it('leaves out the dead', () => {
    assert.deepEqual(familyOf(10, [row(10, 1, 10, { isZombie: true })]), []);
  });

  it('has no figure for nobody', () => {
    assert.equal(usageOf([], 4_096), undefined);
    assert.deepEqual(usageOf([row(1, 0, 1), row(2, 1, 1)], 4_096), { rssBytes: 81_920, cpuMs: 60 });
  });
});
