/** Says which server programs this machine has. Plain JavaScript without dependencies: the installer runs it before anything is installed. */

import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Folders outside many users' PATH in which packages put servers. */
const usualFolders = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];

const wanted = [
  { name: 'nats', program: 'nats-server', aptPackage: 'nats-server', brewPackage: 'nats-server' },
  { name: 'redis', program: 'redis-server', aptPackage: 'redis-server', brewPackage: 'redis' },
  { name: 'postgres', program: 'postgres', aptPackage: 'postgresql', brewPackage: 'postgresql@17' },
  { name: 'nginx', program: 'nginx', aptPackage: 'nginx', brewPackage: 'nginx' },
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
