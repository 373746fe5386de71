/** The open conversations, one per instance, made on first use and closed when the instance is gone. */

import type { Instance, Server, TenantId } from '@cruvero/core';
import {
  UpstreamLink,
  type Ask,
  type LinkBounds,
  type LinkPorts,
  type SessionTerms,
} from '@cruvero/upstream';
import { stateKey } from './filters/balance.ts';
import type { Inbound } from './pipeline.ts';

export class Links {
  readonly #links = new Map<string, UpstreamLink>();
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;

  constructor(bounds: LinkBounds, ports: LinkPorts) {
    this.#bounds = bounds;
    this.#ports = ports;
  }

  of(server: Server, instance: Instance): UpstreamLink {
    const key = stateKey(server, instance);
    let link = this.#links.get(key);
    if (!link)
      this.#links.set(
        key,
        (link = new UpstreamLink({ server: server.name, instance }, this.#bounds, this.#ports)),
      );
    return link;
  }

  /** Ends the conversations with instances that no server of the snapshot has any more. */
  async keepOnly(servers: Iterable<Server>): Promise<void> {
    const wanted = new Set<string>();
    for (const server of servers)
      for (const instance of server.instances) wanted.add(stateKey(server, instance));
    const ended = [...this.#links].filter(([key]) => !wanted.has(key));
    for (const [key] of ended) this.#links.delete(key);
    await Promise.all(ended.map(([, link]) => link.close()));
  }

  /** Ends the legacy sessions that one client's session has with these servers. */
  async endSessions(tenantId: TenantId, servers: ReadonlySet<string>, terms: SessionTerms): Promise<void> {
    const own = [...this.#links].filter(
      ([key, { peer }]) => servers.has(peer.server) && key.startsWith(`${tenantId}/`),
    );
    await Promise.all(own.map(([, link]) => link.endSession(terms)));
  }

  /** Legacy sessions held upstream, for the gauge. */
  sessionCount(): number {
    let count = 0;
    for (const link of this.#links.values()) count += link.sessionCount;
    return count;
  }

  sweep(): void {
    for (const link of this.#links.values()) link.sweep();
  }

  async close(): Promise<void> {
    await this.keepOnly([]);
  }
}

/** A caller's request as it is, with nothing of the gateway's about it but the terms, which its sender adds. */
export function plainRequest(
  { message, spoken }: Pick<Inbound, 'message' | 'spoken'>,
  abort: AbortController,
): Omit<Ask, 'terms'> {
  return {
    method: message.method,
    params: message.params,
    meta: spoken.meta,
    metaChanges: {},
    changes: {},
    capabilities: {},
    abort,
  };
}
