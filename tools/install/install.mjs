/**
 * Installs what is missing before a script runs: npm packages, and with `--with-servers` the server programs,
 * with `--with-nginx` nginx where it can be had.
 * Plain JavaScript for Node 18 and newer with nothing but node: modules, because it runs before anything is installed.
 */

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensurePackages } from './packages.mjs';
import { ensureServers, offerNginx, offerSandbox } from './servers.mjs';

/** What this installer itself needs. */
const nodeMajorMin = 20;
/** What the product needs; on most platforms it comes with the npm packages. */
const runtimeMajorMin = 24;
const root = resolve(fileURLToPath(import.meta.url), '../../..');

/** One line on standard error, so that the script's own output stays its own. */
function say(line) {
  process.stderr.write(`${line}\n`);
}

const major = Number(process.versions.node.split('.')[0]);
if (major < nodeMajorMin) {
  say(
    `This needs Node.js ${nodeMajorMin} or newer to begin with; this is ${process.version}. See https://nodejs.org`,
  );
  process.exit(1);
}

try {
  await ensurePackages({ root, env: process.env, say });
  if (major < runtimeMajorMin && !existsSync(join(root, 'node_modules/.bin/node'))) {
    throw new Error(
      `No Node.js ${runtimeMajorMin} comes with the npm packages for ${process.platform} on ${process.arch}: ` +
        `install it yourself. See https://nodejs.org`,
    );
  }
  if (process.argv.includes('--with-servers')) {
    await ensureServers({ say });
    await offerSandbox({ say });
  }
  if (process.argv.includes('--with-nginx')) await offerNginx({ say });
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
