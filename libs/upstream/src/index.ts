/** The way from this platform to an MCP server: era, sessions, lists, calls; over the Upstream port. */

export * from './link.ts';
export * from './peer.ts';
