/** Types of servers.mjs. */

import type { FoundServers } from '../stack/src/find-servers.mjs';

/** What installing asks of a machine. */
export interface Machine {
  isRoot(): boolean;
  hasApt(): boolean;
  /** True after `apt-get update` was ever run. */
  hasPackageLists(): boolean;
  /** Runs apt-get; undefined when it succeeded, what it said when it failed. */
  apt(args: readonly string[]): string | undefined;
}

export interface ServersOptions {
  readonly say: (line: string) => void;
  readonly find?: () => FoundServers;
  readonly machine?: Machine;
}

/** Installs the missing servers as root on Debian or Ubuntu. @throws elsewhere, with the commands that install them. */
export function ensureServers(options: ServersOptions): Promise<void>;
