/** Tests of the rules on source files. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryRepo, told } from './memory-repo.fixture.ts';
import * as rules from './source-rules.ts';

const says = '/** Says what it is for. */\n';
/** Marks are put together here, so that this file does not hold them. */
const later = ['TO', 'DO'].join('');

describe('a file opens with a sentence', () => {
  it('in one line, in several, and below a shebang', () => {
    const repo = memoryRepo({
      'a.ts': says,
      'b.ts': '/**\n * Says what\n * it is for.\n */\nexport {};\n',
      'c.ts': `#!/usr/bin/env node\n${says}`,
      'd.md': '# no source',
    });
    assert.deepEqual(told(rules.opensWithSentence(repo)), []);
  });

  it('not with an import, a plain comment, a word or nothing', () => {
    const repo = memoryRepo({
      'a.ts': "import 'x';\n",
      'b.ts': '// Says what it is for.\n',
      'c.ts': '/** Ids. */\n',
      'd.ts': '',
    });
    assert.deepEqual(
      rules.opensWithSentence(repo).map(({ path }) => path),
      ['a.ts', 'b.ts', 'c.ts', 'd.ts'],
    );
  });
});

describe('length and names', () => {
  it('finds a file of 501 lines, and none of 500', () => {
    const repo = memoryRepo({
      'a.ts': 'x\n'.repeat(500),
      'b.ts': 'x\n'.repeat(501),
      'c.json': 'x\n'.repeat(900),
    });
    assert.deepEqual(told(rules.notTooLong(repo)), ['b.ts 501 lines; at most 500']);
  });

  it('finds names that say nothing, in files and folders, as whole words only', () => {
    const repo = memoryRepo({
      'libs/core/src/string-utils.ts': says,
      'libs/common/src/clock.ts': says,
      'libs/core/src/base64.ts': says,
      'libs/core/src/package-manager-guard.ts': says,
      'tsconfig.base.json': '{}',
    });
    assert.deepEqual(
      rules
        .namesSaySomething(repo)
        .map(({ path }) => path)
        .sort(),
      ['libs/common', 'libs/core/src/package-manager-guard.ts', 'libs/core/src/string-utils.ts'],
    );
  });
});

describe('what may not be left', () => {
  it('is a mark of unfinished work', () => {
    const repo = memoryRepo({
      'a.ts': `${says}\n// ${later}: more\n`,
      'b.md': `# A\n${later}\n`,
      'c.ts': `${says}${later}S\n`,
    });
    assert.deepEqual(told(rules.nothingLeftOver(repo)), [
      'a.ts:3 finish it, or open an issue',
      'b.md:2 finish it, or open an issue',
    ]);
  });

  it('is a test that stands alone or is left out', () => {
    const only = ['it.on', 'ly('].join('');
    const option = ['{ sk', 'ip: true }'].join('');
    const repo = memoryRepo({
      'a.test.ts': `${only}'x');\n\nit('y', ${option});\n`,
      'a.ts': `q.${only}1);\n`,
    });
    assert.deepEqual(told(rules.nothingLeftOver(repo)), [
      'a.test.ts:1 no test is left out',
      'a.test.ts:3 no test is left out',
    ]);
  });

  it('is an empty folder', () => {
    const repo = memoryRepo({}, { emptyFolders: ['docs/how-to'] });
    assert.deepEqual(told(rules.noEmptyFolders(repo)), ['docs/how-to an empty folder']);
  });
});

describe('no trace of the machine', () => {
  const machineFolders = ['/build/cruvero', '/build', '/users/me'];
  const finds = (text: string): number =>
    rules.noTraceOfMachine(memoryRepo({ 'a.md': text }, { machineFolders })).length;

  it('finds the checkout, what it lies in, and the home', () => {
    assert.equal(finds('see /build/cruvero/docs'), 1);
    assert.equal(finds('"/build/other/a.md"'), 1);
    assert.equal(finds('file:///users/me/x and `/users/me`'), 2);
  });

  it('lets similar paths be', () => {
    assert.equal(finds('libs/build/x ./build/x /builder/x /buildings'), 0);
  });

  it('finds package registries, and not our own', () => {
    const host = ['registry', 'npmjs', 'org'].join('.');
    assert.equal(finds(`https://${host}/x`), 1);
    assert.equal(finds(['https://my.arti', 'factory.example/npm'].join('')), 1);
    assert.equal(finds(['registry', '=http://10.0.0.1:4873/'].join('')), 1);
    assert.equal(finds('http://registry:8081/admin registry.register(server)'), 0);
  });
});

describe('migrations', () => {
  it('go both ways and have each number once', () => {
    const repo = memoryRepo({
      'migrations/0030_servers.up.sql': '',
      'migrations/0030_servers.down.sql': '',
      'migrations/0031_audit.up.sql': '',
      'migrations/0030_keys.up.sql': '',
      'migrations/0030_keys.down.sql': '',
      'migrations/more.sql': '',
    });
    assert.deepEqual(told(rules.migrationsInOrder(repo)), [
      'migrations/0031_audit.up.sql 0031_audit.down.sql is missing',
      'migrations/0030_keys.up.sql number 0030 is taken by servers',
      'migrations/more.sql call it NNNN_name.up.sql or NNNN_name.down.sql',
    ]);
  });
});
