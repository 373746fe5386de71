/** What every Children adapter must keep. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Child, ChildCommand, ChildExit, Children } from '../child.ts';

/** Programs that the suite asks the adapter to run; how they are made is the adapter's business. */
export interface ContractPrograms {
  /** Answers each line with `echo: <line>`; ends with code 0 when its stdin ends. */
  readonly echo: ChildCommand;
  /** Ends at once with code 3. */
  readonly exitsWithThree: ChildCommand;
  /** Says `ready` on stdout, then sits there whatever is asked of it. */
  readonly ignoresSigterm: ChildCommand;
  /** Says `complaint` on stderr and ends. */
  readonly complains: ChildCommand;
  /** Says a line of more than 64 KiB. */
  readonly longLine: ChildCommand;
  readonly missing: ChildCommand;
}

const lineBytesMax = 64 << 10;

export interface Watched {
  readonly child: Child;
  readonly lines: string[];
  readonly stderr: string[];
  readonly exits: ChildExit[];
  readonly exit: Promise<ChildExit>;
  /** The first line that fits, also one that came already. */
  line(fits: (line: string) => boolean): Promise<string>;
}

/** Spawns and records. */
export function watch(children: Children, command: ChildCommand, bytesMax = lineBytesMax): Watched {
  const lines: string[] = [];
  const stderr: string[] = [];
  const exits: ChildExit[] = [];
  const ended = Promise.withResolvers<ChildExit>();
  const waiting = new Set<() => void>();
  const child = children.spawn(
    command,
    {
      onLine: (line) => {
        lines.push(line);
        for (const look of [...waiting]) look();
      },
      onStderr: (text) => void stderr.push(text),
      onExit: (exit) => {
        exits.push(exit);
        ended.resolve(exit);
      },
    },
    bytesMax,
  );
  const line = (fits: (line: string) => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines.find(fits);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      void ended.promise.then(() =>
        reject(new Error(`the child ended; it had said ${JSON.stringify(lines)}`)),
      );
      look();
    });
  return { child, lines, stderr, exits, exit: ended.promise, line };
}

export function childrenContract(name: string, open: () => Children, programs: ContractPrograms): void {
  describe(`${name} keeps the Children contract`, { timeout: 30_000 }, () => {
    it('carries lines in and out, in order, without their ends', async () => {
      await using children = open();
      const echo = watch(children, programs.echo);
      for (const text of ['one', '', '{"ü":"✓"}']) assert.equal(echo.child.writeLine(text), true);
      await echo.line((line) => line.includes('✓'));
      assert.deepEqual(echo.lines, ['echo: one', 'echo: ', 'echo: {"ü":"✓"}']);
      assert.deepEqual(await echo.child.stop(5_000), { code: 0, signal: null });
    });

    it('has a pid while it runs', async () => {
      await using children = open();
      assert.ok((watch(children, programs.echo).child.pid ?? 0) > 0);
    });

    it('tells of the end once, and its code', async () => {
      await using children = open();
      const { exit, exits, child } = watch(children, programs.exitsWithThree);
      assert.equal((await exit).code, 3);
      assert.equal((await child.stop(1_000)).code, 3);
      assert.equal(exits.length, 1);
    });

    it('hands on stderr', async () => {
      await using children = open();
      const { exit, stderr } = watch(children, programs.complains);
      await exit;
      assert.match(stderr.join(''), /complaint/);
    });

    it('says why a command cannot run, and never throws', async () => {
      await using children = open();
      const { child, exit, exits } = watch(children, programs.missing);
      assert.deepEqual(exits, [], 'the end is told after spawn has returned');
      assert.match((await exit).spawnError ?? '', /found|exist/);
      assert.equal(child.pid, undefined);
      assert.equal(child.writeLine('hello'), false);
      assert.ok((await child.stop(10)).spawnError);
    });

    it('takes no line after the end', async () => {
      await using children = open();
      const { child, exit } = watch(children, programs.exitsWithThree);
      await exit;
      assert.equal(child.writeLine('too late'), false);
      assert.equal(child.usage(), undefined);
    });

    it('refuses a line with a line feed in it as a bug of its caller', async () => {
      await using children = open();
      const { child } = watch(children, programs.echo);
      assert.throws(() => child.writeLine('a\nb'), RangeError);
    });

    it('ends a child that ignores SIGTERM', async () => {
      await using children = open();
      const { child, line } = watch(children, programs.ignoresSigterm);
      await line((text) => text === 'ready');
      assert.equal((await child.stop(300)).signal, 'SIGKILL');
    });

    it('ends a child whose line is too long, and hands out nothing of it', async () => {
      await using children = open();
      const { exit, lines } = watch(children, programs.longLine);
      assert.equal((await exit).signal, 'SIGKILL');
      assert.deepEqual(lines, []);
    });

    it('ends everything when it is disposed of', async () => {
      const children = open();
      const all = [programs.echo, programs.ignoresSigterm].map((command) => watch(children, command));
      await all[1]?.line((text) => text === 'ready');
      await children[Symbol.asyncDispose]();
      assert.deepEqual(
        all.map(({ exits }) => exits.length),
        [1, 1],
      );
    });
  });
}
