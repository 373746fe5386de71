/** One run from its first byte to the last trace of it. */

import { closeSync, openSync, readFileSync } from 'node:fs';
import { readSandboxPath, type SandboxFault, type SandboxJob, type SandboxOutcome } from '@cruvero/ports';
import type { Cgroups, Group } from './cgroups.ts';
import { drain, type Drained } from './drain.ts';
import { harvest, readMarks, type Harvest } from './harvest.ts';
import { launch, type Birth, type Launched, type LaunchParts } from './launch.ts';
import { codeBytesMax, stdinBytesMax } from './layout.ts';
import type { PipePool, PipeSet } from './pipes.ts';
import { watchMemory } from './watch-memory.ts';

export interface RunParts {
  readonly launch: LaunchParts;
  readonly pipes: PipePool;
  readonly cgroups: Cgroups;
}

type Ended = SandboxOutcome['ended'];

const argsMax = 256;
const argBytesMax = 64 << 10;
const filesMax = 256;
/** How long the kernel may need to take a killed tree away. */
const goneMsMax = 10_000;
const pollMs = 2;
const complaintBytesMax = 2_000;

/** A reason why this cannot be run at all; it never got near a program. */
export function refuseJob({ code, stdin, args, files, bounds }: SandboxJob): string | undefined {
  if (Buffer.byteLength(code) > codeBytesMax) return `the code is larger than ${codeBytesMax} bytes`;
  if (stdin.length > stdinBytesMax) return `stdin is larger than ${stdinBytesMax} bytes`;
  if (args.length > argsMax) return `there are more than ${argsMax} arguments`;
  if (args.reduce((sum, arg) => sum + Buffer.byteLength(arg), 0) > argBytesMax)
    return `the arguments are larger than ${argBytesMax} bytes together`;
  if (args.some((arg) => arg.includes('\0'))) return 'an argument holds a zero byte';
  if (files.length > filesMax) return `there are more than ${filesMax} files`;
  if (files.reduce((sum, file) => sum + file.bytes.length, 0) > bounds.workBytesMax / 2)
    return `the files are larger than half of the work folder, ${bounds.workBytesMax / 2} bytes`;
  return refusePaths(files.map(({ path }) => path));
}

function refusePaths(paths: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (const path of paths) {
    const read = readSandboxPath(path);
    if ('problem' in read) return `the path ${JSON.stringify(path.slice(0, 100))} ${read.problem}`;
    if (seen.has(path)) return `there are two files ${JSON.stringify(path)}`;
    seen.add(path);
  }
  for (const path of seen) {
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth += 1) {
      const above = names.slice(0, depth).join('/');
      if (seen.has(above)) return `${JSON.stringify(above)} is both a file and a folder`;
    }
  }
  return undefined;
}

export async function runJob(job: SandboxJob, parts: RunParts): Promise<SandboxOutcome | SandboxFault> {
  const refused = refuseJob(job);
  if (refused !== undefined) return { fault: 'bad_job', detail: refused };
  const pipeSet = parts.pipes.take();
  let group: Group | undefined;
  try {
    group = await parts.cgroups.make(parts.launch.mark, job.bounds);
    return await overPipes(job, parts.pipes.open(pipeSet), group, parts);
  } catch (error) {
    return { fault: 'sandbox_broken', detail: error instanceof Error ? error.message : String(error) };
  } finally {
    await group?.remove();
    parts.pipes.giveBack(pipeSet);
  }
}

async function overPipes(
  job: SandboxJob,
  { ours, theirs }: PipeSet,
  group: Group | undefined,
  parts: RunParts,
): Promise<SandboxOutcome | SandboxFault> {
  const run = new Run(job);
  const stdout = drain(ours.stdout, job.bounds.outputBytesMax, {
    onPiece: (bytes) => job.onOutput('stdout', bytes),
    onFlood: () => run.end('output'),
  });
  const stderr = drain(ours.stderr, job.bounds.outputBytesMax, {
    onPiece: (bytes) => run.onStderr(bytes),
    onFlood: () => run.end('output'),
  });
  try {
    const launched = await launch(job, theirs, parts.launch, birthIn(group, parts.launch.uid));
    if ('problem' in launched) {
      await settle([stdout, stderr]);
      return { fault: 'sandbox_broken', detail: `${launched.problem}${run.complaint()}` };
    }
    return await run.through(launched, { stdout, stderr }, group);
  } finally {
    stdout.close();
    stderr.close();
  }
}

/** Whoever gets a user of its own cannot write there any more, so it moves before. */
function birthIn(group: Group | undefined, uid: number | undefined): Birth {
  const selfPlacing = uid === undefined ? [] : (group?.selfPlacing ?? []);
  return {
    selfPlacing,
    place: async (pid) => (selfPlacing.length === 0 ? group?.place(pid) : undefined),
  };
}

interface Streams {
  readonly stdout: Drained;
  readonly stderr: Drained;
}

class Run {
  readonly #job: SandboxJob;
  #ended: Ended | undefined;
  #kill: (() => void) | undefined;
  #begun = false;
  #complaints = '';

  constructor(job: SandboxJob) {
    this.#job = job;
  }

  /** The first reason counts. */
  end(reason: Ended): void {
    this.#ended ??= reason;
    this.#kill?.();
  }

  /** Before the program begins only the launcher writes there, and it is about the machine. */
  onStderr(bytes: Uint8Array): void {
    if (this.#begun) this.#job.onOutput('stderr', bytes);
    else this.#complaints = (this.#complaints + Buffer.from(bytes).toString()).slice(0, complaintBytesMax);
  }

  complaint(): string {
    const text = this.#complaints.trim();
    return text === '' ? '' : `: ${text}`;
  }

  async through(launched: Launched, streams: Streams, group: Group | undefined): Promise<SandboxOutcome> {
    const { process: child, pid, workFd } = launched;
    const exited = new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve([child.exitCode, child.signalCode]);
      else child.once('exit', (code, signal) => resolve([code, signal]));
    });
    // Names that process whatever its number is given to later.
    const identity = openSync(`/proc/${pid}`, 'r');
    // The launcher has not waited for its child while it lives itself, so the number is still the run's.
    this.#kill = () => void (child.exitCode === null && child.signalCode === null && kill(pid));
    const { onAbort, stop } = this.#watchAbort();
    const memory = group
      ? undefined
      : watchMemory(pid, this.#job.bounds.memoryBytesMax, () => this.end('memory'));
    try {
      const marks = this.#job.giveBack === 'changed' ? readMarks(workFd) : undefined;
      onAbort();
      const startMs = performance.now();
      const timer = setTimeout(() => this.end('timeout'), this.#job.bounds.timeoutMs);
      this.#begun = true;
      launched.go();
      const [code] = await exited;
      clearTimeout(timer);
      const durationMs = performance.now() - startMs;
      await untilGone(identity);
      await settle([streams.stdout, streams.stderr]);
      const found = harvest(workFd, this.#job.bounds, marks);
      const kills = (await group?.memoryKills()) ?? 0;
      const peakMemoryBytes = (await group?.peakMemoryBytes()) ?? memory?.peakBytes();
      return this.#outcome({ code, kills, durationMs, peakMemoryBytes, found, streams });
    } finally {
      memory?.stop();
      stop();
      this.#kill();
      closeSync(identity);
      closeSync(workFd);
    }
  }

  #watchAbort(): { readonly onAbort: () => void; readonly stop: () => void } {
    const { signal } = this.#job;
    const listener = (): void => this.end('aborted');
    signal.addEventListener('abort', listener, { once: true });
    return {
      onAbort: () => void (signal.aborted && this.end('aborted')),
      stop: () => signal.removeEventListener('abort', listener),
    };
  }

  #outcome(facts: {
    readonly code: number | null;
    readonly kills: number;
    readonly durationMs: number;
    readonly peakMemoryBytes: number | undefined;
    readonly found: Harvest;
    readonly streams: Streams;
  }): SandboxOutcome {
    const { code, kills, durationMs, peakMemoryBytes, found, streams } = facts;
    const { exitCode, signal } = readCode(this.#ended === undefined ? code : 128 + 9);
    const ended = this.#ended ?? (kills > 0 && signal === 'SIGKILL' ? 'memory' : 'exited');
    return {
      ended,
      exitCode,
      signal,
      durationMs,
      peakMemoryBytes,
      stdout: streams.stdout.count(),
      stderr: streams.stderr.count(),
      files: found.files,
      leftOut: found.leftOut,
    };
  }
}

const signals: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  11: 'SIGSEGV',
  12: 'SIGUSR2',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};

/** Shells say 128 + n where signal n ended a program. */
function readCode(code: number | null): { readonly exitCode: number | null; readonly signal: string | null } {
  if (code === null) return { exitCode: null, signal: 'SIGKILL' };
  if (code <= 128 || code > 192) return { exitCode: code, signal: null };
  return { exitCode: null, signal: signals[code - 128] ?? `SIG${code - 128}` };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** Process 1 of a run is gone only when every other process of it is: the kernel waits for them. */
async function untilGone(identity: number): Promise<void> {
  const endMs = performance.now() + goneMsMax;
  while (performance.now() < endMs && lives(identity)) await pause(pollMs);
}

function lives(identity: number): boolean {
  try {
    const stat = readFileSync(`/proc/self/fd/${identity}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** All writers are gone; what is still in the pipes takes a moment. */
async function settle(streams: readonly Drained[]): Promise<void> {
  await Promise.race([Promise.all(streams.map(({ ended }) => ended)), pause(goneMsMax)]);
}

const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs).unref());
