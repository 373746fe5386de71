/** A configuration message as it was meant: whole, or gathered from its parts in the bucket. */

import { createHash } from 'node:crypto';
import type { Json } from '@cruvero/core';
import { chunkedSchema } from './config-payloads.ts';
import type { DecodeProblem } from './decode.ts';

/** Reads one key of the configuration bucket; undefined where it is not there. */
export type ReadPart = (key: string) => Promise<string | undefined>;

/** The body itself where it is whole. Parts that are gone or do not match their hash are a problem. */
export async function readConfigBody(body: Json, readPart: ReadPart): Promise<Json | DecodeProblem> {
  const chunked = chunkedSchema.safeParse(body);
  if (!chunked.success) return body;
  const { keys, sha256 } = chunked.data.chunked;
  const parts: string[] = [];
  for (const key of keys) {
    const part = await readPart(key);
    if (part === undefined) return { problem: `part ${key} of the configuration is not in the bucket` };
    parts.push(part);
  }
  const text = parts.join('');
  if (createHash('sha256').update(text).digest('hex') !== sha256) {
    return { problem: 'the parts of the configuration do not match their hash' };
  }
  return parseBody(text);
}

function parseBody(text: string): Json | DecodeProblem {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { problem: 'the parts of the configuration are not JSON' };
  }
}
