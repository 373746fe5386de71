/** cruvero.json on a real disk, read and watched. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Clock, ServersRead } from '@cruvero/ports';
import { serversFile } from './servers-file.ts';

/** Real time: what the file system tells comes when it comes. */
const clock: Clock = {
  nowMs: Date.now,
  monotonicMs: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every: (intervalMs, work) => {
    const timer = setInterval(work, intervalMs);
    return { cancel: () => clearInterval(timer) };
  },
};

const withServers = (...names: string[]): string =>
  JSON.stringify({ mcpServers: Object.fromEntries(names.map((name) => [name, { command: 'x' }])) });
const names = (read: ServersRead | undefined): string => (read?.servers ?? []).map(({ name }) => name).join();

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cruvero-config-'));
  path = join(folder, 'cruvero.json');
});
afterEach(() => rm(folder, { recursive: true }));

function watchFile() {
  const source = serversFile(path, { clock });
  const news: ServersRead[] = [];
  let wake = (): void => undefined;
  const watching = source.watch((read) => {
    news.push(read);
    wake();
  });
  return {
    source,
    news,
    [Symbol.dispose]: () => watching.close(),
    /** The first news that fits, also one that came already. */
    async until(fits: (read: ServersRead) => boolean): Promise<ServersRead> {
      for (;;) {
        const found = news.find(fits);
        if (found) return found;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

describe('serversFile', { timeout: 20_000 }, () => {
  it('expands variables in env values, and names a missing one without any value', async () => {
    await writeFile(
      path,
      JSON.stringify({
        mcpServers: {
          a: {
            command: 'x',
            env: { TOKEN: 'Bearer ${TOKEN}', MODE: '${MODE:-fast}', KEPT: '$HOME ${', NESTED: '${OUTER}' },
          },
          b: { command: 'x', env: { KEY: 'canary-${ABSENT}' } },
          c: { command: 'x', env: { KEY: '${constructor}' } },
        },
      }),
    );
    const { servers, problems } = await serversFile(path, {
      clock,
      env: { TOKEN: 't', OUTER: '${TOKEN}' },
    }).read();
    const [a] = servers;
    assert.ok(a?.kind === 'command' && a.origin === 'file');
    assert.deepEqual(a.env, { TOKEN: 'Bearer t', MODE: 'fast', KEPT: '$HOME ${', NESTED: '${TOKEN}' });
    assert.deepEqual(problems, [
      'cruvero.json: b: env.KEY needs the environment variable ABSENT, which is not set',
      'cruvero.json: c: env.KEY needs the environment variable constructor, which is not set',
    ]);
  });

  it('gives a problem and no servers where there is no file that could be read', async () => {
    const problem = async (): Promise<string> => (await serversFile(path, { clock }).read()).problems.join();
    assert.equal(await problem(), 'cruvero.json does not exist');
    await writeFile(path, ' '.repeat((1 << 20) + 1));
    assert.equal(await problem(), 'cruvero.json is larger than 1048576 bytes');
    await writeFile(path, '{');
    assert.match(await problem(), /cruvero\.json is not valid JSON: .*line 1, column 2/);
    await rm(path);
    await mkdir(path);
    assert.equal(await problem(), 'cruvero.json is not a file');
    await rm(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    assert.equal(await problem(), 'cruvero.json is not a file');
  });

  it('tells of a change in place, of a replaced file, and of nothing else', async () => {
    await writeFile(path, withServers('one'));
    using watched = watchFile();
    await watched.until((read) => names(read) === 'one');
    await writeFile(path, withServers('one', 'two'));
    await watched.until((read) => names(read) === 'one,two');
    await writeFile(join(folder, '.cruvero.json.swp'), withServers('three'));
    await rename(join(folder, '.cruvero.json.swp'), path);
    await watched.until((read) => names(read) === 'three');
    await writeFile(path, withServers('four'));
    await watched.until((read) => names(read) === 'four');
    assert.deepEqual(watched.news.map(names), ['one', 'one,two', 'three', 'four']);
  });

  it('follows a link that is turned elsewhere, as a ConfigMap is', async () => {
    await mkdir(join(folder, 'a'));
    await mkdir(join(folder, 'b'));
    await writeFile(join(folder, 'a', 'cruvero.json'), withServers('old'));
    await writeFile(join(folder, 'b', 'cruvero.json'), withServers('new'));
    await symlink('a', join(folder, '..data'));
    await symlink('..data/cruvero.json', path);
    using watched = watchFile();
    await watched.until((read) => names(read) === 'old');
    await symlink('b', join(folder, '..data-next'));
    await rename(join(folder, '..data-next'), join(folder, '..data'));
    await watched.until((read) => names(read) === 'new');
  });

  it('keeps the last good servers while the file makes no sense, and says so', async () => {
    await writeFile(path, withServers('one'));
    using watched = watchFile();
    await watched.until((read) => names(read) === 'one');
    await writeFile(path, '{"mcpServers": {"on');
    const broken = await watched.until((read) => read.problems.length > 0);
    assert.equal(names(broken), 'one');
    assert.match(broken.problems.join(), /not valid JSON.*the servers that were there before stay/);
    await rm(path);
    await watched.until((read) => /does not exist/.test(read.problems.join()));
    await writeFile(path, withServers('one'));
    await watched.until((read) => read !== watched.news[0] && read.problems.length === 0);
  });

  it('follows virtual servers like servers, and keeps them while the file makes no sense', async () => {
    const withVirtual = (server: string): string =>
      JSON.stringify({ virtualServers: { dev: { members: [{ server }] }, bad: {} } });
    const virtual = (read: ServersRead): string | undefined => read.virtuals?.[0]?.members[0]?.server;
    await writeFile(path, withVirtual('one'));
    using watched = watchFile();
    const first = await watched.until((read) => virtual(read) === 'one');
    assert.match(first.problems.join(), /^cruvero\.json: virtualServers\.bad: members: /);
    await writeFile(path, withVirtual('two'));
    await watched.until((read) => virtual(read) === 'two');
    await writeFile(path, '{"virtualServers": {"de');
    const broken = await watched.until((read) => read.problems.join().includes('not valid JSON'));
    assert.equal(virtual(broken), 'two');
    assert.match(broken.problems.join(), /the servers that were there before stay/);
    await writeFile(path, withServers('one'));
    const without = await watched.until((read) => names(read) === 'one');
    assert.equal(without.virtuals, undefined);
  });

  it('says nothing of what its caller has read already', async () => {
    await writeFile(path, withServers('one'));
    const source = serversFile(path, { clock });
    await source.read();
    const news: string[] = [];
    let wake = (): void => undefined;
    const second = new Promise<void>((resolve) => (wake = resolve));
    const watching = source.watch((read) => {
      news.push(names(read));
      wake();
    });
    await writeFile(path, withServers('two'));
    await second;
    watching.close();
    assert.deepEqual(news, ['two']);
  });
});
