/** For tests: a registry over the memory store and the memory bus, with time that stands still and a store that can go away. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MemoryServerStore, memoryBroker } from '@cruvero/adapter-memory';
import { Secret } from '@cruvero/chassis';
import type { Json, TenantId } from '@cruvero/core';
import { defaultTenant } from '@cruvero/core';
import type {
  Bus,
  BusMessage,
  HttpHandler,
  Listener,
  ServersRead,
  ServersSource,
  ServerStore,
} from '@cruvero/ports';
import { StoreUnavailable } from '@cruvero/ports';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import type { RegistryConfig } from './config.ts';
import { startRegistry } from './registry.ts';
import type { Registry } from './registry.ts';

export const acme = 'acme' as TenantId;
export const adminKey = 'crv_admin-key-of-the-tests';
export const agentKey = 'crv_agent-key-of-the-tests';

export const baseConfig: RegistryConfig = {
  tenantId: defaultTenant,
  version: '0.0.0',
  subjectPrefix: 'cruvero',
  discovery: 'both',
  acceptInproc: false,
  authMode: 'apikey',
  adminKey: new Secret(adminKey),
  agentKey: new Secret(agentKey),
  allowedHosts: [],
  allowedOrigins: [],
  loopback: true,
};

/** Waits for a condition over many turns of the loop; time itself stands still. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2_000; turn += 1) {
    if (await holds()) return;
    await settle(1);
  }
  throw new Error(`this never came true: ${what}`);
}

export interface FragileStore {
  readonly store: ServerStore;
  /** Every call rejects the way a lost database does. */
  away: boolean;
  /** Every call rejects the way a bug does. */
  broken: boolean;
}

/** The store, until something is set. */
export function fragile(store: ServerStore): FragileStore {
  const state = {
    away: false,
    broken: false,
    store: new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (state.away) return Promise.reject(new StoreUnavailable('away for a test'));
          if (state.broken) return Promise.reject(new Error('broken for a test'));
          return Reflect.apply(member, target, args);
        };
      },
    }),
  };
  return state;
}

export const testListener: Listener = {
  listen: (handler: HttpHandler) =>
    new Promise((resolve) => {
      const server = createServer(handler).listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo;
        const close = () =>
          new Promise<void>((done) => {
            server.close(() => done());
            server.closeAllConnections();
          });
        resolve({ url: `http://127.0.0.1:${port}`, host: '127.0.0.1', port, close });
      });
    }),
};

export function settableSource(first: ServersRead): ServersSource & { set(read: ServersRead): void } {
  let now = first;
  const watchers = new Set<(read: ServersRead) => void>();
  return {
    read: async () => now,
    watch: (onChange) => {
      watchers.add(onChange);
      return { close: () => void watchers.delete(onChange) };
    },
    set: (read) => {
      now = read;
      for (const watcher of watchers) watcher(read);
    },
  };
}

export class World implements AsyncDisposable {
  readonly clock = new SimClock();
  readonly telemetry = new MemoryTelemetry();
  readonly broker = memoryBroker({ clock: this.clock, random: () => 0.5, log: this.telemetry.log });
  readonly bus = this.broker.connect();
  /** A second connection, as gateways and sidecars hold. */
  readonly outside: Bus = this.broker.connect();
  readonly memory = new MemoryServerStore({ clock: this.clock });
  readonly fragile = fragile(this.memory);
  #events = 0;
  readonly #registries: Registry[] = [];

  async start(changes: Partial<RegistryConfig> = {}, source?: ServersSource): Promise<Registry> {
    const { clock, telemetry, bus } = this;
    const modules = { store: this.fragile.store, bus, clock, telemetry, listener: testListener };
    const config = { ...baseConfig, ...changes };
    const registry = await startRegistry(config, {
      ...modules,
      ...(source ? { serversSource: source } : {}),
    });
    this.#registries.push(registry);
    return registry;
  }

  /** Stored by the stream when this resolves. */
  async say(
    type: 'announce' | 'heartbeat' | 'deregister' | 'verdict',
    payload: Json,
    rest: { event_id?: string; tenant_id?: string } = {},
  ) {
    this.#events += 1;
    const body: Json = {
      event_type: `mcp.${type}`,
      event_id: `evt-${this.#events}`,
      timestamp: new Date(this.clock.nowMs()).toISOString(),
      payload,
      ...rest,
    };
    const fault = await this.outside.publishStored(`cruvero.mcp.${type}`, body, `message-${this.#events}`);
    if (fault) throw new Error(fault.detail);
  }

  /** Events of these types that the registry is done with. */
  done(type = ''): number {
    const counts = [...this.telemetry.counts].filter(
      ([key]) => key.startsWith('registry_events_total') && key.includes(type),
    );
    return counts.reduce((sum, [, count]) => sum + count, 0);
  }

  outcomes(): Readonly<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const [key, count] of this.telemetry.counts) {
      const labels = /^registry_events_total(\{.*\})$/.exec(key)?.[1];
      if (labels !== undefined) {
        const { type, outcome } = JSON.parse(labels) as { type: string; outcome: string };
        found[`${type} ${outcome}`] = count;
      }
    }
    return found;
  }

  /** A gateway: what it hears on its configuration subjects. */
  gateway(gatewayId: string): {
    readonly heard: BusMessage[];
    ask(versions?: Readonly<Record<string, number>>, tenant?: string): Promise<void>;
  } {
    const heard: BusMessage[] = [];
    this.outside.subscribe(`mcpgw.${gatewayId}.config.*`, (message) => {
      if (!message.subject.endsWith('.request')) heard.push(message);
    });
    return {
      heard,
      ask: async (versions = {}, tenant = 'default') => {
        const body = { gateway_id: gatewayId, tenant_id: tenant, last_known_versions: versions };
        await this.outside.publish(`mcpgw.${gatewayId}.config.request`, body);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const registry of this.#registries) await registry[Symbol.asyncDispose]();
    await this.outside[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}

export const announceOf = (server: string, changes: Readonly<Record<string, Json>> = {}): Json => ({
  server,
  instance_id: `${server}-1`,
  transport: 'http',
  endpoint: `http://127.0.0.1:9000/${server}/mcp`,
  tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
  heartbeat_interval_ms: 1_000,
  ...changes,
});

export const verdictOf = (
  server: string,
  status: string,
  health: string,
  changes: Readonly<Record<string, Json>> = {},
): Json => ({
  server,
  instance_id: `${server}-1`,
  old_status: 'pending',
  new_status: status,
  health,
  reason: `because of ${health}`,
  age_ms: 5,
  ...changes,
});
