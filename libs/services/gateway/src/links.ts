/** The open conversations, one per instance, made on first use and closed when the instance is gone. */

import type { CredentialUse, Instance, Params, Server, TenantId } from '@cruvero/core';
import type { CredentialFault, Credentials, Upstreams } from '@cruvero/ports';
import {
  credentialed,
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

  /** Ends the legacy sessions that one client's session has with these servers. */
  async endSessions(tenantId: TenantId, servers: ReadonlySet<string>, terms: SessionTerms): Promise<void> {
    const own = [...this.#links].filter(
      ([key, { peer }]) => servers.has(peer.server) && key.startsWith(`${tenantId}/`),
    );
    await Promise.all(own.map(([, link]) => link.endSession(terms)));
  }

  /**
   * Notifies the legacy servers with which one client's session has sessions of its own. `told`: instances whose sessions are
   * shared and which another replica has told; those that this one told are given back.
   */
  async notifySessions(
    tenantId: TenantId,
    terms: SessionTerms,
    notification: { readonly method: string; readonly paramsText: string },
    told: ReadonlySet<string> | undefined,
  ): Promise<readonly string[]> {
    const { method, paramsText } = notification;
    const own = [...this.#links].filter(([key]) => key.startsWith(`${tenantId}/`));
    const shared = await Promise.all(
      own.map(async ([, link]) => {
        const name = `${link.peer.server}/${link.peer.instance.instanceId}`;
        const unshared = told?.has(name) ?? false;
        return (await link.notify(terms, method, paramsText, { unshared })) ? name : undefined;
      }),
    );
    return shared.filter((name) => name !== undefined);
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
  return { ...plainParams(message.method, message.params), meta: spoken.meta, abort };
}

/** The same without a caller. */
export function plainParams(method: string, params: Params): Omit<Ask, 'terms' | 'abort'> {
  return { method, params, meta: undefined, metaChanges: {}, changes: {}, capabilities: {} };
}

const away: CredentialFault = { fault: 'away', detail: 'there is no credential broker', retryAfterMs: 0 };
const noCredentials: Pick<Credentials, 'held' | 'lease' | 'refused'> = {
  held: () => undefined,
  lease: () => Promise.resolve(away),
  refused: () => Promise.resolve(away),
};
