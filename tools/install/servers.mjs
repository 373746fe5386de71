/** Sees to it that nats-server, redis-server and PostgreSQL are on this machine, and nginx where it is wanted; and what code execution needs. */

import { spawnSync } from 'node:child_process';
import { accessSync, existsSync, readdirSync } from 'node:fs';

import { findServers } from '../stack/src/find-servers.mjs';

const aptMsMax = 10 * 60_000;

/** See servers.d.mts. */
export async function ensureServers({ say, find = findServers, machine = thisMachine }) {
  const before = find();
  if (before.missing.length === 0) return;
  const names = before.missing.map(({ program }) => program).join(', ');
  if (!machine.isRoot() || !machine.hasApt()) throw new Error(advice(before));

  const startMs = Date.now();
  say(`Installing ${names} (apt-get) …`);
  const install = [
    'install',
    '-y',
    '--no-install-recommends',
    ...before.missing.map(({ aptPackage }) => aptPackage),
  ];
  let failed = machine.hasPackageLists() ? machine.apt(install) : 'no package lists yet';
  if (failed !== undefined) failed = machine.apt(['update']) ?? machine.apt(install);
  const after = find();
  if (after.missing.length > 0) {
    throw new Error(
      `${failed === undefined ? '' : `${failed}\n`}apt-get did not bring everything.\n${advice(after)}`,
    );
  }
  say(`Installed ${names} in ${((Date.now() - startMs) / 1000).toFixed(1)} s.`);
}

/** See servers.d.mts. */
export async function offerNginx({ say, find = findServers, machine = thisMachine }) {
  const findNginx = () => find({ needed: ['nginx'] });
  const before = findNginx();
  if (before.missing.length === 0) return;
  // Elsewhere the package would start a web server on port 80, which nobody asked for.
  if (!machine.holdsServices()) return say(`${advice(before)}\nGoing on without it.`);
  try {
    await ensureServers({ say, find: findNginx, machine });
  } catch (error) {
    say(`${error.message}\nGoing on without it.`);
  }
}

/** See servers.d.mts. */
export async function offerSandbox({ say, find = findServers, machine = thisMachine }) {
  if (!machine.isLinux()) return;
  const findParts = () => find({ needed: ['bubblewrap', 'python', 'matplotlib'] });
  if (findParts().missing.length === 0) return;
  try {
    await ensureServers({ say, find: findParts, machine });
  } catch (error) {
    say(`${error.message}\nGoing on without code execution.`);
  }
}

function advice({ missing, aptCommand }) {
  return [
    `${missing.length === 1 ? 'This server is' : 'These servers are'} missing: ${missing.map(({ program }) => program).join(', ')}.`,
    `  Debian, Ubuntu:  sudo ${aptCommand}`,
    ...(missing.every(({ brewPackage }) => brewPackage !== undefined)
      ? [`  macOS:           brew install ${missing.map(({ brewPackage }) => brewPackage).join(' ')}`]
      : []),
  ].join('\n');
}

const thisMachine = {
  isRoot: () => process.getuid?.() === 0,

  isLinux: () => process.platform === 'linux',

  hasApt: () => {
    try {
      accessSync('/usr/bin/apt-get');
      return true;
    } catch {
      return false;
    }
  },

  holdsServices: () => existsSync('/usr/sbin/policy-rc.d'),

  hasPackageLists: () => {
    try {
      return readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
    } catch {
      return false;
    }
  },

  /** Runs apt-get quietly; what it said comes back only when it failed. */
  apt: (args) => {
    const { status, stdout, stderr, error } = spawnSync(
      'apt-get',
      ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args],
      {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: aptMsMax,
        maxBuffer: 64 * 1024 * 1024,
      },
    );
    if (status === 0) return undefined;
    return error?.message ?? `${stdout}${stderr}`.trim().split('\n').slice(-15).join('\n');
  },
};
