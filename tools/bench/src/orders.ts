/** What the load generator is told, and what it tells back; both are plain data, since it is a process of its own. */

import type { Era } from './dialogue.ts';

/** One thing that is measured, seen from a client. */
export interface Target {
  readonly name: string;
  readonly url: string;
  /** Where callers of each era go. */
  readonly paths: Readonly<Record<Era, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Prefixes of tool names, one a server; loads count them round. */
  readonly prefixes: readonly string[];
}

/** One kind of traffic. */
export interface Load {
  readonly name: string;
  readonly era: Era;
  readonly method: 'tools/call' | 'tools/list';
  readonly tool: string;
  readonly connections: number;
  /** Which of the target's prefixes; `all` takes one after another. */
  readonly server: number | 'all';
  /** A caller begins a call this often; without it, as soon as the last one was answered. */
  readonly everyMs?: number;
  /** The member `tools` of the answer to tools/list, to the letter. */
  readonly listed?: string;
}

export type Order =
  | { readonly kind: 'run'; readonly target: Target; readonly load: Load; readonly ms: number }
  /** Opens legacy sessions and leaves them behind. */
  | { readonly kind: 'sessions'; readonly target: Target; readonly count: number }
  /** Opens calls whose answers nobody reads; `pieces` is how large each one's result is. */
  | {
      readonly kind: 'hold';
      readonly target: Target;
      readonly server: number;
      readonly pieces: readonly number[];
    }
  /** Destroys the connections of `hold`. */
  | { readonly kind: 'release' };

export interface Sample {
  readonly seconds: number;
  /** One a call that was answered rightly, in no order. */
  readonly tookMs: Float64Array;
  readonly errors: number;
  /** The first few, in words. */
  readonly problems: readonly string[];
}

export type Outcome = Sample | { readonly failed: string };
