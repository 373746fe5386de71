/** Secrets in one file of this machine, each sealed by AES-256-GCM to its tenant and its name; the key is somewhere else. */

import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  readIntegration,
  readTenantId,
  SecretText,
  type Integration,
  type SecretFields,
  type TenantId,
} from '@cruvero/core';
import {
  isCredentialFault,
  type Credential,
  type CredentialFault,
  type CredentialProvider,
} from '@cruvero/ports';
import { z } from 'zod';

export interface SecretFileParts {
  readonly path: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const fileBytesMax = 16 << 20;
const entriesMax = 10_000;

const fileSchema = z.strictObject({
  format: z.literal('cruvero-secrets'),
  version: z.literal(1),
  /** `tenant/integration` → iv, tag and text, in base64. */
  secrets: z.record(z.string(), z.string()),
});
const fieldsSchema = z.record(z.string(), z.string());

/** 32 bytes in base64; undefined for anything else. */
export function readFileKey(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text.trim())) return undefined;
  return new Uint8Array(Buffer.from(text.trim(), 'base64'));
}

/** The key that stands in a file of its own, made at first use, readable by its owner only. Rejects where it cannot be read. */
export async function secretFileKey(path: string): Promise<Uint8Array> {
  const isThere = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  if (!isThere) await makeKey(path);
  const key = readFileKey(await readFile(path, 'utf8'));
  if (!key) throw new Error('the key file of the secrets does not hold 32 bytes in base64');
  return key;
}

/** Whole or not at all, and the one of whoever comes first: others read it, and a death in the middle leaves none. */
async function makeKey(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${randomUUID()}.new`;
  const text = `${randomBytes(keyBytes).toString('base64')}\n`;
  try {
    await writeFile(beside, text, { flag: 'wx', mode: 0o600, flush: true });
    await link(beside, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(beside, { force: true });
  }
}

/** Read at each question: what another process writes is seen at the next one. */
export function secretFile(parts: SecretFileParts): CredentialProvider {
  return new SecretFile(parts);
}

class SecretFile implements CredentialProvider {
  readonly name = 'file';
  readonly #path: string;
  readonly #key: Uint8Array;
  #trouble: string | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor({ path, key }: SecretFileParts) {
    this.#path = path;
    this.#key = key;
  }

  readonly writing = {
    put: (tenant: TenantId, integration: Integration, fields: SecretFields) =>
      this.#put(tenant, integration, fields),
    delete: (tenant: TenantId, integration: Integration) => this.#delete(tenant, integration),
  };

  async getCredentials(
    tenantId: TenantId,
    integration: Integration,
  ): Promise<Credential | undefined | CredentialFault> {
    const name = nameOf(tenantId, integration);
    const secrets = await this.#read();
    if (isCredentialFault(secrets)) return secrets;
    const sealed = name === undefined ? undefined : secrets.get(name);
    if (name === undefined || sealed === undefined) return undefined;
    const fields = unsealed(sealed, name, this.#key);
    if (fields) return { fields };
    return {
      fault: 'unfit',
      detail: 'the secret in the file cannot be opened with this key',
      retryAfterMs: 0,
    };
  }

  unready(): string | undefined {
    return this.#trouble;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  #put(
    tenantId: TenantId,
    integration: Integration,
    fields: SecretFields,
  ): Promise<CredentialFault | undefined> {
    const name = nameOf(tenantId, integration);
    if (name === undefined) return Promise.resolve(unfitName);
    return this.#change((secrets) => {
      if (!secrets.has(name) && secrets.size >= entriesMax) return full;
      secrets.set(name, sealedFields(fields, name, this.#key));
      return undefined;
    });
  }

  async #delete(tenantId: TenantId, integration: Integration): Promise<boolean | CredentialFault> {
    const name = nameOf(tenantId, integration);
    if (name === undefined) return unfitName;
    const gone = await this.#change((secrets) => (secrets.delete(name) ? undefined : nothingThere));
    if (gone === nothingThere) return false;
    return gone ?? true;
  }

  /** One change after the other; a fault of the step leaves the file as it is. */
  #change(
    step: (secrets: Map<string, string>) => CredentialFault | undefined,
  ): Promise<CredentialFault | undefined> {
    const change = async (): Promise<CredentialFault | undefined> => {
      const secrets = await this.#read();
      if (isCredentialFault(secrets)) return secrets;
      const refused = step(secrets);
      return refused ?? this.#write(secrets);
    };
    const done = this.#writing.then(change).catch(() => this.#fail('the file of secrets cannot be written'));
    this.#writing = done;
    return done;
  }

  async #read(): Promise<Map<string, string> | CredentialFault> {
    try {
      const { size } = await stat(this.#path);
      if (size > fileBytesMax) return this.#fail('the file of secrets is too large');
      const file = fileSchema.safeParse(JSON.parse(await readFile(this.#path, 'utf8')));
      if (!file.success) return this.#fail('the file of secrets is not what this program writes');
      this.#trouble = undefined;
      return new Map(Object.entries(file.data.secrets));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      return this.#fail('the file of secrets cannot be read');
    }
  }

  /** Beside it first, so that a death in the middle leaves the old one whole. */
  async #write(secrets: ReadonlyMap<string, string>): Promise<CredentialFault | undefined> {
    const beside = `${this.#path}.${randomUUID()}.new`;
    const text = JSON.stringify({
      format: 'cruvero-secrets',
      version: 1,
      secrets: Object.fromEntries(secrets),
    });
    // A file that is too large to be read would take away every secret, and could not be made smaller again.
    if (Buffer.byteLength(text) > fileBytesMax) return tooLarge;
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      const handle = await open(beside, 'wx', 0o600);
      await handle
        .writeFile(text)
        .finally(() => handle.sync())
        .finally(() => handle.close());
      await rename(beside, this.#path);
      await chmod(this.#path, 0o600);
      return undefined;
    } catch {
      await rm(beside, { force: true });
      return this.#fail('the file of secrets cannot be written');
    }
  }

  #fail(detail: string): CredentialFault {
    this.#trouble = detail;
    return { fault: 'away', detail, retryAfterMs: 1_000 };
  }
}

const unfitName: CredentialFault = {
  fault: 'unfit',
  detail: 'no secret can have this name',
  retryAfterMs: 0,
};
const nothingThere: CredentialFault = { fault: 'not_found', detail: 'there is none', retryAfterMs: 0 };
const full: CredentialFault = {
  fault: 'busy',
  detail: `there are ${entriesMax} secrets already`,
  retryAfterMs: 0,
};

const tooLarge: CredentialFault = {
  fault: 'busy',
  detail: 'the file of secrets has no room for it',
  retryAfterMs: 0,
};

function nameOf(tenantId: TenantId, integration: Integration): string | undefined {
  const isPlain = readTenantId(tenantId) !== undefined && readIntegration(integration) !== undefined;
  return isPlain ? `${tenantId}/${integration}` : undefined;
}

const boundTo = (name: string): Buffer => Buffer.from(`cruvero-secrets/1/${name}`);

/** The name is sealed in: a secret that somebody moves to another tenant in the file does not open there. */
function sealedFields(fields: SecretFields, name: string, key: Uint8Array): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes }).setAAD(boundTo(name));
  const text = JSON.stringify(
    Object.fromEntries([...fields].map(([field, secret]) => [field, secret.reveal()])),
  );
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
}

function unsealed(sealed: string, name: string, key: Uint8Array): SecretFields | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  const iv = bytes.subarray(0, ivBytes);
  const tag = bytes.subarray(ivBytes, ivBytes + tagBytes);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
      .setAAD(boundTo(name))
      .setAuthTag(tag);
    const text = Buffer.concat([
      decipher.update(bytes.subarray(ivBytes + tagBytes)),
      decipher.final(),
    ]).toString();
    const fields = Object.entries(fieldsSchema.parse(JSON.parse(text)));
    return new Map(fields.map(([field, value]) => [field, new SecretText(value)]));
  } catch {
    return undefined;
  }
}
