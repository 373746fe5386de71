/** Tests of the order of test files and of the reading of coverage. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { addLcov, belowGate, byProject, runsSomething, toLcov } from './coverage.ts';
import type { Coverage } from './coverage.ts';
import { phasesOf, projectOf } from './phases.ts';
import { eachOf } from './pool.ts';

describe('phasesOf', () => {
  it('puts quick tests first and whole stacks last, one of these at a time', () => {
    const files = [
      'apps/e2e/a',
      'apps/gateway/b',
      'libs/adapters/x/c',
      'libs/core/d',
      'libs/services/y/e',
      'tools/f',
    ];
    assert.deepEqual(
      phasesOf(files, []).map(({ name, files: held, serial }) => [name, held, serial]),
      [
        ['unit and contract', ['libs/core/d', 'libs/services/y/e'], false],
        ['adapters', ['libs/adapters/x/c'], false],
        ['tools', ['tools/f'], false],
        ['apps', ['apps/gateway/b'], false],
        ['e2e', ['apps/e2e/a'], true],
      ],
    );
  });

  it('knows the project of a path', () => {
    assert.equal(projectOf('libs/core/src/model/ids.ts'), 'libs/core');
    assert.equal(projectOf('libs/services/registry/src/a.ts'), 'libs/services/registry');
    assert.equal(projectOf('apps/gateway/src/main.ts'), 'apps/gateway');
  });
});

describe('coverage', () => {
  it('adds up what several test files hit, and writes what it read', () => {
    const coverage: Coverage = new Map();
    addLcov(coverage, 'SF:libs/a/src/x.ts\nDA:1,1\nDA:2,0\nDA:3,0\nend_of_record\n', '/checkout');
    addLcov(coverage, 'SF:/checkout/libs/a/src/x.ts\nDA:1,2\nDA:2,4\nDA:3,0\nend_of_record\n', '/checkout');
    assert.equal(
      toLcov(coverage),
      'TN:\nSF:libs/a/src/x.ts\nDA:1,3\nDA:2,4\nDA:3,0\nLH:2\nLF:3\nend_of_record\n',
    );
    const projects = byProject(coverage);
    assert.deepEqual(
      projects.map(({ project, lines, covered }) => [project, lines, covered]),
      [['libs/a', 3, 2]],
    );
    assert.equal(belowGate(projects, 85).length, 1);
    assert.equal(belowGate(projects, 60).length, 0);
  });

  it('asks nothing of files that hold only types and re-exports', () => {
    assert.equal(
      runsSomething(
        "/** A. */\nimport type { B } from './b.ts';\nexport interface A { b: B }\nexport type C = A;\n",
      ),
      false,
    );
    assert.equal(runsSomething("export { a } from './a.ts';\nexport type { B } from './b.ts';\n"), false);
    assert.equal(runsSomething('export const a = 1;\n'), true);
  });
});

describe('eachOf', () => {
  it('does a few at a time and keeps the order', async () => {
    let now = 0;
    let most = 0;
    const results = await eachOf([30, 1, 20, 2], 2, async (n) => {
      most = Math.max(most, (now += 1));
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return n * 2;
    });
    assert.deepEqual([results, most], [[60, 2, 40, 4], 2]);
  });
});
