/** The doors of the gateway: what a client finds behind a URL. */

import type { ServerName } from '@cruvero/core';

/** Which door the call came through. */
export type Door =
  /** All servers of the tenant, names carry the server. */
  | { readonly door: 'aggregate'; readonly names: 'canonical' | 'safe' }
  /** One server, everything under its own name. */
  | { readonly door: 'server'; readonly name: ServerName }
  /** A selection of servers and tools, under names of its own. */
  | { readonly door: 'virtual'; readonly name: ServerName };

/** Equal for equal doors only: no name holds a colon. */
export function doorKey(door: Door): string {
  return door.door === 'aggregate' ? `aggregate:${door.names}` : `${door.door}:${door.name}`;
}
