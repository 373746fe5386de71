/** What the two tools take and give, as schemas. */

import { readSandboxPath, type SandboxBounds } from '@cruvero/ports';
import { z } from 'zod';

const codeCharsMax = 1 << 20;
const stdinCharsMax = 1 << 20;
const argsMax = 64;
const argCharsMax = 8_192;
const filesMax = 64;

export const workspacePattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

const path = z
  .string()
  .max(255)
  .refine((text) => !('problem' in readSandboxPath(text)), 'must be a relative path without . and ..')
  .describe('Where it lies in the work folder, such as data/input.csv.');

const file = z
  .object({
    path,
    text: z.string().optional().describe('Its content as text (UTF-8).'),
    base64: z.base64().optional().describe('Its content as base64; instead of text.'),
  })
  .refine(
    ({ text, base64 }) => (text === undefined) !== (base64 === undefined),
    'needs text or base64, one of them',
  );

function inputOf(bounds: SandboxBounds) {
  return {
    args: z
      .array(z.string().max(argCharsMax))
      .max(argsMax)
      .optional()
      .describe('Arguments, as sys.argv[1:] or $1, $2, …'),
    stdin: z
      .string()
      .max(stdinCharsMax)
      .optional()
      .describe('What the program reads from its standard input.'),
    files: z.array(file).max(filesMax).optional().describe('Files to put into the work folder first.'),
    timeout_ms: z
      .int()
      .min(100)
      .max(bounds.timeoutMs)
      .optional()
      .describe(
        `Milliseconds after which everything is ended; ${bounds.timeoutMs} at most, and if not given.`,
      ),
    workspace: z
      .string()
      .regex(workspacePattern)
      .optional()
      .describe('Name of a work folder whose files are found again by your next call that names it.'),
  };
}

export const pythonInput = (bounds: SandboxBounds) =>
  z.object({ code: z.string().max(codeCharsMax).describe('Python 3 source text.'), ...inputOf(bounds) });

export const bashInput = (bounds: SandboxBounds) =>
  z.object({
    command: z.string().max(codeCharsMax).describe('Bash source text, one line or many.'),
    ...inputOf(bounds),
  });

const stream = z.object({
  bytes: z.int().describe('Bytes written in all.'),
  dropped_bytes: z.int().describe('Bytes written beyond what is given here.'),
});

export const output = z.object({
  ended: z
    .enum(['exited', 'timeout', 'memory', 'output', 'aborted'])
    .describe('exited: by itself. timeout, memory, output: ended for using more than it may.'),
  exit_code: z.int().nullable().describe('Null where a signal ended it.'),
  signal: z.string().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  duration_ms: z.number(),
  peak_memory_bytes: z.int().nullable().describe('Null where the machine does not say.'),
  truncated: z.object({ stdout: stream, stderr: stream }),
  files: z.array(
    z.object({
      path: z.string(),
      bytes: z.int(),
      mime_type: z.string(),
      uri: z
        .string()
        .nullable()
        .describe('For resources/read, for a while. Null where it was too large to keep.'),
    }),
  ),
  left_out: z
    .array(z.object({ path: z.string(), reason: z.string() }))
    .describe('What lies in the work folder and is not given back.'),
  workspace: z.string().nullable(),
  workspace_saved: z
    .boolean()
    .describe(
      'Whether the next call finds these files. False: too large together, no room, or no workspace.',
    ),
});

export type PythonInput = z.infer<ReturnType<typeof pythonInput>>;
export type BashInput = z.infer<ReturnType<typeof bashInput>>;
export type Output = z.infer<typeof output>;
