/** Names on the aggregate endpoint: which server a tool, prompt or resource belongs to stands in its name. */

import { readServerName, type ServerName } from '../model/ids.ts';

/** What belongs to a server, under its own name there. */
export interface Owned {
  readonly server: ServerName;
  readonly own: string;
}

/** `mcp.<server>.<tool>` (requirement 195); prompts likewise. */
export function exposedName(server: ServerName, own: string): string {
  return `mcp.${server}.${own}`;
}

/** Cut at the first dot behind the server: server names have none, tool names may. */
export function ownedName(exposed: string): Owned | undefined {
  if (!exposed.startsWith('mcp.')) return undefined;
  const dot = exposed.indexOf('.', 4);
  if (dot < 0 || dot === exposed.length - 1) return undefined;
  const server = readServerName(exposed.slice(4, dot));
  return server && { server, own: exposed.slice(dot + 1) };
}

/**
 * `mcp://<server>/<uri>`: the server's own URI stands unchanged behind the prefix, so templates expand and relative parts
 * stay what they are, and the way back is to cut the prefix off.
 */
export function exposedUri(server: ServerName, own: string): string {
  return `mcp://${server}/${own}`;
}

export function ownedUri(exposed: string): Owned | undefined {
  if (!exposed.startsWith('mcp://')) return undefined;
  const slash = exposed.indexOf('/', 6);
  if (slash < 0 || slash === exposed.length - 1) return undefined;
  const server = readServerName(exposed.slice(6, slash));
  return server && { server, own: exposed.slice(slash + 1) };
}
