/** Brings node_modules in line with package-lock.json, once, whoever asks. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { withLock } from './lock.mjs';

const installMsMax = 15 * 60_000;
const npmArguments = [
  'ci',
  // Said again because NODE_ENV=production would leave them out.
  ...['--include=dev', '--include=optional'],
  ...['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
];

/** See packages.d.mts. */
export async function ensurePackages({ root, env, say }) {
  const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const wanted = stampOf(lockText);
  if (isCurrent(root, wanted, lockText)) return;
  await withLock(join(root, '.cruvero'), 'install', say, async () => {
    // Another process may have done it while this one waited.
    if (isCurrent(root, wanted, lockText)) return;
    const startMs = Date.now();
    say('Installing npm packages …');
    await runNpm(root, env);
    writeFileSync(join(root, 'node_modules', stampName), `${wanted}\n`);
    say(`Installed npm packages in ${((Date.now() - startMs) / 1000).toFixed(1)} s.`);
  });
}

const stampName = '.cruvero-install';

/**
 * The Node version is not in it: installs run no scripts, so nothing is built for one, and `npm` itself switches from the
 * system's Node to the installed one after the first time. Platform and architecture choose among optional packages.
 */
function stampOf(lockText) {
  return createHash('sha256').update(`${process.platform} ${process.arch}\n${lockText}`).digest('hex');
}

function isCurrent(root, wanted, lockText) {
  const stampFile = join(root, 'node_modules', stampName);
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8').trim() === wanted) return true;
  if (!installedByHand(root, lockText)) return false;
  writeFileSync(stampFile, `${wanted}\n`);
  return true;
}

/** True when somebody ran npm here themselves: npm's own record, written last, has each package of the lock file. */
function installedByHand(root, lockText) {
  let installed;
  try {
    installed =
      JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages ?? {};
  } catch {
    return false;
  }
  return Object.entries(JSON.parse(lockText).packages ?? {}).every(([path, wanted]) => {
    // The root and the workspaces' own entries are folders of the checkout, not packages.
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true;
    const found = installed[path];
    if (!found) return wanted.optional === true || wanted.devOptional === true || wanted.peer === true;
    return found.version === wanted.version && found.link === wanted.link;
  });
}

async function runNpm(root, env) {
  const [command, ...args] = [...npmCommand(env), ...npmArguments];
  const child = spawn(command, args, {
    cwd: root,
    env: npmEnv(env),
    stdio: ['ignore', process.stderr, process.stderr],
    timeout: installMsMax,
    killSignal: 'SIGKILL',
  });
  const ended = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });
  if (ended !== 0)
    throw new Error(`Installing npm packages failed: npm ci ended with ${ended}. The lines above say why.`);
}

/** The npm that runs this script, under the Node that runs it; the one on PATH otherwise. */
function npmCommand(env) {
  const path = env.npm_execpath;
  // Other package managers set the same variable.
  if (!path || !basename(path).startsWith('npm') || !existsSync(path)) return ['npm'];
  // Not this process's own Node when npm's is known: that one may lie in node_modules, which npm ci empties.
  const node = env.npm_node_execpath;
  return [node && existsSync(node) ? node : process.execPath, path];
}

/** Settings of the person and the machine; everything else that npm tells its scripts is about the outer command. */
const keptSettings = new Set(
  [
    'registry',
    'cache',
    'userconfig',
    'globalconfig',
    'proxy',
    'https_proxy',
    'noproxy',
    'ca',
    'cafile',
    'strict_ssl',
  ]
    .concat(['fetch_retries', 'fetch_timeout', 'maxsockets', 'offline', 'prefer_offline', 'node_gyp'])
    .map((name) => `npm_config_${name}`),
);

/** The environment for the inner npm. */
export function npmEnv(env) {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => {
      const lower = name.toLowerCase();
      if (!lower.startsWith('npm_')) return true;
      return keptSettings.has(lower) || lower.startsWith('npm_config_//') || lower.startsWith('npm_config_@');
    }),
  );
}
