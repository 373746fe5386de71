/** How a part asks for its settings, and what it learns of them. */

import type { HostPort, Range, UrlRule } from './config-values.ts';
import type { Misspelling } from './did-you-mean.ts';
import type { Secret } from './secret.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** What is wrong with one setting: a whole sentence that holds no secret. */
export interface Problem {
  readonly name: string;
  readonly problem: string;
}

/** One setting as the documentation shows it. */
export interface Described {
  readonly name: string;
  /** `integer`, `duration`, `one of a, b`, …; with bounds where there are any. */
  readonly type: string;
  /** As one would write it in the environment; undefined where there is none. */
  readonly orElse: string | undefined;
  readonly required: boolean;
  readonly secret: boolean;
  readonly help: string;
}

/** Must be set, unless there is a value to take instead. */
export interface Needed<T> {
  readonly help: string;
  readonly orElse?: T;
}
/** May be left out. */
export interface Optional {
  readonly help: string;
  readonly optional: true;
}

/** A method of the reader: what it gives back depends on whether the setting may be left out. */
export interface Reading<T, Rule = unknown> {
  (name: string, told: Rule & Needed<T>): T;
  (name: string, told: Rule & Optional): T | undefined;
}

export interface ListRule {
  /** What is wrong with an item, as `must …`; undefined where it is right. */
  readonly refuseItem?: (item: string) => string | undefined;
}

/**
 * Where a setting has a problem, the value given back is only a stand-in: `readConfig` never lets it out. White
 * space around a value does not count, and an empty value counts as not set. Several parts may read one setting
 * if they say the same of it; a difference is a bug and throws.
 */
export interface Reader {
  readonly text: Reading<string>;
  optionalText(name: string, told: { readonly help: string }): string | undefined;
  readonly secret: Reading<Secret>;
  /** A URL that may hold a password. */
  readonly secretUrl: Reading<Secret, UrlRule>;
  readonly integer: Reading<number, Range>;
  readonly number: Reading<number, Range>;
  readonly boolean: Reading<boolean>;
  readonly durationMs: Reading<number, Range>;
  readonly bytes: Reading<number, Range>;
  readonly port: Reading<number, Range>;
  readonly hostPort: Reading<HostPort>;
  readonly url: Reading<string, UrlRule>;
  readonly list: Reading<readonly string[], ListRule>;
  oneOf<const T extends string>(name: string, words: readonly T[], told: Needed<NoInfer<T>>): T;
  oneOf<const T extends string>(name: string, words: readonly T[], told: Optional): T | undefined;

  /** For rules between settings: `must be less than …`. */
  refuse(name: string, wrong: string): void;
  readonly problems: readonly Problem[];
  /** In the order of reading. */
  readonly described: readonly Described[];
  /** Variables that nobody read and that look like a misspelt one of those read. */
  misspelt(): readonly Misspelling[];
}
