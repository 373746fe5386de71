/** The face of the sandbox adapter. */

export { bubblewrapSandbox, type BubblewrapOptions } from './bubblewrap.ts';
export type { NetworkOptions } from './proxy-rules.ts';
