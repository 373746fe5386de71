/** The product as it runs for users, in either layout, behind one face. */

import type { Stack } from '@cruvero/stack';
import type { ConfigFile, Entries } from './config-file.fixture.ts';

export type LayoutKind = 'embedded' | 'apart';
export const layoutKinds: readonly LayoutKind[] = ['embedded', 'apart'];

export interface Keys {
  readonly agentKey: string;
  readonly adminKey: string;
}

export interface Layout extends AsyncDisposable {
  readonly kind: LayoutKind;
  /** Of the gateway, without a path. */
  readonly url: string;
  /** Where the admin API and the mesh facade are. */
  readonly registryUrl: string;
  /** Where each service says how it is: /healthz, /readyz, /metrics. */
  readonly statusUrls: Readonly<Record<string, string>>;
  readonly natsUrl: string | undefined;
  readonly agentKey: string;
  readonly adminKey: string;
  /** What was shown at this start. */
  readonly shown: Partial<Keys>;
  /** State and configuration. */
  readonly folder: string;
  readonly config: ConfigFile;
  /** From the first process to the line `ready`. */
  readonly readyMs: number;
  /** Everything that was printed for people. */
  stdout(): string;
  /** Everything that was logged. */
  logs(): Promise<string>;
  /** Processes that make up the layout, children of the stdio-bridge not among them. */
  pids(): readonly number[];
  readonly stack: Stack | undefined;
  stop(): Promise<void>;
}

export interface LayoutOptions {
  /** Entries of cruvero.json. */
  readonly servers?: Entries | ((folder: string) => Entries);
  /** The repository's own cruvero.json instead. */
  readonly ownConfig?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** With the code execution server; without it unless said. */
  readonly codeExec?: boolean;
  /** State of an earlier start; kept. Without it: a fresh one, removed at the end. */
  readonly folder?: string;
  /** Keys of an earlier start. */
  readonly keys?: Keys;
  /** Tools, resources or prompts of these servers are listed before the start is over; default: of all in `servers`. */
  readonly awaits?: readonly string[];
}

/** What a layout is started with. */
export interface Plan {
  readonly folder: string;
  /** True where the state outlives this start. */
  readonly isKept: boolean;
  readonly config: ConfigFile;
  readonly env: Readonly<Record<string, string>>;
  readonly keys: Keys | undefined;
  readonly codeExec: boolean;
}
