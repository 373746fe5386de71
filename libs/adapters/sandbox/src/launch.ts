/** Starts one run up to its gate: everything is set up inside, and the program has not begun. */

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { SandboxJob } from '@cruvero/ports';
import {
  codeName,
  etcFiles,
  gateScript,
  programCommand,
  runOptions,
  stdinName,
  workFolder,
  type SystemPaths,
} from './layout.ts';
import { killMarked } from './owner.ts';
import { openFolder } from './harvest.ts';
import type { PipeSet } from './pipes.ts';

export interface LaunchParts {
  readonly bwrap: string;
  readonly system: SystemPaths;
  readonly systemOptions: readonly string[];
  /** With the filter and the small files of /etc. */
  readonly stateFolder: string;
  readonly memoryCounted: boolean;
  /** Name of the run; its first process bears it where the machine can see it. */
  readonly mark: string;
  /** The user of the run; undefined: that of this process. */
  readonly uid: number | undefined;
  /** Of this run's proxy; undefined where there is no network. */
  readonly proxySocket: string | undefined;
}

export interface Launched {
  readonly process: ChildProcess;
  /** Process 1 of the run, as the machine numbers it. */
  readonly pid: number;
  /** The work folder; whoever holds it can read it even when the run is over. */
  readonly workFd: number;
  /** Lets the program begin. */
  go(): void;
}

/** How a run comes into its groups: by itself, or moved as soon as its process 1 has a number. */
export interface Birth {
  readonly selfPlacing: readonly string[];
  place(pid: number): Promise<void>;
}

/** What bubblewrap said, where it could not; a sentence for the operator. */
export interface LaunchProblem {
  readonly problem: string;
}

const startMsMax = 10_000;
/** Descriptors of the launcher; those of files come behind them. */
const gateAt = 3;
const argsAt = 4;
const infoAt = 5;
const filterAt = 6;
const etcAt = 7;

export const filterName = 'filter.bpf';

/** `theirs` is closed here in any case. */
export async function launch(
  job: SandboxJob,
  theirs: PipeSet['theirs'],
  parts: LaunchParts,
  born: Birth,
): Promise<Launched | LaunchProblem> {
  const opened = [theirs.stdout, theirs.stderr];
  let child: ChildProcess;
  try {
    const open = (name: string): number => {
      const fd = openSync(join(parts.stateFolder, name), 'r');
      opened.push(fd);
      return fd;
    };
    const filter = open(filterName);
    const etc = Object.keys(etcFiles).map(open);
    const fileCount = job.files.length + 2;
    const { command, args, ids } = startOf(job, parts, born);
    child = spawn(command, args, {
      env: {},
      cwd: '/',
      ...ids,
      stdio: [
        ...(['ignore', theirs.stdout, theirs.stderr] as const),
        ...(['pipe', 'pipe', 'pipe'] as const),
        ...[filter, ...etc],
        ...Array.from({ length: fileCount }, () => 'pipe' as const),
      ],
    });
  } catch (error) {
    return { problem: errorText(error) };
  } finally {
    for (const fd of opened) closeSync(fd);
  }
  return untilReady(child, job, parts, born);
}

/**
 * Moves itself into the groups of the run, and then is nobody any more. Constant; groups, user and command are its
 * arguments.
 */
const placingScript =
  'uid=$1; shift; while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done; shift; ' +
  'exec /usr/bin/setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"';

function startOf(job: SandboxJob, parts: LaunchParts, { selfPlacing }: Birth) {
  const { uid, bwrap } = parts;
  const gate = gateCommand(job, parts);
  if (uid === undefined || selfPlacing.length === 0)
    return { command: bwrap, args: gate, ids: uid === undefined ? {} : { uid, gid: uid } };
  const args = ['-c', placingScript, 'place', String(uid), ...selfPlacing, '--', bwrap, ...gate];
  return { command: '/bin/sh', args, ids: {} };
}

function gateCommand(job: SandboxJob, { system, memoryCounted, mark, proxySocket }: LaunchParts): string[] {
  const parts = { memoryCounted, python: shellWord(system.python), hasNetwork: proxySocket !== undefined };
  return [
    ...['--args', String(argsAt), '--', system.bash, '--noprofile', '--norc', '-c'],
    ...[gateScript(job.bounds, parts), mark],
    ...programCommand(system, job.program, job.args),
  ];
}

/** One word for a shell, whatever is in it. */
const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

async function untilReady(
  child: ChildProcess,
  job: SandboxJob,
  parts: LaunchParts,
  birth: Birth,
): Promise<Launched | LaunchProblem> {
  const gate = streamAt(child, gateAt) as Duplex | null;
  const ready = Promise.withResolvers<string | undefined>();
  child.once('error', (error) => ready.resolve(error.message));
  child.once('exit', (code, signal) =>
    ready.resolve(`bubblewrap ended with ${signal ?? code} before the run began`),
  );
  const timer = setTimeout(() => ready.resolve(`nothing was ready after ${startMsMax} ms`), startMsMax);
  if (!gate) return { problem: (await ready.promise) ?? 'bubblewrap did not start' };
  gate.on('error', () => undefined);
  gate.once('data', () => ready.resolve(undefined));
  const born = readInfo(streamAt(child, infoAt) as Readable, (pid) => birth.place(pid));
  // Where it never starts the reason is told by its exit.
  born.catch(() => undefined);
  feed(child, job, parts);
  const problem = await ready.promise;
  clearTimeout(timer);
  try {
    if (problem !== undefined) throw new Error(problem);
    const pid = await born;
    const workFd = openFolder(`/proc/${pid}/root${workFolder}`);
    return { process: child, pid, workFd, go: () => void gate.end('go\n') };
  } catch (error) {
    abandon(child, parts.mark);
    return { problem: errorText(error) };
  }
}

/** Node's types know five of them. */
function streamAt({ stdio }: ChildProcess, fd: number): Readable | Writable | null | undefined {
  const streams: readonly (Readable | Writable | null | undefined)[] = stdio;
  return streams[fd];
}

/** Whatever has begun ends; a launcher that dies early may leave a child that waits for it for ever. */
function abandon(child: ChildProcess, mark: string): void {
  killMarked((name) => name === mark);
  child.kill('SIGKILL');
  killMarked((name) => name === mark);
  for (const stream of child.stdio) stream?.destroy();
}

/** Its options and the bytes of files; it reads them one after the other, each to its end. */
function feed(child: ChildProcess, job: SandboxJob, { systemOptions, proxySocket }: LaunchParts): void {
  const etc = Object.keys(etcFiles).map((path, index) => ({ fd: etcAt + index, path }));
  const codeAt = etcAt + etc.length;
  const code = { fd: codeAt, path: codeName[job.program] };
  const stdin = { fd: codeAt + 1, path: stdinName };
  const work = job.files.map(({ path }, index) => ({ fd: codeAt + 2 + index, path }));
  const options = [
    ...systemOptions,
    ...['--info-fd', String(infoAt), '--seccomp', String(filterAt)],
    ...runOptions(job.bounds, { etc, in: [code, stdin], work, proxySocket }),
  ];
  const send = (fd: number, bytes: Uint8Array | string): void => {
    const pipe = streamAt(child, fd) as Writable | null | undefined;
    // A launcher that died is told by its exit.
    pipe?.on('error', () => undefined);
    pipe?.end(bytes);
  };
  send(argsAt, options.map((option) => `${option}\0`).join(''));
  send(code.fd, job.code);
  send(stdin.fd, job.stdin);
  for (const [index, { fd }] of work.entries()) send(fd, job.files[index]?.bytes ?? '');
}

/**
 * The pid that bubblewrap writes as JSON, when all is done that is to be done with it. The rest is read to its end:
 * the launcher would die of a closed pipe, with its child half made.
 */
function readInfo(stream: Readable, onBorn: (pid: number) => Promise<void>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let text = '';
  let told = false;
  stream.on('data', (piece: Buffer) => {
    text += piece.toString('latin1');
    const found = /"child-pid": *([0-9]+)[^0-9]/.exec(text);
    if (!found || told) return;
    told = true;
    const pid = Number(found[1]);
    onBorn(pid).then(
      () => resolve(pid),
      (error: unknown) =>
        reject(new Error(`the run cannot be put into its cgroup: ${errorText(error)}`, { cause: error })),
    );
  });
  stream.on('error', () => undefined);
  stream.on('close', () => told || reject(new Error('bubblewrap did not say which process it started')));
  return promise;
}

const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
