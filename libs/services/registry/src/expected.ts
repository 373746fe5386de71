/** Which configured servers gateways will be told of, so that a start waits for those and for no others. */

import type { ServerName, ServerStatus, TenantId } from '@cruvero/core';
import type { ConfiguredServer, ServerStore } from '@cruvero/ports';

/** Somebody took it out of service by hand, and announcing itself does not bring it back. */
const withheld: ReadonlySet<ServerStatus> = new Set(['draining', 'disabled']);

/** A command without a row has not announced itself yet; a URL without one was refused, for URLs are read before the start is over. */
export async function expectedServers(
  configured: readonly ConfiguredServer[],
  tenantId: TenantId,
  store: Pick<ServerStore, 'list'>,
): Promise<readonly ServerName[]> {
  const statuses = new Map((await store.list(tenantId)).map((row) => [row.name, row.status]));
  const isExpected = ({ kind, name }: ConfiguredServer): boolean => {
    const status = statuses.get(name);
    return status === undefined ? kind === 'command' : !withheld.has(status);
  };
  return configured.filter(isExpected).map(({ name }) => name);
}
