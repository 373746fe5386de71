/** Tests of the rules on packages. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryRepo, told } from './memory-repo.fixture.ts';
import { dependenciesExplained, importsDeclared, packagesTagged, versionsPinned } from './package-rules.ts';

function packageText(
  name: string,
  dependencies: Readonly<Record<string, string>>,
  tags = ['type:service'],
): string {
  return JSON.stringify({ name, dependencies, nx: { tags } });
}

describe('dependencies', () => {
  it('and the rows of the list are the same', () => {
    const repo = memoryRepo({
      'package.json': JSON.stringify({ name: 'root', devDependencies: { nx: '1.0.0', prettier: '1.0.0' } }),
      'libs/a/package.json': packageText('@cruvero/a', { zod: '1.0.0', '@cruvero/core': '*' }),
      'docs/dependencies.md': '# D\n\n| package | why |\n|---|---|\n| `nx`, `zod` | x |\n| `left` | y |\n',
    });
    assert.deepEqual(told(dependenciesExplained(repo)), [
      'package.json prettier has no row in docs/dependencies.md',
      'docs/dependencies.md:6 no package.json has left',
    ]);
  });

  it('have one exact version', () => {
    const repo = memoryRepo({
      'package.json': JSON.stringify({
        name: 'root',
        devDependencies: { zod: '4.0.0', tsn: 'npm:typescript@7.0.2' },
      }),
      'libs/a/package.json': packageText('@cruvero/a', {
        zod: '4.0.1',
        pg: '^8.0.0',
        '@cruvero/core': '1.0.0',
      }),
    });
    assert.deepEqual(told(versionsPinned(repo)), [
      'libs/a/package.json zod 4.0.1 here, 4.0.0 elsewhere',
      'libs/a/package.json pg at "^8.0.0"; pin one exact version',
      'libs/a/package.json @cruvero/core at "1.0.0"; pin one exact version',
    ]);
  });
});

describe('packages', () => {
  it('have one type', () => {
    const repo = memoryRepo({
      'package.json': '{"name":"root"}',
      'libs/a/package.json': packageText('@cruvero/a', {}),
      'libs/b/package.json': packageText('@cruvero/b', {}, ['npm:private']),
    });
    assert.deepEqual(told(packagesTagged(repo)), [
      'libs/b/package.json nx.tags needs exactly one type:… tag',
    ]);
  });

  it('declare what their code imports', () => {
    const repo = memoryRepo({
      'package.json': JSON.stringify({ name: 'root', devDependencies: { 'fast-check': '1.0.0' } }),
      'libs/a/package.json': packageText('@cruvero/a', { zod: '4.0.0', '@cruvero/core': '*' }),
      'libs/a/src/one.ts': [
        "import { z } from 'zod';",
        "import {\n  type A,\n  b,\n} from '@cruvero/core';",
        "import { readFile } from 'node:fs';",
        "export type * from '@cruvero/ports';",
        "import 'pg/lib/x';",
        "const late = await import('@nats-io/kv/deep');",
        "import { one } from './two.ts';",
        "import '@cruvero/a';",
        "export const words = ['from', 'fast-check'];",
      ].join('\n'),
      'libs/a/src/one.test.ts':
        "import fc from 'fast-check';\nimport { SimClock } from '@cruvero/testkit';\n",
    });
    assert.deepEqual(told(importsDeclared(repo)), [
      'libs/a/src/one.ts:7 @cruvero/ports is not in libs/a/package.json',
      'libs/a/src/one.ts:8 pg is not in libs/a/package.json',
      'libs/a/src/one.ts:9 @nats-io/kv is not in libs/a/package.json',
      'libs/a/src/one.ts:11 imports its own package; import the file',
    ]);
  });
});
