/** The doors of the gateway: what a client finds behind a URL. */

import { readServerName, type ServerName } from '@cruvero/core';

/** Which door the call came through. */
export type Door =
  /** All servers of the tenant, names carry the server. */
  | { readonly door: 'aggregate'; readonly names: 'canonical' | 'safe' }
  /** One server, everything under its own name. */
  | { readonly door: 'server'; readonly name: ServerName }
  /** A selection of servers and tools, under names of its own. */
  | { readonly door: 'virtual'; readonly name: ServerName };

/** A short text for each door. Server names have neither slash nor dot. */
export function doorKey(door: Door): string {
  if (door.door === 'aggregate') return door.names === 'safe' ? '/safe' : '';
  return door.door === 'server' ? door.name : `virtual/${door.name}`;
}

/** The door of a key; undefined for a text that is none. */
export function readDoor(key: string): Door | undefined {
  if (key === '') return { door: 'aggregate', names: 'canonical' };
  if (key === '/safe') return { door: 'aggregate', names: 'safe' };
  const virtual = key.startsWith('virtual/');
  const name = readServerName(virtual ? key.slice('virtual/'.length) : key);
  return name && { door: virtual ? 'virtual' : 'server', name };
}
