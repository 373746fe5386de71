/** HTTP in and out: the Listener port, and the Upstream port for Streamable HTTP and for HTTP+SSE. */

export * from './addresses.ts';
export * from './listener.ts';
export * from './sse-legacy.ts';
export * from './streamable.ts';
