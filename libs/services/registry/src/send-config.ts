/** Sends one scope to one gateway: in one message where it fits, otherwise through the bucket. */

import { createHash } from 'node:crypto';
import {
  chunkBytesMax,
  chunkKeys,
  configBucket,
  gatewaySubjects,
  splitChunks,
  utf8Bytes,
} from '@cruvero/contracts';
import type { ConfigScope } from '@cruvero/contracts';
import type { GatewayId, JsonObject } from '@cruvero/core';
import type { Bus, BusFault } from '@cruvero/ports';

export interface ConfigMessage {
  readonly gatewayId: GatewayId;
  readonly scope: ConfigScope;
  readonly revision: number;
  readonly incarnation: string;
  readonly body: JsonObject;
  /**
   * Empty for what everybody is told of a revision; something new for an answer, which must not be taken for
   * a copy.
   */
  readonly nonce: string;
}

export async function sendConfig(
  bus: Pick<Bus, 'publishStored' | 'putValue'>,
  message: ConfigMessage,
): Promise<BusFault | undefined> {
  const { gatewayId, scope, revision, incarnation } = message;
  const text = JSON.stringify(message.body);
  const subject = gatewaySubjects.config(gatewayId, scope);
  const messageId = `${gatewayId}.${scope}.${incarnation}.${revision}${message.nonce}`;
  if (utf8Bytes(text) <= chunkBytesMax) return bus.publishStored(subject, message.body, messageId);
  const parts = splitChunks(text);
  const keys = chunkKeys(gatewayId, scope, revision, parts.length);
  for (const [at, key] of keys.entries()) {
    const fault = await bus.putValue(configBucket, key, parts[at] ?? '');
    if (fault) return fault;
  }
  const sha256 = createHash('sha256').update(text).digest('hex');
  return bus.publishStored(subject, { version: revision, chunked: { keys: [...keys], sha256 } }, messageId);
}
