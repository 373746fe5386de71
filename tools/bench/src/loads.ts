/** The kinds of traffic, and how long a run takes for them. */

import { floodServer, legacyServer, stdioServer } from './gateway.ts';
import type { Load } from './orders.ts';

export interface Plan {
  readonly name: 'quick' | 'full';
  readonly rounds: number;
  readonly sliceMs: number;
  readonly warmUpMs: number;
  readonly sessions: number;
  readonly silentReaders: number;
  /** Rounds of the load without, with arriving, and with standing silent readers. */
  readonly silentRounds: number;
  readonly agentsMs: number;
}

export const quick: Plan = {
  name: 'quick',
  rounds: 3,
  sliceMs: 350,
  warmUpMs: 200,
  sessions: 10_000,
  silentReaders: 200,
  silentRounds: 1,
  agentsMs: 3_000,
};

export const full: Plan = {
  name: 'full',
  rounds: 7,
  sliceMs: 1_500,
  warmUpMs: 1_500,
  sessions: 10_000,
  silentReaders: 1_000,
  silentRounds: 3,
  agentsMs: 15_000,
};

const small = { era: 'modern', method: 'tools/call', tool: 'echo', connections: 32, server: 0 } as const;

/** Against every target. */
export const loads = {
  small: { ...small, name: 'small tools/call, modern caller and server, 32 connections' },
  single: { ...small, name: 'small tools/call, modern caller and server, 1 connection', connections: 1 },
  legacy: {
    ...small,
    name: 'small tools/call, legacy caller and server, a session each, 32 connections',
    era: 'legacy',
    server: legacyServer,
  },
  legacySingle: {
    ...small,
    name: 'small tools/call, legacy caller and server, 1 connection',
    era: 'legacy',
    server: legacyServer,
    connections: 1,
  },
  large: { ...small, name: 'result of 256 KiB, 8 connections', tool: 'large', connections: 8 },
  events: {
    ...small,
    name: 'event stream: 5 progress events, then the result, 32 connections',
    tool: 'stream',
  },
} as const satisfies Record<string, Load>;

/** Against the gateway and a server that does nothing but answer with the same bytes. */
export const listLoad = (listed: string): Load => ({
  ...small,
  name: 'tools/list of 24 servers × 50 tools, 8 connections',
  method: 'tools/list',
  connections: 8,
  listed,
});

/** Against the gateway alone. */
export const stdioLoad: Load = {
  ...small,
  name: 'small tools/call to a stdio server, 1 connection',
  connections: 1,
  server: stdioServer,
};
export const agentsLoad: Load = {
  ...small,
  name: '1,000 callers over 24 servers, one call a second each',
  connections: 1_000,
  server: 'all',
  everyMs: 1_000,
};
export const besideLoad: Load = { ...small, name: 'small tools/call beside silent readers', connections: 8 };
export { floodServer };
