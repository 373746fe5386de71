/** What a killed server leaves is cleared away: at once by the kernel where it can, at the next start otherwise. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bubblewrapSandbox } from './bubblewrap.ts';
import { leftoverPrefix } from './owner.ts';

const program = `
import { bubblewrapSandbox } from ${JSON.stringify(new URL('./bubblewrap.ts', import.meta.url).href)};
const sandbox = bubblewrapSandbox();
const bounds = { timeoutMs: 60000, memoryBytesMax: 2 ** 28, processesMax: 20, cpuMax: 1, outputBytesMax: 1000,
  workBytesMax: 2 ** 20, fileBytesMax: 1000, filesMax: 1, filesBytesMax: 1000 };
const job = { program: 'bash', code: 'setsid sleep 987 & echo up; sleep 987', args: [], stdin: new Uint8Array(), files: [],
  giveBack: 'changed', bounds, signal: new AbortController().signal, onOutput: () => process.stdout.write('up') };
await Promise.all([sandbox.run(job), sandbox.run(job), sandbox.run(job)]);
`;

function withWord(word: string): readonly number[] {
  return readdirSync('/proc')
    .filter((pid) => /^[0-9]+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
          .split('\0')
          .some((each) => each.startsWith(word));
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!holds()) {
    assert.ok(performance.now() < endMs, 'it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it(
  'a server that is killed takes its runs with it, and the next one clears away the rest',
  { timeout: 40_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cruvero-leftovers-'));
    const server = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const mark = `${leftoverPrefix}${server.pid}.`;
    try {
      let said = '';
      server.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
      await until(() => said.length >= 6);
      assert.ok(withWord(mark).length >= 3);
      server.kill('SIGKILL');
      await once(server, 'exit');
      await until(() => withWord(mark).length === 0);
      assert.equal(readdirSync(folder).length, 1, 'its own folder is left');

      await mkdir(join(folder, `${leftoverPrefix}not-of-ours`));
      await using next = bubblewrapSandbox({ tempFolder: folder });
      await next.measure();
      const left = readdirSync(folder).filter((name) => name.startsWith(mark));
      assert.deepEqual(left, []);
      assert.ok(existsSync(join(folder, `${leftoverPrefix}not-of-ours`)), 'what is nobody’s is let be');
      for (const controller of ['memory', 'pids', 'cpu'])
        assert.ok(
          !groupsOf(`/sys/fs/cgroup/${controller}`).some((name) => name.startsWith(mark)),
          controller,
        );
    } finally {
      server.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  },
);

function groupsOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
