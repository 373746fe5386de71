/** Configured commands with their secrets in the environment; what changes there is news, as a change of the file is. */

import { credentialEnvironment, type CredentialEnvironment, type TenantId } from '@cruvero/core';
import { isCredentialFault, type Credentials, type ServersRead, type ServersSource } from '@cruvero/ports';
import type { CommandServer } from './entry.ts';

export interface CredentialedSourceParts {
  readonly source: ServersSource;
  /** Undefined where nobody can be asked: what needs a secret is left out then. */
  readonly credentials: Pick<Credentials, 'lease' | 'keep' | 'onChange'> | undefined;
  readonly tenantId: TenantId;
}

/** A command whose secret is not to be had is left out and said; it comes as soon as the secret does, and goes when that is revoked. */
export function credentialedSource(parts: CredentialedSourceParts): ServersSource & Disposable {
  return new CredentialedSource(parts);
}

class CredentialedSource implements ServersSource, Disposable {
  readonly #parts: CredentialedSourceParts;
  /** By secret: renewed as long as a command wants it. */
  #kept = new Map<string, Disposable>();
  #last: ServersRead | undefined;

  constructor(parts: CredentialedSourceParts) {
    this.#parts = parts;
  }

  async read(): Promise<ServersRead> {
    const read = await this.#parts.source.read();
    this.#last = read;
    return this.#filled(read);
  }

  watch(onChange: (read: ServersRead) => void): { close(): void } {
    const { source, credentials, tenantId } = this.#parts;
    let told = 0;
    let closed = false;
    const tell = async (): Promise<void> => {
      const mine = (told += 1);
      const filled = this.#last && (await this.#filled(this.#last));
      // What was read later knows more.
      if (filled && mine === told && !closed) onChange(filled);
    };
    const watching = source.watch((read) => {
      this.#last = read;
      void tell();
    });
    const changes = credentials?.onChange((change) => {
      if (change.tenantId === tenantId && this.#kept.has(change.integration)) void tell();
    });
    return {
      close: () => {
        closed = true;
        watching.close();
        void changes?.close();
      },
    };
  }

  [Symbol.dispose](): void {
    for (const kept of this.#kept.values()) kept[Symbol.dispose]();
    this.#kept.clear();
  }

  async #filled(read: ServersRead): Promise<ServersRead> {
    this.#keepWanted(read);
    const outcomes = await Promise.all(
      read.servers.map(async (server) =>
        server.kind === 'command' && server.credential ? this.#withSecret(server, server.credential) : server,
      ),
    );
    const problems = outcomes.flatMap((outcome) => (typeof outcome === 'string' ? [outcome] : []));
    const servers = outcomes.flatMap((outcome) => (typeof outcome === 'string' ? [] : [outcome]));
    return { ...read, servers, problems: [...read.problems, ...problems] };
  }

  #keepWanted({ servers }: ServersRead): void {
    const { credentials, tenantId } = this.#parts;
    const wanted = new Map<string, Disposable>();
    for (const server of servers) {
      if (server.kind !== 'command' || !server.credential || !credentials) continue;
      const { secretRef } = server.credential;
      if (!wanted.has(secretRef))
        wanted.set(secretRef, this.#kept.get(secretRef) ?? credentials.keep(tenantId, secretRef));
    }
    for (const [ref, kept] of this.#kept) if (!wanted.has(ref)) kept[Symbol.dispose]();
    this.#kept = wanted;
  }

  async #withSecret(
    { credential: _credential, ...server }: CommandServer,
    use: CredentialEnvironment,
  ): Promise<CommandServer | string> {
    const { credentials, tenantId } = this.#parts;
    if (!credentials) return `${server.name} wants a credential, and there is no credential broker`;
    const lease = await credentials.lease(tenantId, use.secretRef);
    if (isCredentialFault(lease)) return `${server.name} has no credential: ${lease.detail}`;
    const made = credentialEnvironment(use, lease.fields);
    if ('problem' in made) return `${server.name} has no credential: ${made.problem}`;
    return { ...server, env: { ...server.env, ...made.env }, secretNames: Object.keys(made.env) };
  }
}
