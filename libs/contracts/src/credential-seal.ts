/** Signatures and seals of what askers and the credential broker say: JWS and JWE, by a library that does nothing else. */

import {
  CompactEncrypt,
  compactDecrypt,
  CompactSign,
  compactVerify,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type CryptoKey,
} from 'jose';
import { publicKeySchema, askerPattern, type PublicKey } from './credential-messages.ts';

/** Which way a message goes: what is signed as an ask is never taken for an answer, nor for a revocation. */
export type Spoken = 'cruvero-credential-ask' | 'cruvero-credential-answer' | 'cruvero-credential-revoked';

const signing = 'HS256';
const agreement = 'ECDH-ES';
const encryption = 'A256GCM';

export interface SealKeys {
  readonly privateKey: CryptoKey;
  readonly publicKey: PublicKey;
}

/** Of one run of one process; the private part cannot be taken out of it. */
export async function newSealKeys(): Promise<SealKeys> {
  const pair = await generateKeyPair(agreement, { crv: 'X25519', extractable: false });
  const { kty, crv, x } = await exportJWK(pair.publicKey);
  return { privateKey: pair.privateKey, publicKey: publicKeySchema.parse({ kty, crv, x }) };
}

export async function sealTo(publicKey: PublicKey, value: object): Promise<string> {
  const key = await importJWK(publicKey, agreement);
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(value)))
    .setProtectedHeader({ alg: agreement, enc: encryption })
    .encrypt(key);
}

/** Undefined where it is not sealed to this key, or was touched. */
export async function openSeal({ privateKey }: SealKeys, sealed: string): Promise<unknown> {
  const options = { keyManagementAlgorithms: [agreement], contentEncryptionAlgorithms: [encryption] };
  try {
    const { plaintext } = await compactDecrypt(sealed, privateKey, options);
    return JSON.parse(new TextDecoder().decode(plaintext)) as unknown;
  } catch {
    return undefined;
  }
}

export async function sign(as: Spoken, asker: string, key: Uint8Array, claims: object): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: signing, typ: as, kid: asker })
    .sign(key);
}

/** Whose ask it says it is; nothing is proven by that. Undefined where that cannot be a name. */
export function signerOf(jws: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(jws);
    return typeof kid === 'string' && askerPattern.test(kid) ? kid : undefined;
  } catch {
    return undefined;
  }
}

/** The claims; undefined where the signature, the direction or the name is not right. */
export async function verify(as: Spoken, asker: string, key: Uint8Array, jws: string): Promise<unknown> {
  try {
    const { payload, protectedHeader } = await compactVerify(jws, key, { algorithms: [signing] });
    if (protectedHeader.typ !== as || protectedHeader.kid !== asker) return undefined;
    return JSON.parse(new TextDecoder().decode(payload)) as unknown;
  } catch {
    return undefined;
  }
}

/** 32 bytes, the whole strength of HS256, in base64 or base64url: 43 characters. Undefined for anything else. */
export function readAskerKey(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  return new Uint8Array(Buffer.from(text, 'base64'));
}
