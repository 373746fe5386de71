/** The open conversations, one per instance, made on first use and closed when the instance is gone. */

import type { CredentialUse, Instance, Server, TenantId } from '@cruvero/core';
import type { CredentialFault, Credentials, Upstreams } from '@cruvero/ports';
import { credentialed, UpstreamLink, type Ask, type LinkBounds, type LinkPorts } from '@cruvero/upstream';
import { stateKey } from './filters/balance.ts';
import type { Inbound } from './pipeline.ts';

export class Links {
  readonly #links = new Map<string, UpstreamLink>();
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;
  readonly #credentials: Credentials | undefined;
  /** By tenant and secret: ends the streams that were opened with what was revoked. */
  readonly #gone = new Map<string, AbortController>();

  constructor(bounds: LinkBounds, ports: LinkPorts, credentials?: Credentials) {
    this.#bounds = bounds;
    this.#ports = ports;
    this.#credentials = credentials;
    credentials?.onChange(({ tenantId, integration, change }) => {
      const key = `${tenantId}/${integration}`;
      if (change !== 'gone') return;
      this.#gone.get(key)?.abort();
      this.#gone.delete(key);
    });
  }

  of(server: Server, instance: Instance): UpstreamLink {
    const key = stateKey(server, instance);
    let link = this.#links.get(key);
    if (!link)
      this.#links.set(
        key,
        (link = new UpstreamLink({ server: server.name, instance }, this.#bounds, this.#portsOf(server))),
      );
    return link;
  }

  /** A server that wants no credential is reached as it always was; without a broker one that does is not reached. */
  #portsOf({ tenantId, credential }: Server): LinkPorts {
    if (!credential) return this.#ports;
    const upstreams = this.#upstreamsFor(tenantId, credential);
    return { ...this.#ports, upstreams };
  }

  #upstreamsFor(tenantId: TenantId, use: CredentialUse): Upstreams {
    const credentials = this.#credentials ?? noCredentials;
    const gone = (): AbortSignal => {
      const key = `${tenantId}/${use.secretRef}`;
      const known = this.#gone.get(key) ?? new AbortController();
      this.#gone.set(key, known);
      return known.signal;
    };
    return credentialed(this.#ports.upstreams, { tenantId, use, credentials, gone });
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

const away: CredentialFault = { fault: 'away', detail: 'there is no credential broker', retryAfterMs: 0 };
const noCredentials: Pick<Credentials, 'held' | 'lease' | 'refused'> = {
  held: () => undefined,
  lease: () => Promise.resolve(away),
  refused: () => Promise.resolve(away),
};
