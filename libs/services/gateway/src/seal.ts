/** Sealed words: what this gateway hands out and takes back later, on any replica, unread and unchanged by whoever held it. */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { Log, StateFile } from '@cruvero/ports';

/** What a sealed word is for; one made for one purpose opens for no other. */
export type SealPurpose = 'session' | 'request-state' | 'task' | 'legacy-task' | 'upstream-session';

export interface Seal {
  /** URL-safe text, about a third longer than `text` and 38 characters more. */
  seal(purpose: SealPurpose, text: string): string;
  /** Undefined for anything that was not sealed for this purpose with one of the keys. */
  open(purpose: SealPurpose, sealed: string): string | undefined;
}

export const sealKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** Longer words were never made here. */
const sealedCharsMax = 64 << 10;

/**
 * AES-256-GCM under a key of its own for each purpose (HKDF-SHA256). The first key seals, all of them open: a key is changed by
 * putting the new one in front and dropping the old one a day later. Nonces are random; 2^32 words a key are far from a collision.
 */
export function sealWith(keys: readonly Uint8Array[]): Seal {
  const first = keys[0];
  if (!first || keys.some((key) => key.length !== sealKeyBytes))
    throw new Error(`a seal needs keys of ${sealKeyBytes} bytes`);
  const derived = new Map<SealPurpose, readonly Buffer[]>();
  const keysOf = (purpose: SealPurpose): readonly Buffer[] => {
    let own = derived.get(purpose);
    if (!own) {
      own = keys.map((key) =>
        Buffer.from(hkdfSync('sha256', key, '', `cruvero-mcp ${purpose}`, sealKeyBytes)),
      );
      derived.set(purpose, own);
    }
    return own;
  };
  return {
    seal: (purpose, text) => encrypt(keysOf(purpose)[0] ?? Buffer.alloc(0), text),
    open: (purpose, sealed) => {
      if (sealed.length > sealedCharsMax || !/^[A-Za-z0-9_-]+$/.test(sealed)) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length <= nonceBytes + tagBytes || bytes.toString('base64url') !== sealed) return undefined;
      for (const key of keysOf(purpose)) {
        const text = decrypt(key, bytes);
        if (text !== undefined) return text;
      }
      return undefined;
    },
  };
}

/** Undefined unless every one of them is a key. */
export function readSealKeys(text: string): readonly Buffer[] | undefined {
  const keys = text.split(',').map((key) => Buffer.from(key.trim(), 'base64'));
  return keys.every((key) => key.length === sealKeyBytes) ? keys : undefined;
}

/**
 * With the keys given, or with a key of this gateway's own, kept in its file so that sessions survive a restart. A file that
 * cannot be written costs just that.
 */
export async function openSeal(
  keys: string | undefined,
  file: StateFile,
  log: Pick<Log, 'warn'>,
): Promise<Seal> {
  const given = keys === undefined ? undefined : readSealKeys(keys);
  if (given) return sealWith(given);
  const kept = readSealKeys((await file.read()) ?? '');
  if (kept) return sealWith(kept);
  const made = randomBytes(sealKeyBytes);
  try {
    await file.write(made.toString('base64'));
  } catch (error) {
    log.warn('the key that seals session ids cannot be kept; sessions end with this process', { error });
  }
  return sealWith([made]);
}

function encrypt(key: Buffer, text: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(body).toString('base64url');
}

function decrypt(key: Buffer, bytes: Buffer): string | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    const body = decipher.update(bytes.subarray(nonceBytes, -tagBytes));
    return Buffer.concat([body, decipher.final()]).toString('utf8');
  } catch {
    // The tag does not fit: forged, damaged, or sealed with another key.
    return undefined;
  }
}
