/** Tests that nothing outlives the process that started it, however that process ends. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, isRunning } from './eventually.fixture.ts';

interface Started {
  readonly pid: number;
  readonly folder: string;
}

const indexModule = fileURLToPath(new URL('./index.ts', import.meta.url));

/** Starts a process that starts all three servers, and says what it started. */
async function parentOfServers(
  then: string,
): Promise<{ readonly pid: number; readonly started: readonly Started[] }> {
  const program = `
    const { startNats, startPostgres, startRedis } = await import(${JSON.stringify(indexModule)});
    const started = await Promise.all([startNats(), startPostgres(), startRedis()]);
    console.log(JSON.stringify(started.map(({ pid, folder }) => ({ pid, folder }))));
    ${then}
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('exit', () => reject(new Error('the parent ended before it had started anything')));
  });
  return { pid: child.pid ?? 0, started: JSON.parse(line) as Started[] };
}

async function allGone(started: readonly Started[]): Promise<void> {
  assert.equal(started.length, 3);
  for (const { pid, folder } of started) {
    await eventually(`process ${pid} is gone`, () => !isRunning(pid));
    await eventually(`${folder} is gone`, () => !existsSync(folder));
  }
}

describe('the reaper', () => {
  it('ends all servers and removes their folders when the parent is killed with -9', async () => {
    const { pid, started } = await parentOfServers('setInterval(() => undefined, 1000);');
    for (const each of started) assert.equal(isRunning(each.pid), true);
    process.kill(pid, 'SIGKILL');
    await allGone(started);
  });

  it('does the same when the parent ends without stopping them; servers do not keep it alive', async () => {
    const { started } = await parentOfServers('');
    await allGone(started);
  });
});
