/** What is read of the official program: its lists, and what it leaves in a folder. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { legacyOverModern, modernOverLegacy } from './expectations.ts';
import { namesOf, requirements, resultsIn } from './official.ts';

describe('the official program', () => {
  it('lists what the two revisions require of a server and of a client', async () => {
    const counts = await Promise.all(
      ['2025-11-25', '2026-07-28'].map(async (version) => [
        (await requirements('server', version)).required.length,
        (await requirements('client', version)).required.length,
      ]),
    );
    assert.deepEqual(counts, [
      [30, 18],
      [37, 32],
    ]);
  });

  it('lists the scenarios of a revision that has no requirements', async () => {
    const older = await namesOf('server', { kind: 'all', version: '2025-06-18' });
    assert.equal(older.length, 27);
    assert.ok(older.includes('tools-call-sampling') && !older.includes('server-stateless'));
  });

  it('has every scenario that is expected not to pass', async () => {
    for (const [version, expected] of [
      ['2026-07-28', modernOverLegacy],
      ['2025-11-25', legacyOverModern],
    ] as const) {
      const names = await namesOf('server', { kind: 'required', version });
      const unknown = Object.keys(expected).filter((name) => !names.includes(name));
      assert.deepEqual(unknown, version === '2025-11-25' ? ['tasks-status-notifications'] : []);
    }
  });
});

describe('an output folder of the official program', () => {
  it('gives one result a scenario, and a failure for one that left none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cruvero-conformance-test-'));
    const write = async (entry: string, checks: unknown): Promise<void> => {
      await mkdir(join(folder, entry));
      await writeFile(join(folder, entry, 'checks.json'), JSON.stringify(checks));
    };
    try {
      await write('server-server-initialize-2026-01-31T10-20-30-400Z', [{ id: 'a', status: 'SUCCESS' }]);
      await write('server-ping-2026-01-31T10-20-31-400Z', [{ id: 'b', status: 'FAILURE' }]);
      await mkdir(join(folder, 'server-tools-list-2026-01-31T10-20-32-400Z'));
      const results = await resultsIn(folder, 'server', [
        'server-initialize',
        'ping',
        'tools-list',
        'caching',
      ]);
      assert.deepEqual(
        results.map(({ name, status }) => [name, status]),
        [
          ['server-initialize', 'passed'],
          ['ping', 'failed'],
          ['tools-list', 'failed'],
          ['caching', 'failed'],
        ],
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
