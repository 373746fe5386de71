/** Tests of the installer as a child process, in a small checkout of its own and with an npm that only records. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { npmEnv } from './packages.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const lock = {
  packages: {
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b': { version: '2.0.0', optional: true },
  },
};

/** Empties node_modules as npm ci does, takes a moment, and writes down how it was called. */
const recordingNpm = `#!/usr/bin/env node
const fs = require('node:fs');
fs.rmSync('node_modules', { recursive: true, force: true });
fs.appendFileSync('npm-calls', JSON.stringify({
  args: process.argv.slice(2), workspace: process.env.npm_config_workspace ?? null, cwd: process.cwd(),
}) + '\\n');
if (fs.existsSync('npm-fails')) { console.error('npm error: the network is gone'); process.exit(7); }
setTimeout(() => fs.mkdirSync('node_modules'), Number(process.env.FAKE_TAKES_MS ?? 0));
`;

let root = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cruvero-install-'));
  await cp(here, join(root, 'tools/install'), { recursive: true, filter: (path) => !path.endsWith('.ts') });
  await mkdir(join(root, 'tools/stack/src'), { recursive: true });
  await cp(join(here, '../stack/src/find-servers.mjs'), join(root, 'tools/stack/src/find-servers.mjs'));
  await mkdir(join(root, 'bin'));
  await writeFile(join(root, 'bin/npm'), recordingNpm, { mode: 0o755 });
  await writeFile(join(root, 'package-lock.json'), JSON.stringify(lock));
});
afterEach(async () => await rm(root, { recursive: true, force: true }));

async function install(
  env: Record<string, string> = {},
  node = process.execPath,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const inherited = npmEnv(process.env);
  const child = spawn(node, [join(root, 'tools/install/install.mjs')], {
    cwd: tmpdir(),
    env: { ...inherited, npm_execpath: join(root, 'bin/npm'), npm_node_execpath: process.execPath, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, said };
}

interface Call {
  readonly args: readonly string[];
  readonly workspace: string | null;
  readonly cwd: string;
}

async function calls(): Promise<Call[]> {
  const text = await readFile(join(root, 'npm-calls'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Call);
}

describe('install.mjs', () => {
  it('installs once, saying so before and after, and then has nothing to do', async () => {
    const first = await install();
    assert.equal(first.code, 0, first.said);
    assert.match(first.said, /^Installing npm packages …\nInstalled npm packages in \d+\.\d s\.\n$/);
    assert.deepEqual(await install(), { code: 0, said: '' });
    const [call, ...more] = await calls();
    assert.deepEqual(more, []);
    assert.equal(call?.args[0], 'ci');
    for (const flag of ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']) {
      assert.ok(call.args.includes(flag), flag);
    }
    assert.equal(call.cwd, root);
    assert.equal(existsSync(join(root, '.cruvero/install.lock')), false);
  });

  it('installs again when the lock file changes', async () => {
    await install();
    await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: {} }));
    await install();
    assert.equal((await calls()).length, 2);
  });

  it('takes over what somebody installed by hand, if it is complete', async () => {
    const record = async (packages: object): Promise<void> => {
      await mkdir(join(root, 'node_modules'), { recursive: true });
      await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
    };
    await record({ 'node_modules/a': { version: '1.0.0' } });
    assert.deepEqual(await install(), { code: 0, said: '' });
    assert.deepEqual(await calls(), []);

    await rm(join(root, 'node_modules'), { recursive: true });
    await record({ 'node_modules/a': { version: '0.9.0' } });
    await install();
    assert.equal((await calls()).length, 1);
  });

  it("does not hand the outer command's workspace flags to the inner npm", async () => {
    const { code } = await install({
      npm_config_workspace: 'libs/core',
      NPM_CONFIG_DRY_RUN: 'true',
      NODE_ENV: 'production',
    });
    assert.equal(code, 0);
    const [call] = await calls();
    assert.equal(call?.workspace, null);
    assert.ok(call.args.includes('--include=dev'));
  });

  it('uses the npm on PATH when another program started it', async () => {
    const { code } = await install({
      npm_execpath: '/opt/pnpm.cjs',
      PATH: `${join(root, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
    });
    assert.equal(code, 0);
    assert.equal((await calls()).length, 1);
  });

  it('lets one of two that start at once do the work', async () => {
    const [one, two] = await Promise.all([
      install({ FAKE_TAKES_MS: '600' }),
      install({ FAKE_TAKES_MS: '600' }),
    ]);
    assert.deepEqual([one.code, two.code], [0, 0]);
    assert.equal((await calls()).length, 1);
    assert.match(one.said + two.said, /Waiting for another install \(process \d+\) …/);
  });

  it('breaks the lock of a process that died', async () => {
    const dead = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => dead.once('close', resolve));
    await mkdir(join(root, '.cruvero/install.lock'), { recursive: true });
    await writeFile(join(root, '.cruvero/install.lock/pid'), String(dead.pid));
    assert.equal((await install()).code, 0);
    assert.equal((await calls()).length, 1);
  });

  it('fails with a sentence, and tries anew next time, when npm fails', async () => {
    await writeFile(join(root, 'npm-fails'), '');
    const { code, said } = await install();
    assert.equal(code, 1);
    assert.match(
      said,
      /the network is gone\nInstalling npm packages failed: npm ci ended with 7\. The lines above say why\.\n$/,
    );
    await rm(join(root, 'npm-fails'));
    assert.equal((await install()).code, 0);
    assert.equal((await calls()).length, 2);
  });
});

/** The Node of the machine, if it is an old one; the tests themselves run on a new one. */
async function oldNode(): Promise<string | undefined> {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node']) {
    const version = await new Promise<string>((resolve) => {
      execFile(path, ['--version'], (_error, stdout) => resolve(stdout));
    });
    if (/^v2[0-3]\./.test(version)) return path;
  }
  return undefined;
}

describe('install.mjs on an old Node', () => {
  it('works there, and asks for a newer one where none came with the packages', async (t) => {
    const node = await oldNode();
    if (node === undefined) return t.skip('this machine has no old Node');
    const without = await install({}, node);
    assert.equal(without.code, 1);
    assert.match(
      without.said,
      /Installed npm packages[^]*No Node\.js 24 comes with the npm packages for \w+ on \w+/,
    );
    await mkdir(join(root, 'node_modules/.bin'));
    await writeFile(join(root, 'node_modules/.bin/node'), '');
    assert.deepEqual(await install({}, node), { code: 0, said: '' });
  });
});

describe('npmEnv', () => {
  it("keeps the machine's settings and drops the command's", () => {
    const kept = {
      PATH: '/bin',
      npm_config_registry: 'r',
      npm_config_cafile: 'c',
      'npm_config_//host/:_authToken': 't',
    };
    const dropped = {
      npm_config_workspaces: 'true',
      npm_config_prefix: '/p',
      npm_lifecycle_event: 'test',
      npm_config_omit: 'dev',
    };
    assert.deepEqual(npmEnv({ ...kept, ...dropped }), kept);
  });
});
