/** The way from this platform to an MCP server: era, sessions, lists, calls, feeds; over the Upstream port. */

export * from './ask.ts';
export * from './credentialed.ts';
export * from './link.ts';
export * from './peer.ts';
