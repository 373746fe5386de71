/** Every port kept in this process: for tests, and for the embedded layout where nothing better is needed. */

export * from './broker.ts';
export * from './cache.ts';
export * from './counter.ts';
export * from './server-store.ts';
