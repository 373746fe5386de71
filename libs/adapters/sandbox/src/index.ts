/** The face of the sandbox adapter. */

export * from './cache.ts';
