/**
 * The log level of a child that many sessions use: it is told the most verbose one that any of them asked for, and each
 * session hears only what it asked for.
 */

import { logLevels } from '@cruvero/core';

export class LogLevels {
  /** By session, as an index of `logLevels`. */
  readonly #wanted = new Map<string, number>();
  /** What the child was told last; undefined before the first time, and where that went wrong. */
  #told: number | undefined;

  has(session: string): boolean {
    return this.#wanted.has(session);
  }

  /** A session asks for a level of `logLevels`. What to tell the child now; undefined where it was told already. */
  want(session: string, level: string): string | undefined {
    this.#wanted.set(session, logLevels.indexOf(level));
    return this.#toTell();
  }

  /** The child did not take what `want` gave; the session has the level again that it had before. */
  refused(session: string, before: string | undefined): string | undefined {
    if (before === undefined) this.#wanted.delete(session);
    // Not where it is over by now.
    else if (this.#wanted.has(session)) this.#wanted.set(session, logLevels.indexOf(before));
    this.#told = undefined;
    return this.#wanted.size === 0 ? undefined : this.#toTell();
  }

  levelOf(session: string): string | undefined {
    return logLevels[this.#wanted.get(session) ?? -1];
  }

  /** The session is over. When the last one is, the child is told the most verbose level: none at all cannot be said. */
  leave(session: string): string | undefined {
    return this.#wanted.delete(session) ? this.#toTell() : undefined;
  }

  #toTell(): string | undefined {
    const level = this.#wanted.size === 0 ? 0 : Math.min(...this.#wanted.values());
    if (level === this.#told) return undefined;
    this.#told = level;
    return logLevels[level];
  }

  /** Sessions that never asked, and messages whose level is none of these, are not filtered. */
  admits(session: string, level: string | undefined): boolean {
    const wanted = this.#wanted.get(session);
    const said = level === undefined ? -1 : logLevels.indexOf(level);
    return wanted === undefined || said < 0 || said >= wanted;
  }

  /** There is a new child, to which nobody has said anything. */
  forget(): void {
    this.#wanted.clear();
    this.#told = undefined;
  }
}
