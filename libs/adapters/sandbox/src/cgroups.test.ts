/** Where groups are made: on this machine, and on made-up ones of either version. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cgroups } from './cgroups.ts';
import { leftoverPrefix, ownPrefix } from './owner.ts';
import { OwnUids } from './own-uids.ts';

const limits = { memoryBytesMax: 64 << 20, processesMax: 10, cpuMax: 0.5 };

describe('cgroups of this machine', () => {
  it('count a process that is put into a group, and go when it is gone', async (t) => {
    const cgroups = await Cgroups.open();
    if (!cgroups.has('pids') && !cgroups.has('memory')) return t.skip(cgroups.why ?? 'no cgroups');
    const name = ownPrefix('test');
    const group = (await cgroups.make(name, limits)) ?? assert.fail();
    const child = spawn('sleep', ['100'], { stdio: 'ignore' });
    await group.place(child.pid ?? assert.fail());
    assert.match(
      await readFile(`/proc/${child.pid}/cgroup`, 'utf8'),
      new RegExp(name.replaceAll('.', '\\.')),
    );
    assert.equal(await group.memoryKills(), 0);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await group.remove(), true);
  });

  it('are swept with whoever still lives in them, when their process is gone', async (t) => {
    const cgroups = await Cgroups.open();
    const [home] = cgroups.home?.folders.values() ?? [];
    if (home === undefined) return t.skip(cgroups.why);
    const left = `${leftoverPrefix}999999999.1.gone.1`;
    const group = (await cgroups.make(left, limits)) ?? assert.fail();
    const child = spawn('sleep', ['100'], { stdio: 'ignore' });
    await group.place(child.pid ?? assert.fail());
    const ended = once(child, 'exit');
    await cgroups.sweep();
    await ended;
    assert.equal(existsSync(join(home, left)), false);
  });
});

describe('a made-up machine', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cruvero-cgroups-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function machine(name: string, mountinfo: readonly string[], cgroup: string): Promise<string> {
    const self = join(folder, name);
    await mkdir(join(self, 'fs'), { recursive: true });
    await writeFile(
      join(self, 'mountinfo'),
      mountinfo.map((line) => line.replaceAll('FS', join(self, 'fs'))).join('\n'),
    );
    await writeFile(join(self, 'cgroup'), cgroup);
    return self;
  }

  it('keeps nothing of a group that could be made in part only', async () => {
    const mounts = ['memory', 'pids'].map((name) => `30 1 0:26 / FS/${name} rw - cgroup cgroup rw,${name}`);
    const self = await machine('half', mounts, '1:memory:/\n2:pids:/\n');
    for (const path of ['fs/memory', 'fs/pids/run']) await mkdir(join(self, path), { recursive: true });
    const cgroups = await Cgroups.open(self);
    await assert.rejects(async () => cgroups.make('run', limits), /EEXIST/);
    assert.deepEqual(await readdir(join(self, 'fs/memory')), []);
    assert.deepEqual(await readdir(join(self, 'fs/pids')), ['run'], 'what was there before is let be');
  });

  it('of version 2 gives all limits in one folder below its own', async () => {
    const self = await machine('v2', ['30 1 0:26 / FS rw - cgroup2 cgroup2 rw'], '0::/service\n');
    const own = join(self, 'fs/service');
    await mkdir(own);
    await writeFile(join(own, 'cgroup.controllers'), 'cpuset cpu io memory pids');
    await writeFile(join(own, 'cgroup.subtree_control'), 'memory pids cpu');
    const cgroups = await Cgroups.open(self);
    assert.deepEqual([cgroups.version, cgroups.has('memory'), cgroups.has('cpu')], ['v2', true, true]);
    await cgroups.make('run', limits);
    const read = (name: string) => readFile(join(own, 'run', name), 'utf8');
    assert.deepEqual(await Promise.all(['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max'].map(read)), [
      String(64 << 20),
      '0',
      '14',
      '50000 100000',
    ]);
  });

  it('of version 2 is used only as far as its controllers go', async () => {
    const self = await machine('some', ['30 1 0:26 / FS rw - cgroup2 cgroup2 rw'], '0::/\n');
    await writeFile(join(self, 'fs/cgroup.controllers'), 'hugetlb');
    const cgroups = await Cgroups.open(self);
    assert.deepEqual([cgroups.version, cgroups.why?.includes('neither memory nor pids')], ['none', true]);
  });

  it('of version 1 is found below the part that is mounted', async () => {
    const mounts = [
      '31 1 0:27 /docker/abc FS/memory rw - cgroup cgroup rw,memory',
      '32 1 0:28 /docker/abc FS/pids ro - cgroup cgroup rw,pids',
    ];
    const self = await machine('v1', mounts, '8:pids:/docker/abc\n4:memory:/docker/abc/own\n');
    await mkdir(join(self, 'fs/memory/own'), { recursive: true });
    const cgroups = await Cgroups.open(self);
    assert.deepEqual([...(cgroups.home?.folders ?? [])], [['memory', join(self, 'fs/memory/own')]]);
    await cgroups.make('run', limits);
    const names = (await readdir(join(self, 'fs/memory/own/run'))).sort();
    assert.deepEqual(names, ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']);
  });

  it('without any has none', async () => {
    const cgroups = await Cgroups.open(join(folder, 'nothing'));
    assert.deepEqual([cgroups.version, await cgroups.make('run', limits)], ['none', undefined]);
  });
});

describe('users of runs', () => {
  it('are given one at a time, the one unused longest first', () => {
    const uids = OwnUids.open(0, [{ inside: 0, count: 4_294_967_295 }]);
    const [first, second] = [uids.take(), uids.take()];
    assert.ok(first !== undefined && first >= 1_800_000_000 && second === first + 1);
    uids.giveBack(first);
    assert.equal(uids.take(), first + 2);
  });

  it('are low where only low ones exist, and none where nobody may give them', () => {
    assert.equal(OwnUids.open(0, [{ inside: 0, count: 65_536 }]).take(), 61_000);
    assert.match(OwnUids.open(0, [{ inside: 0, count: 1 }]).why ?? '', /too few/);
    const none = OwnUids.open(1_000, []);
    assert.deepEqual([none.available, none.take()], [false, undefined]);
  });
});
