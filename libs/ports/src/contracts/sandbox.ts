/** What every Sandbox adapter must keep. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  isSandboxFault,
  isSandboxRefusal,
  type Sandbox,
  type SandboxBounds,
  type SandboxFault,
  type SandboxJob,
  type SandboxOutcome,
} from '../sandbox.ts';

export const contractBounds: SandboxBounds = {
  timeoutMs: 10_000,
  memoryBytesMax: 256 << 20,
  processesMax: 32,
  cpuMax: 1,
  outputBytesMax: 64 << 10,
  workBytesMax: 8 << 20,
  fileBytesMax: 1 << 20,
  filesMax: 8,
  filesBytesMax: 2 << 20,
};

export interface Told {
  readonly outcome: SandboxOutcome | SandboxFault;
  readonly stdout: string;
  readonly stderr: string;
}

export type JobDraft = Partial<Omit<SandboxJob, 'bounds' | 'stdin'>> & {
  readonly stdin?: string;
  readonly bounds?: Partial<SandboxBounds>;
};

/** Runs and gathers what was said. */
export async function tell(sandbox: Pick<Sandbox, 'run'>, draft: JobDraft): Promise<Told> {
  const pieces = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const outcome = await sandbox.run({
    program: 'bash',
    code: '',
    args: [],
    files: [],
    giveBack: 'changed',
    onOutput: (stream, bytes) => void pieces[stream].push(Uint8Array.from(bytes)),
    signal: new AbortController().signal,
    ...draft,
    stdin: Buffer.from(draft.stdin ?? ''),
    bounds: { ...contractBounds, ...draft.bounds },
  });
  const text = (each: readonly Uint8Array[]): string => Buffer.concat(each).toString();
  return { outcome, stdout: text(pieces.stdout), stderr: text(pieces.stderr) };
}

/** The outcome of a run that was possible. */
export function ran({ outcome }: Told): SandboxOutcome {
  return isSandboxFault(outcome) ? assert.fail(outcome.detail) : outcome;
}

export function sandboxContract(name: string, open: () => Sandbox): void {
  describe(`${name} keeps the Sandbox contract`, { timeout: 60_000 }, () => {
    let sandbox: Sandbox;
    before(async () => {
      sandbox = open();
      const measured = await sandbox.measure();
      assert.ok(!isSandboxRefusal(measured), JSON.stringify(measured));
    });
    after(() => sandbox[Symbol.asyncDispose]());
    streamsContract(() => sandbox);
    endsContract(() => sandbox);
    filesContract(() => sandbox);
    it('ends what runs when it is disposed of, and runs nothing afterwards', async () => {
      const own = open();
      const told = Promise.withResolvers<void>();
      const running = own.run({
        ...plainJob,
        code: 'echo here; sleep 100',
        onOutput: () => told.resolve(),
      });
      await told.promise;
      await own[Symbol.asyncDispose]();
      const outcome = await running;
      assert.ok(!isSandboxFault(outcome) && outcome.ended === 'aborted');
      assert.ok(isSandboxFault(await own.run(plainJob)));
    });
  });
}

const plainJob: SandboxJob = {
  program: 'bash',
  code: 'true',
  args: [],
  stdin: new Uint8Array(),
  files: [],
  giveBack: 'changed',
  bounds: contractBounds,
  onOutput: () => undefined,
  signal: new AbortController().signal,
};

function streamsContract(sandbox: () => Sandbox): void {
  it('hands in code, arguments and stdin, and out both streams and the code', async () => {
    const code = 'read -r line; echo "$line $1 $2"; echo wrong >&2; exit 3';
    const told = await tell(sandbox(), { code, args: ['a b', '*'], stdin: 'in\n' });
    assert.deepEqual([told.stdout, told.stderr], ['in a b *\n', 'wrong\n']);
    const { ended, exitCode, signal, stdout, durationMs } = ran(told);
    assert.deepEqual([ended, exitCode, signal], ['exited', 3, null]);
    assert.deepEqual(stdout, { bytes: 9, droppedBytes: 0 });
    assert.ok(durationMs > 0);
  });

  it('runs Python with modules and files of the work folder', async () => {
    const files = [{ path: 'own/part.py', bytes: Buffer.from('word = "ünï✓"') }];
    const code = 'import sys; from own.part import word; print(word, sys.argv[1:], sys.stdin.read())';
    const told = await tell(sandbox(), { program: 'python', code, files, args: ['x'], stdin: 'end' });
    assert.equal(told.stdout, "ünï✓ ['x'] end\n", told.stderr);
  });

  it('hands out bytes as they are, and no more than the bound', async () => {
    const got: Uint8Array[] = [];
    const outcome = await sandbox().run({
      ...plainJob,
      code: "printf '\\xff\\x00\\x80'; head -c 100000 /dev/zero",
      onOutput: (_, bytes) => void got.push(Uint8Array.from(bytes)),
    });
    const bytes = Buffer.concat(got);
    assert.equal(bytes.length, contractBounds.outputBytesMax);
    assert.deepEqual([...bytes.subarray(0, 4)], [0xff, 0, 0x80, 0]);
    assert.ok(!isSandboxFault(outcome));
    assert.deepEqual(outcome.stdout, {
      bytes: 100_003,
      droppedBytes: 100_003 - contractBounds.outputBytesMax,
    });
  });

  it('hands out pieces while the program runs', async () => {
    const aborter = new AbortController();
    const outcome = await sandbox().run({
      ...plainJob,
      code: 'echo first; sleep 100',
      onOutput: () => aborter.abort(),
      signal: aborter.signal,
    });
    assert.ok(!isSandboxFault(outcome) && outcome.ended === 'aborted');
  });

  it('has streams that can be opened by name', async () => {
    const told = await tell(sandbox(), {
      code: 'echo one > /dev/stdout; echo two > /dev/stderr; cat /dev/stdin',
      stdin: 'three',
    });
    assert.deepEqual([told.stdout, told.stderr], ['one\nthree', 'two\n']);
  });
}

function endsContract(sandbox: () => Sandbox): void {
  it('ends a run at its time with what it had said', async () => {
    const told = await tell(sandbox(), {
      code: 'echo before; sleep 100; echo after',
      bounds: { timeoutMs: 300 },
    });
    const { ended, exitCode, signal, durationMs } = ran(told);
    assert.deepEqual([ended, exitCode, signal, told.stdout], ['timeout', null, 'SIGKILL', 'before\n']);
    assert.ok(durationMs >= 290 && durationMs < 3_000, String(durationMs));
  });

  it('tells the signal that ended a program', async () => {
    const told = await tell(sandbox(), { program: 'python', code: 'import os; os.kill(os.getpid(), 11)' });
    assert.deepEqual([ran(told).exitCode, ran(told).signal], [null, 'SIGSEGV']);
  });

  it('ends a run that wants too much memory, and says so', async () => {
    const code = 'a = []\nwhile True: a.append(bytearray(8 << 20))';
    const { ended, exitCode, peakMemoryBytes } = ran(await tell(sandbox(), { program: 'python', code }));
    // A limit of addresses makes Python give up by itself; a count of memory kills it.
    assert.ok(ended === 'memory' || (ended === 'exited' && exitCode === 1), ended);
    assert.ok((peakMemoryBytes ?? 0) <= contractBounds.memoryBytesMax + (32 << 20));
  });

  it('does not begin what was aborted before', async () => {
    const told = await tell(sandbox(), { code: 'sleep 100', signal: AbortSignal.abort() });
    assert.equal(ran(told).ended, 'aborted');
  });

  it('refuses what cannot be run, and says why', async () => {
    const file = (path: string) => ({ path, bytes: Buffer.from('x') });
    for (const files of [
      [file('../out')],
      [file('/etc/passwd')],
      [file('a'), file('a')],
      [file('a'), file('a/b')],
      [file('')],
    ]) {
      const { outcome } = await tell(sandbox(), { files });
      assert.ok(
        isSandboxFault(outcome) && outcome.fault === 'bad_job',
        JSON.stringify(files.map(({ path }) => path)),
      );
      assert.notEqual(outcome.detail, '');
    }
    const { outcome } = await tell(sandbox(), { args: ['a\0b'] });
    assert.ok(isSandboxFault(outcome) && outcome.fault === 'bad_job');
  });
}

function filesContract(sandbox: () => Sandbox): void {
  const files = [
    { path: 'kept.txt', bytes: Buffer.from('kept') },
    { path: 'd/changed.txt', bytes: Buffer.from('old') },
  ];
  const code = 'echo new > d/changed.txt; mkdir e; printf "\\xff\\x00" > e/made.bin';

  it('gives back the files that were made or changed', async () => {
    const { files: got, leftOut } = ran(await tell(sandbox(), { code, files }));
    assert.deepEqual(
      got.map(({ path, bytes }) => [path, Buffer.from(bytes).toString('latin1')]),
      [
        ['d/changed.txt', 'new\n'],
        ['e/made.bin', '\xff\x00'],
      ],
    );
    assert.deepEqual(leftOut, []);
  });

  it('gives back all files where that is asked', async () => {
    const { files: got } = ran(await tell(sandbox(), { code, files, giveBack: 'all' }));
    assert.deepEqual(
      got.map(({ path }) => path),
      ['d/changed.txt', 'e/made.bin', 'kept.txt'],
    );
  });

  it('gives back files of a run that was ended', async () => {
    const told = await tell(sandbox(), { code: 'echo half > part; sleep 100', bounds: { timeoutMs: 300 } });
    assert.deepEqual(
      ran(told).files.map(({ path }) => path),
      ['part'],
    );
  });

  it('leaves out what is too large, too many or no file, and says so', async () => {
    const told = await tell(sandbox(), {
      code: 'head -c 2000000 /dev/zero > large; ln -s /etc/passwd link; for i in 1 2 3 4 5 6 7 8 9; do echo $i > n$i; done',
    });
    const { files: got, leftOut } = ran(told);
    assert.equal(got.length, contractBounds.filesMax);
    assert.deepEqual(
      leftOut.map(({ path, reason }) => `${path} ${reason}`),
      ['large too_large', 'link not_a_file', 'n9 too_many'],
    );
  });
}
