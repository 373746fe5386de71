/** Where configured servers come from (cruvero.json, environment), and the news when they change. */

import type { CredentialEnvironment, CredentialUse, ServerName, VirtualDefinition } from '@cruvero/core';

/** Which kind of configuration a server comes from; the registry keeps it as the row's source. */
export type ServerOrigin = 'file' | 'env';

/** An entry of `mcpServers`: a command to run, or a URL to reach. */
export type ConfiguredServer =
  | {
      readonly kind: 'command';
      readonly name: ServerName;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd?: string;
      /** Running copies, 1 to 32. */
      readonly instances: number;
      /** Variables whose values are a secret's fields, by reference. */
      readonly credential?: CredentialEnvironment;
      /** Variables in `env` that were filled from a secret. */
      readonly secretNames?: readonly string[];
      readonly origin?: ServerOrigin;
    }
  | {
      readonly kind: 'url';
      readonly name: ServerName;
      readonly transport: 'http' | 'sse';
      readonly url: string;
      /** What the server is shown, by reference. */
      readonly credential?: CredentialUse;
      readonly origin?: ServerOrigin;
    };

export interface ServersRead {
  readonly servers: readonly ConfiguredServer[];
  /** Virtual servers over these and others; absent: none. */
  readonly virtuals?: readonly VirtualDefinition[];
  /** Entries that were left out, one sentence each; the others stand. */
  readonly problems: readonly string[];
}

export interface ServersSource {
  /** The present state; a file that cannot be read gives a problem and no servers. */
  read(): Promise<ServersRead>;
  /**
   * Called with the new state whenever it differs from the one told or read before; never with a half-written one. Watch
   * first, then read: news that came before the reading is done is newer than it.
   */
  watch(onChange: (read: ServersRead) => void): { close(): void };
}
