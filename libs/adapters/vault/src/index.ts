/** The face of the vault adapter. */

export * from './cache.ts';
