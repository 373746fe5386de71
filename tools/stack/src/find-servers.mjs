/** Says which server programs this machine has. Plain JavaScript without dependencies: the installer runs it before anything is installed. */

import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Folders outside many users' PATH in which packages put servers. */
const usualFolders = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];

const wanted = [
  { name: 'nats', program: 'nats-server', aptPackage: 'nats-server', brewPackage: 'nats-server' },
  { name: 'redis', program: 'redis-server', aptPackage: 'redis-server', brewPackage: 'redis' },
  { name: 'postgres', program: 'postgres', aptPackage: 'postgresql', brewPackage: 'postgresql@17' },
  { name: 'nginx', program: 'nginx', aptPackage: 'nginx', brewPackage: 'nginx' },
  // For code execution, which there is on Linux only.
  { name: 'bubblewrap', program: 'bwrap', aptPackage: 'bubblewrap', brewPackage: undefined },
  { name: 'python', program: 'python3', aptPackage: 'python3', brewPackage: undefined },
  { name: 'matplotlib', program: 'matplotlib', aptPackage: 'python3-matplotlib', brewPackage: undefined },
];
/** What tests and the local stack cannot do without; nginx is there to be measured against. */
const usuallyNeeded = ['nats', 'redis', 'postgres'];

/** See find-servers.d.mts. */
export function findServers(places = {}) {
  const folders = places.folders ?? [
    ...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
    ...usualFolders,
  ];
  const debian = postgresFolders(places.debianPostgres ?? '/usr/lib/postgresql');
  const found = {
    nats: firstWith(folders, ['nats-server']),
    redis: firstWith(folders, ['redis-server']),
    postgres: firstWith([...debian, ...folders], ['postgres', 'initdb']),
    nginx: firstWith(folders, ['nginx']),
    bubblewrap: firstWith(folders, ['bwrap']),
    // The system's own: a run sees /usr, and no Python of a user.
    python: firstWith(places.folders ?? ['/usr/bin'], ['python3']),
    matplotlib: firstThere(places.pythonModules ?? systemModules(), 'matplotlib'),
  };
  const needed = places.needed ?? usuallyNeeded;
  const missing = wanted.filter(({ name }) => needed.includes(name) && found[name] === undefined);
  const packages = missing.map(({ aptPackage }) => aptPackage);
  const aptCommand =
    missing.length === 0 ? undefined : `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  return { ...found, missing, aptCommand };
}

/** Debian keeps each major version in a folder of its own; newest first. */
function postgresFolders(root) {
  let majors;
  try {
    majors = readdirSync(root);
  } catch {
    return [];
  }
  return majors
    .filter((major) => /^\d+$/.test(major))
    .sort((a, b) => Number(b) - Number(a))
    .map((major) => join(root, major, 'bin'));
}

/** Folders of modules of the system's own Python, on the distributions that there are. */
function systemModules() {
  const found = [];
  for (const root of ['/usr/lib', '/usr/lib64']) {
    let names;
    try {
      names = readdirSync(root).filter((name) => name.startsWith('python3'));
    } catch {
      continue;
    }
    for (const name of names)
      for (const kind of ['dist', 'site']) found.push(join(root, name, `${kind}-packages`));
  }
  return found;
}

function firstThere(folders, name) {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Path of the first program in the first folder that has all of them. */
function firstWith(folders, programs) {
  const folder = folders.find((each) => programs.every((program) => isExecutable(join(each, program))));
  return folder === undefined ? undefined : join(folder, programs[0]);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
