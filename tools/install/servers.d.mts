/** Types of servers.mjs. */

import type { FoundServers, ServerPlaces } from '../stack/src/find-servers.mjs';

/** What installing asks of a machine. */
export interface Machine {
  isRoot(): boolean;
  isLinux(): boolean;
  hasApt(): boolean;
  /** True where a policy keeps freshly installed servers from being started, as in most container images. */
  holdsServices(): boolean;
  /** True after `apt-get update` was ever run. */
  hasPackageLists(): boolean;
  /** Runs apt-get; undefined when it succeeded, what it said when it failed. */
  apt(args: readonly string[]): string | undefined;
}

export interface ServersOptions {
  readonly say: (line: string) => void;
  readonly find?: (places?: ServerPlaces) => FoundServers;
  readonly machine?: Machine;
}

/** Installs the missing servers as root on Debian or Ubuntu. @throws elsewhere, with the commands that install them. */
export function ensureServers(options: ServersOptions): Promise<void>;

/** Installs nginx where that starts nothing; everywhere else it says what is missing, and that is all. */
export function offerNginx(options: ServersOptions): Promise<void>;

/** On Linux: installs what code execution and its tests need; where that cannot be, says what is missing, and that is all. */
export function offerSandbox(options: ServersOptions): Promise<void>;
