/** Tests of starting, killing and stopping a program, with small programs that misbehave. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { eventually, isRunning } from './eventually.fixture.ts';
import { Program } from './program.ts';
import type { ProgramSpec } from './program.ts';

function programOf(script: string, changes: Partial<ProgramSpec> = {}): Program {
  return new Program({
    name: 'the program',
    launch: { command: process.execPath, args: ['-e', script] },
    isReady: async (running) => running.output.stdout().includes('up'),
    readyWithinMs: 20_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    ...changes,
  });
}

const patient = "console.log('up'); setInterval(() => undefined, 1000);";

describe('Program', () => {
  it('fails to start with the last words of the program', async () => {
    await using program = programOf("console.error('no such luck'); process.exit(3)");
    await assert.rejects(
      program.start(),
      /the program ended \(exit code 3\) before it was ready.*no such luck/s,
    );
  });

  it('fails to start when the program does not exist', async () => {
    await using program = programOf('', { launch: { command: '/does/not/exist', args: [] } });
    await assert.rejects(program.start(), /the program ended.*ENOENT/s);
  });

  it('gives up on a program that never gets ready, and leaves none of it', async () => {
    await using program = programOf("console.error('thinking'); setInterval(() => undefined, 1000);", {
      readyWithinMs: 400,
    });
    await assert.rejects(program.start(), /the program was not ready within 400 ms/);
    assert.equal(isRunning(program.pid), false);
  });

  it('kills a program that ignores the polite signal', async () => {
    await using program = programOf(`process.on('SIGTERM', () => undefined); ${patient}`, {
      stopWithinMs: 200,
    });
    await program.start();
    await program.stop();
    assert.equal(isRunning(program.pid), false);
  });

  it('ends the children too when it stops', async () => {
    const script = `const c = require('node:child_process').spawn('sleep', ['1000']); console.log('child ' + c.pid); ${patient}`;
    let said = (): string => '';
    await using program = programOf(script, { onRun: ({ output }) => void (said = () => output.stdout()) });
    await program.start();
    const child = Number(/child (\d+)/.exec(said())?.[1]);
    assert.equal(isRunning(child), true);
    await program.stop();
    assert.equal(isRunning(child), false);
  });

  it('tells of a death that nobody asked for, and of no other', async () => {
    await using program = programOf(patient);
    const deaths: unknown[] = [];
    const died = new Promise((resolve) => {
      program.onDeath((exit) => {
        deaths.push(exit);
        resolve(exit);
      });
    });
    await program.start();
    await program.kill('SIGKILL');
    await program.restart();
    assert.deepEqual(deaths, []);
    process.kill(program.pid, 'SIGKILL');
    await died;
    assert.deepEqual(deaths, [{ code: null, signal: 'SIGKILL' }]);
    assert.equal(program.alive, false);
    await program.start();
    assert.equal(program.alive, true);
  });

  it('does calls that come at once one after the other', async () => {
    await using program = programOf(patient);
    await Promise.all([program.start(), program.restart(), program.restart()]);
    assert.equal(program.alive, true);
    await Promise.all([program.stop(), program.stop()]);
    await assert.rejects(program.start(), /is stopped/);
  });

  it('stops politely what is still starting', async () => {
    let said = (): string => '';
    const script =
      "process.on('SIGTERM', () => { console.log('goodbye'); process.exit(0); }); console.log('here'); setInterval(() => undefined, 1000);";
    const program = programOf(script, { onRun: ({ output }) => void (said = () => output.stdout()) });
    const starting = assert.rejects(program.start(), /the program was stopped before it was ready/);
    await eventually('it has begun', () => said().includes('here'));
    await Promise.all([starting, program.stop()]);
    assert.match(said(), /goodbye/);
  });

  it('tries again while the log says that waiting may help', async () => {
    let runs = 0;
    const script = "console.error('busy'); process.exit(1)";
    await using program = programOf(script, {
      retryWhen: /busy/,
      readyWithinMs: 1_500,
      onRun: () => void (runs += 1),
    });
    await assert.rejects(program.start(), /busy/);
    assert.ok(runs > 1, `ran ${runs} times`);
  });
});
