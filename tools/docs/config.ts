/** Writes docs/config.md; with `--check` says by the exit code whether it is what would be written. */

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { format, resolveConfig } from 'prettier';

import { configPage } from './config-page.ts';
import { sections } from './sections.ts';

const pageFile = fileURLToPath(new URL('../../docs/config.md', import.meta.url));

/** The exit code: 0, or 1 where `check` is set and the file differs; `print` is told why. */
export async function writeConfigPage(
  file: string,
  check: boolean,
  print: (line: string) => void = console.error,
): Promise<number> {
  const options = await resolveConfig(pageFile);
  const page = await format(configPage(sections), { ...options, parser: 'markdown' });
  if (!check) {
    await writeFile(file, page);
    return 0;
  }
  const written = await readFile(file, 'utf8').catch(() => undefined);
  if (written === page) return 0;
  print('docs/config.md is not what the code says; run: node tools/docs/config.ts');
  return 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await writeConfigPage(pageFile, process.argv.includes('--check'));
}
