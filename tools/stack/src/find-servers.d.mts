/** Types of find-servers.mjs. */

export type ServerName = 'nats' | 'redis' | 'postgres' | 'nginx';

export interface MissingServer {
  readonly name: ServerName;
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
  /** Stands outside many users' PATH, in /usr/sbin. */
  readonly nginx: string | undefined;
  /** Of those that are needed. */
  readonly missing: readonly MissingServer[];
  /** Installs all that is missing, run as root; undefined when nothing is. */
  readonly aptCommand: string | undefined;
}

export interface ServerPlaces {
  /** Instead of PATH and the usual folders. */
  readonly folders?: readonly string[];
  /** Instead of /usr/lib/postgresql. */
  readonly debianPostgres?: string;
  /** What `missing` is about; all but nginx when left out. */
  readonly needed?: readonly ServerName[];
}

export function findServers(places?: ServerPlaces): FoundServers;
