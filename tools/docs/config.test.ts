/** The page of settings: complete, current, and safe to build from any text. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { describeConfig, Secret } from '@cruvero/chassis';

import { configPage } from './config-page.ts';
import { writeConfigPage } from './config.ts';
import { sections } from './sections.ts';

test('the page names every setting of every section, with its default', async () => {
  const page = configPage(sections);
  for (const section of sections) {
    assert.ok(page.includes(`## ${section.title}\n`));
    for (const one of section.describe()) assert.ok(page.includes(`| \`${one.name}\` |`), one.name);
  }
});

test('a row says what is required, what stands if nothing is set, and never a secret', () => {
  const describe = () =>
    describeConfig((read) => [
      read.text('A', { help: 'One | two\nthree.' }),
      read.durationMs('B', { help: 'Wait.', orElse: 90_000 }),
      read.optionalText('C', { help: 'Maybe.' }),
      read.secret('D', { help: 'Key.', orElse: new Secret('hunter2') }),
      read.list('E', { help: 'Many.', orElse: [] }),
    ]);
  const rows = configPage([{ title: 'T', intro: 'I.', describe }])
    .split('\n')
    .filter((line) => /^\| `[A-E]`/.test(line));
  assert.deepEqual(rows, [
    '| `A` | text | **required** | One \\| two three. |',
    '| `B` | duration | `90s` | Wait. |',
    '| `C` | text | not set | Maybe. |',
    '| `D` | secret text | `[secret]` | Key. |',
    '| `E` | list, comma-separated | empty | Many. |',
  ]);
});

test('a page that was just written passes the check, one that was changed does not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'config-page-'));
  const file = join(folder, 'config.md');
  const printed: string[] = [];
  const write = (check: boolean) => writeConfigPage(file, check, (line) => void printed.push(line));
  try {
    assert.equal(await write(true), 1);
    assert.equal(await write(false), 0);
    assert.equal(await write(true), 0);
    await writeFile(file, `${await readFile(file, 'utf8')}\nmore`);
    assert.equal(await write(true), 1);
    assert.equal(printed.length, 2);
    assert.match(printed[0] ?? '', /run: node tools\/docs\/config\.ts$/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('the page in docs is what the code says', () => {
  const program = fileURLToPath(new URL('./config.ts', import.meta.url));
  const ran = spawnSync(process.execPath, [program, '--check'], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(ran.status, 0, ran.stderr);
});
