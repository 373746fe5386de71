/** One call from its arguments to its result: a turn, a workspace, a run, and what it produced. */

import {
  isSandboxFault,
  type Clock,
  type Sandbox,
  type SandboxBounds,
  type SandboxFile,
  type SandboxOutcome,
  type SandboxProgram,
  type Telemetry,
} from '@cruvero/ports';
import type { CodeExecMetrics } from './metrics.ts';
import { imageTypeOf, mimeTypeOf } from './mime-type.ts';
import type { KeptFiles } from './kept-files.ts';
import { resultOf, sayBusy, sayProblem, type Produced, type ToolResult } from './result.ts';
import { SpokenText } from './spoken-text.ts';
import type { Turns } from './turns.ts';
import type { Lent, Workspaces } from './workspaces.ts';

export interface ExecuteParts {
  readonly sandbox: Pick<Sandbox, 'run'>;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'log'>;
  readonly turns: Turns;
  readonly kept: KeptFiles;
  readonly workspaces: Workspaces;
  readonly metrics: CodeExecMetrics;
  readonly bounds: SandboxBounds;
}

export interface Request {
  readonly program: SandboxProgram;
  readonly code: string;
  readonly args: readonly string[];
  readonly stdin: string;
  readonly files: readonly SandboxFile[];
  readonly timeoutMs: number | undefined;
  readonly workspace: string | undefined;
}

export interface Caller {
  /** Whose files and workspaces these are. */
  readonly owner: string;
  readonly signal: AbortSignal;
  /** What was said since the last time; undefined where nobody listens. */
  readonly tell: ((text: string) => void) | undefined;
}

const tellEveryMs = 150;
const retryWorkspaceMs = 1_000;

export async function execute(request: Request, caller: Caller, parts: ExecuteParts): Promise<ToolResult> {
  const turn = await parts.turns.take(caller.signal);
  if (turn === undefined) return sayProblem('The call was given up while it waited for its turn.');
  if ('busy' in turn) {
    parts.metrics.refused.add(1, { reason: turn.busy });
    return sayBusy(turn, parts.turns);
  }
  try {
    return await inWorkspace(request, caller, parts);
  } finally {
    turn.done();
  }
}

async function inWorkspace(request: Request, caller: Caller, parts: ExecuteParts): Promise<ToolResult> {
  if (request.workspace === undefined) return runOnce(request, caller, parts, undefined);
  const lent = parts.workspaces.lend(caller.owner, request.workspace);
  if (lent === 'none_here')
    return sayProblem('This server keeps no workspaces (MCP_CODE_EXEC_WORKSPACES is 0).');
  if (lent === 'in_use') {
    const busy = { busy: 'full', retryAfterMs: retryWorkspaceMs } as const;
    return sayBusy(
      busy,
      undefined,
      `Workspace ${JSON.stringify(request.workspace)} is in use by another call.`,
    );
  }
  let isBack = false;
  const giveBack: Lent['giveBack'] = (files) => {
    isBack = true;
    return lent.giveBack(files);
  };
  try {
    return await runOnce(request, caller, parts, { ...lent, giveBack });
  } finally {
    if (!isBack) lent.giveBack(undefined);
  }
}

async function runOnce(
  request: Request,
  caller: Caller,
  parts: ExecuteParts,
  lent: Lent | undefined,
): Promise<ToolResult> {
  const { sandbox, clock, metrics, telemetry } = parts;
  const texts = { stdout: new SpokenText(), stderr: new SpokenText() };
  const tell = (): void => {
    const fresh = texts.stdout.takeFresh() + texts.stderr.takeFresh();
    if (fresh !== '') caller.tell?.(fresh);
  };
  const timer = caller.tell && clock.every(tellEveryMs, tell);
  const before = mergeFiles(lent?.files ?? [], request.files);
  const { program, code, args, stdin, timeoutMs } = request;
  const bounds = { ...parts.bounds, timeoutMs: Math.min(timeoutMs ?? Infinity, parts.bounds.timeoutMs) };
  const outcome = await sandbox.run({
    program,
    code,
    args,
    stdin: Buffer.from(stdin),
    files: before,
    giveBack: lent ? 'all' : 'changed',
    bounds,
    onOutput: (stream, bytes) => texts[stream].feed(bytes),
    signal: caller.signal,
  });
  timer?.cancel();
  if (isSandboxFault(outcome)) {
    metrics.refused.add(1, { reason: outcome.fault });
    if (outcome.fault === 'bad_job') return sayProblem(`This cannot be run: ${outcome.detail}.`);
    telemetry.log.error('a run could not be started', { detail: outcome.detail });
    return sayProblem(
      'The sandbox could not start this run; nothing was executed. The log of the server says why.',
    );
  }
  tell();
  const isTaken = lent?.giveBack(outcome.files) ?? true;
  metrics.ran(program, outcome);
  const spoken = {
    stdout: texts.stdout.end(outcome.stdout.droppedBytes > 0),
    stderr: texts.stderr.end(outcome.stderr.droppedBytes > 0),
  };
  return resultOf({
    outcome,
    spoken,
    produced: keepProduced(outcome, before, caller.owner, parts.kept),
    workspace: request.workspace,
    isTaken,
  });
}

/** Those given with the call go over those that were there. */
function mergeFiles(kept: readonly SandboxFile[], given: readonly SandboxFile[]): readonly SandboxFile[] {
  const byPath = new Map(kept.map((file) => [file.path, file]));
  for (const file of given) byPath.set(file.path, file);
  return [...byPath.values()];
}

/** A workspace gives back all its files; only what this run made or changed is shown. */
function keepProduced(
  outcome: SandboxOutcome,
  before: readonly SandboxFile[],
  owner: string,
  kept: KeptFiles,
): readonly Produced[] {
  const old = new Map(before.map(({ path, bytes }) => [path, bytes]));
  return outcome.files.flatMap(({ path, bytes }) => {
    const earlier = old.get(path);
    if (earlier && Buffer.compare(earlier, bytes) === 0) return [];
    const mimeType = mimeTypeOf(path, bytes);
    const uri = kept.keep(owner, { name: path, mimeType, bytes });
    return [{ path, bytes, mimeType, uri, isImage: imageTypeOf(bytes) !== undefined }];
  });
}
