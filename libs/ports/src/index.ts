/** What services ask of the outside; adapters give it. The contract suites are under `@cruvero/ports/contracts/…`. */

export * from './bus.ts';
export * from './bus-inbox.ts';
export * from './bus-rules.ts';
export * from './cache.ts';
export * from './child.ts';
export * from './clock.ts';
export * from './counter.ts';
export * from './credentials.ts';
export * from './listener.ts';
export * from './sandbox.ts';
export * from './sandbox-network.ts';
export * from './server-store.ts';
export * from './servers-source.ts';
export * from './state-file.ts';
export * from './telemetry.ts';
export * from './upstream.ts';
