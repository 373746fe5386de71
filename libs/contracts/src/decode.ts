/** Tolerant decoding: unknown fields pass, what is missing is said with its path. */

import type { Json } from '@cruvero/core';
import type { z } from 'zod';

export interface DecodeProblem {
  readonly problem: string;
}

export function isDecodeProblem(value: unknown): value is DecodeProblem {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { problem?: unknown }).problem === 'string'
  );
}

/** The decoded value, or every problem in one sentence. */
export function decode<S extends z.ZodType>(schema: S, body: Json | undefined): z.output<S> | DecodeProblem {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const problems = read.error.issues
    .slice(0, 8)
    .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  return { problem: problems.join('; ') };
}
