/** Follows the file of configured servers, one state after the other. */

import type { Clock, Log, ServersRead, ServersSource } from '@cruvero/ports';
import { StoreUnavailable } from '@cruvero/ports';

const retryMs = 2_000;

export interface FollowerParts {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly changed: () => void;
}

/** One state of the file after the other; the newest is tried until the store has it. */
export class FileFollower {
  readonly #source: ServersSource;
  readonly #sync: (read: ServersRead) => Promise<boolean>;
  readonly #parts: FollowerParts;
  #watch: { close(): void } | undefined;
  #tail: Promise<void> = Promise.resolve();
  #newest: ServersRead | undefined;

  constructor(source: ServersSource, sync: (read: ServersRead) => Promise<boolean>, parts: FollowerParts) {
    this.#source = source;
    this.#sync = sync;
    this.#parts = parts;
  }

  async open(): Promise<void> {
    this.#watch = this.#source.watch((read) => void this.#take(read));
    await this.#take(await this.#source.read());
  }

  #take(read: ServersRead): Promise<void> {
    this.#newest = read;
    this.#tail = this.#tail.then(() => this.#work());
    return this.#tail;
  }

  async #work(): Promise<void> {
    const read = this.#newest;
    if (!read) return;
    try {
      if (await this.#sync(read)) this.#parts.changed();
      if (this.#newest === read) this.#newest = undefined;
    } catch (error) {
      if (!(error instanceof StoreUnavailable))
        return this.#parts.log.error('the configured servers were not taken over', { error });
      this.#parts.clock.after(retryMs, () => void (this.#newest && this.#take(this.#newest)));
    }
  }

  close(): void {
    this.#newest = undefined;
    this.#watch?.close();
  }
}
