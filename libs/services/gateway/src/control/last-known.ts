/** What the gateway writes down so that it can serve before, and without, the control plane. */

import {
  authSchema,
  decode,
  isDecodeProblem,
  policySchema,
  serverSettingsSchema,
  serversSchema,
} from '@cruvero/contracts';
import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import type { Log, StateFile } from '@cruvero/ports';
import type { Payloads } from './snapshot-state.ts';

/** Lists of servers as they were last seen: server key → list kind → item texts. */
export type KnownLists = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

export interface LastKnown {
  readonly payloads: Payloads;
  readonly lists: KnownLists;
}

const schemas = {
  servers: serversSchema,
  server_settings: serverSettingsSchema,
  policy: policySchema,
  auth: authSchema,
} as const;

/** A part that cannot be read is left out and said; the others stand, but for keys without their policy. */
export async function readLastKnown(file: StateFile, log: Log): Promise<LastKnown> {
  const text = await file.read();
  const written = text === undefined ? undefined : parse(text);
  if (written === undefined) {
    if (text !== undefined) log.warn('the last known state cannot be read; waiting for the control plane');
    return { payloads: {}, lists: {} };
  }
  const payloads: Record<string, unknown> = {};
  const scopes = isJsonObject(written['payloads']) ? written['payloads'] : {};
  for (const [scope, schema] of Object.entries(schemas)) {
    if (scopes[scope] === undefined) continue;
    const read = decode(schema, scopes[scope]);
    if (isDecodeProblem(read))
      log.warn('a part of the last known state cannot be read', { scope, problem: read.problem });
    else payloads[scope] = read;
  }
  // Without the policy that bounds them, keys would be good for everything.
  if (scopes['policy'] !== undefined && payloads['policy'] === undefined) delete payloads['auth'];
  return { payloads: payloads as Payloads, lists: readLists(written['lists']) };
}

export async function writeLastKnown(file: StateFile, known: LastKnown): Promise<void> {
  await file.write(JSON.stringify(known));
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readLists(value: Json | undefined): KnownLists {
  const lists: Record<string, Record<string, readonly string[]>> = {};
  if (!isJsonObject(value)) return lists;
  for (const [server, kinds] of Object.entries(value)) {
    if (!isJsonObject(kinds)) continue;
    const read: Record<string, readonly string[]> = {};
    for (const [kind, texts] of Object.entries(kinds)) {
      if (Array.isArray(texts)) read[kind] = texts.filter((t): t is string => typeof t === 'string');
    }
    lists[server] = read;
  }
  return lists;
}
