/** The outcome of a run as a tool result: for people and models as text, for programs as structure. */

import type { SandboxOutcome } from '@cruvero/ports';
import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Output } from './shapes.ts';
import type { Busy, Turns } from './turns.ts';

export type ToolResult = CallToolResult;

export interface Produced {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mimeType: string;
  /** Undefined where it was too large to keep. */
  readonly uri: string | undefined;
  readonly isImage: boolean;
}

export interface Facts {
  readonly outcome: SandboxOutcome;
  readonly spoken: { readonly stdout: string; readonly stderr: string };
  readonly produced: readonly Produced[];
  readonly workspace: string | undefined;
  /** False: the workspace has its earlier files still, because there is no room for these. */
  readonly isTaken: boolean;
}

/** Images beyond it are links like other files. */
const imagesMax = 8;
const imageBytesMax = 4 << 20;

export function resultOf(facts: Facts): ToolResult {
  const { outcome } = facts;
  const images = facts.produced
    .filter(({ isImage, bytes }) => isImage && bytes.length <= imageBytesMax)
    .slice(0, imagesMax);
  const links = facts.produced.filter((file) => !images.includes(file) && file.uri !== undefined);
  return {
    content: [
      { type: 'text', text: textOf(facts) },
      ...images.map(({ bytes, mimeType }) => ({
        type: 'image' as const,
        data: Buffer.from(bytes).toString('base64'),
        mimeType,
      })),
      ...links.map(({ path, bytes, mimeType, uri }) => ({
        type: 'resource_link' as const,
        uri: uri ?? '',
        name: path,
        mimeType,
        size: bytes.length,
      })),
    ],
    structuredContent: structureOf(facts),
    isError: outcome.ended !== 'exited' || outcome.exitCode !== 0,
  };
}

function structureOf({ outcome, spoken, produced, workspace, isTaken }: Facts): Output {
  const { ended, exitCode, signal, durationMs, peakMemoryBytes, stdout, stderr, leftOut } = outcome;
  return {
    ended,
    exit_code: exitCode,
    signal,
    stdout: spoken.stdout,
    stderr: spoken.stderr,
    duration_ms: Math.round(durationMs * 10) / 10,
    peak_memory_bytes: peakMemoryBytes ?? null,
    truncated: {
      stdout: { bytes: stdout.bytes, dropped_bytes: stdout.droppedBytes },
      stderr: { bytes: stderr.bytes, dropped_bytes: stderr.droppedBytes },
    },
    files: produced.map(({ path, bytes, mimeType, uri }) => ({
      path,
      bytes: bytes.length,
      mime_type: mimeType,
      uri: uri ?? null,
    })),
    left_out: leftOut.map(({ path, reason }) => ({ path, reason })),
    workspace: workspace ?? null,
    workspace_saved: workspace !== undefined && isTaken,
  };
}

function textOf({ outcome, spoken, produced, isTaken }: Facts): string {
  const { stdout, stderr, leftOut } = outcome;
  const cut = (name: string, { bytes, droppedBytes }: SandboxOutcome['stdout']): readonly string[] =>
    droppedBytes > 0 ? [`[${name}: ${droppedBytes} of ${bytes} bytes are not shown]`] : [];
  const block = (name: string, text: string): readonly string[] =>
    text === '' ? [] : [`${name}:\n${text.replace(/\n$/, '')}`];
  return [
    ...block('stdout', spoken.stdout),
    ...cut('stdout', stdout),
    ...block('stderr', spoken.stderr),
    ...cut('stderr', stderr),
    ...(produced.length > 0 ? [`files: ${produced.map(({ path }) => path).join(', ')}`] : []),
    ...leftOut.map(({ path, reason }) => `[not given back: ${path} (${reason.replaceAll('_', ' ')})]`),
    ...(isTaken ? [] : ['[the workspace is as it was before: there is no room for these files]']),
    endOf(outcome),
  ].join('\n');
}

function endOf({ ended, exitCode, signal, durationMs }: SandboxOutcome): string {
  const after = `after ${(durationMs / 1_000).toFixed(2)} s`;
  switch (ended) {
    case 'timeout':
      return `[ended ${after}: its time was over; everything above is what it had said until then]`;
    case 'memory':
      return `[ended ${after}: it used more memory than it may]`;
    case 'output':
      return `[ended ${after}: it wrote far more than is given back]`;
    case 'aborted':
      return `[ended ${after}: the call was cancelled]`;
    case 'exited':
      return signal === null ? `[exit code ${exitCode} ${after}]` : `[ended by ${signal} ${after}]`;
  }
}

export function sayProblem(text: string): ToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

/** Field of `_meta` that says when another try is worth it. */
export const retryAfterKey = 'cruvero.dev/retryAfterMs';

export function sayBusy(
  { busy, retryAfterMs }: Busy,
  turns: Pick<Turns, 'running' | 'waiting'> | undefined,
  why?: string,
): ToolResult {
  const reason =
    why ??
    (busy === 'closed'
      ? 'This server is about to stop.'
      : `Busy: ${turns?.running ?? 0} calls run and ${turns?.waiting ?? 0} wait${busy === 'late' ? '; this one waited too long' : ''}.`);
  const text = `${reason} Nothing was executed; try again in ${(retryAfterMs / 1_000).toFixed(1)} s.`;
  return { ...sayProblem(text), _meta: { [retryAfterKey]: retryAfterMs } };
}
