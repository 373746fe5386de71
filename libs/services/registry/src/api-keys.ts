/** API keys: made of chance, kept as hashes only, looked up by hash. */

import { createHash } from 'node:crypto';

/** Fills with secret chance; a service is handed one, tests hand in their own. */
export type SecretBytes = (count: number) => Uint8Array;

/** 256 bits; the prefix lets scanners of leaked secrets know it. */
export const newApiKey = (bytes: SecretBytes): string =>
  `crv_${Buffer.from(bytes(32)).toString('base64url')}`;
export const newKeyId = (bytes: SecretBytes): string => `key_${Buffer.from(bytes(8)).toString('hex')}`;
export const hashOfKey = (key: string): string => createHash('sha256').update(key).digest('hex');
