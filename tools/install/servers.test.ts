/** Tests of installing servers, on a machine that only says what it was told to do. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { findServers } from '../stack/src/find-servers.mjs';
import type { FoundServers, ServerPlaces } from '../stack/src/find-servers.mjs';
import { ensureServers, offerNginx, offerSandbox } from './servers.mjs';
import type { Machine } from './servers.mjs';

const nothing = (places?: ServerPlaces) =>
  findServers({ ...places, folders: [], pythonModules: [], debianPostgres: '/does/not/exist' });
const everything = (): FoundServers => ({
  ...{
    nats: '/a',
    redis: '/b',
    postgres: '/c',
    nginx: '/d',
    bubblewrap: '/e',
    python: '/f',
    matplotlib: '/g',
  },
  missing: [],
  aptCommand: undefined,
});

/** A machine whose servers appear when `apt-get install` succeeds for the nth time. */
function machineOf(changes: Partial<Machine> & { readonly failures?: number } = {}) {
  const said: string[] = [];
  const ran: string[] = [];
  let failuresLeft = changes.failures ?? 0;
  let find = nothing;
  const machine: Machine = {
    isRoot: () => true,
    isLinux: () => true,
    hasApt: () => true,
    holdsServices: () => true,
    hasPackageLists: () => true,
    apt: (args) => {
      ran.push(args.join(' '));
      if (args[0] !== 'install') return undefined;
      failuresLeft -= 1;
      if (failuresLeft >= 0) return 'E: Unable to locate package';
      find = everything;
      return undefined;
    },
    ...changes,
  };
  const options = {
    say: (line: string) => void said.push(line),
    find: (places?: ServerPlaces) => find(places),
    machine,
  };
  return { said, ran, options };
}

const install = 'install -y --no-install-recommends nats-server redis-server postgresql';

describe('ensureServers', () => {
  it('does and says nothing when all servers are there', async () => {
    const { said, ran, options } = machineOf();
    await ensureServers({ ...options, find: everything });
    assert.deepEqual([said, ran], [[], []]);
  });

  it('installs what is missing in one go', async () => {
    const { said, ran, options } = machineOf();
    await ensureServers(options);
    assert.deepEqual(ran, [install]);
    assert.equal(said[0], 'Installing nats-server, redis-server, postgres (apt-get) …');
    assert.match(said[1] ?? '', /^Installed nats-server, redis-server, postgres in [\d.]+ s\.$/);
  });

  it('fetches the package lists first where there are none, and once where they are old', async () => {
    const fresh = machineOf({ hasPackageLists: () => false });
    await ensureServers(fresh.options);
    assert.deepEqual(fresh.ran, ['update', install]);
    const old = machineOf({ failures: 1 });
    await ensureServers(old.options);
    assert.deepEqual(old.ran, [install, 'update', install]);
  });

  it('gives up after that, with what apt-get said and what to do', async () => {
    const { ran, options } = machineOf({ failures: 9 });
    await assert.rejects(
      ensureServers(options),
      /Unable to locate package[^]*sudo apt-get install[^]*brew install/,
    );
    assert.equal(ran.length, 3);
  });

  it('only gives advice to those who are not root, and where there is no apt-get', async () => {
    for (const changes of [{ isRoot: () => false }, { hasApt: () => false }]) {
      const { ran, options } = machineOf(changes);
      await assert.rejects(ensureServers(options), (error: Error) => {
        assert.equal(
          error.message,
          'These servers are missing: nats-server, redis-server, postgres.\n' +
            '  Debian, Ubuntu:  sudo apt-get install -y --no-install-recommends nats-server redis-server postgresql\n' +
            '  macOS:           brew install nats-server redis postgresql@17',
        );
        return true;
      });
      assert.deepEqual(ran, []);
    }
  });
});

describe('offerNginx', () => {
  it('installs nginx alone, and nothing when it is there', async () => {
    const { said, ran, options } = machineOf();
    await offerNginx(options);
    await offerNginx(options);
    assert.deepEqual(ran, ['install -y --no-install-recommends nginx']);
    assert.equal(said.length, 2);
  });

  it('goes on without it where apt-get fails, and where installing would start a web server', async () => {
    const failing = machineOf({ failures: 9 });
    await offerNginx(failing.options);
    assert.match(
      failing.said.at(-1) ?? '',
      /Unable to locate package[^]*brew install nginx\nGoing on without it\.$/,
    );
    const starting = machineOf({ holdsServices: () => false });
    await offerNginx(starting.options);
    assert.match(starting.said.join('\n'), /^This server is missing: nginx\.[^]*Going on without it\.$/);
    assert.deepEqual(starting.ran, []);
  });
});

describe('offerSandbox', () => {
  it('installs what code execution needs, on Linux only', async () => {
    const { ran, options } = machineOf();
    await offerSandbox(options);
    await offerSandbox(options);
    assert.deepEqual(ran, ['install -y --no-install-recommends bubblewrap python3 python3-matplotlib']);
    const other = machineOf({ isLinux: () => false });
    await offerSandbox(other.options);
    assert.deepEqual([other.ran, other.said], [[], []]);
  });

  it('goes on without it where it cannot be had', async () => {
    const { said, options } = machineOf({ isRoot: () => false });
    await offerSandbox(options);
    assert.match(
      said.join('\n'),
      /missing: bwrap, python3, matplotlib\.\n.*\nGoing on without code execution\.$/,
    );
  });
});
