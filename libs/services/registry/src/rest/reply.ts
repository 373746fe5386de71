/** What a handler gives back: a status and a body, also where something is wrong. */

import type { Json } from '@cruvero/core';

export interface RestReply {
  readonly status: number;
  /** Undefined for an answer without a body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export const ok = (body: unknown): RestReply => ({ status: 200, body });

/** `code` is for programs, `message` a sentence for the person who can mend it. */
export function problem(status: number, code: string, message: string, details?: Json): RestReply {
  return { status, body: { error: { code, message, ...(details === undefined ? {} : { details }) } } };
}

export const notFound = (what: string): RestReply => problem(404, 'not_found', `There is no ${what}.`);
