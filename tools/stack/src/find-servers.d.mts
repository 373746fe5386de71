/** Types of find-servers.mjs. */

export type ServerName = 'nats' | 'redis' | 'postgres' | 'nginx' | 'bubblewrap' | 'python' | 'matplotlib';

export interface MissingServer {
  readonly name: ServerName;
  readonly program: string;
  /** Debian's and Ubuntu's name. */
  readonly aptPackage: string;
  /** Undefined for what there is on Linux only. */
  readonly brewPackage: string | undefined;
}

export interface FoundServers {
  /** Absolute path of each program; undefined when this machine has none. */
  readonly nats: string | undefined;
  readonly redis: string | undefined;
  /** `postgres`; `initdb` stands beside it. */
  readonly postgres: string | undefined;
  /** Stands outside many users' PATH, in /usr/sbin. */
  readonly nginx: string | undefined;
  readonly bubblewrap: string | undefined;
  readonly python: string | undefined;
  /** Folder of the module. */
  readonly matplotlib: string | undefined;
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
  /** Instead of the folders in which the system's Python has its modules. */
  readonly pythonModules?: readonly string[];
  /** What `missing` is about; the three servers when left out. */
  readonly needed?: readonly ServerName[];
}

export function findServers(places?: ServerPlaces): FoundServers;
