/** Types of find-servers.mjs. */

export interface MissingServer {
  readonly name: 'nats' | 'redis' | 'postgres';
  readonly program: string;
  /** Debian's and Ubuntu's name. */
  readonly aptPackage: string;
  readonly brewPackage: string;
}

export interface FoundServers {
  /** Absolute path of each program; undefined when this machine has none. */
  readonly nats: string | undefined;
  readonly redis: string | undefined;
  /** `postgres`; `initdb` stands beside it. */
  readonly postgres: string | undefined;
  readonly missing: readonly MissingServer[];
  /** Installs all that is missing, run as root; undefined when nothing is. */
  readonly aptCommand: string | undefined;
}

export interface ServerPlaces {
  /** Instead of PATH and the usual folders. */
  readonly folders?: readonly string[];
  /** Instead of /usr/lib/postgresql. */
  readonly debianPostgres?: string;
}

export function findServers(places?: ServerPlaces): FoundServers;
