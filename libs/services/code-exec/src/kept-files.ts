/** Files that runs produced, readable for a while by addresses that nobody can guess. */

import type { Clock } from '@cruvero/ports';

export interface KeptFile {
  readonly name: string;
  readonly mimeType: string;
  readonly bytes: Uint8Array;
}

export interface KeptFilesOptions {
  readonly keptMs: number;
  readonly bytesMax: number;
  /** 128 bits, fit for a URI. */
  readonly newId: () => string;
}

interface Entry extends KeptFile {
  readonly owner: string;
  readonly untilMs: number;
}

/** One caller's part of everything, so that no caller can push out the files of all others. */
const ownerShare = 1 / 4;
/** Empty files cost memory too. */
const filesMax = 8_192;
export const keptScheme = 'code-exec';

export class KeptFiles {
  readonly #options: KeptFilesOptions;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: KeptFilesOptions, clock: Pick<Clock, 'monotonicMs'>) {
    this.#options = options;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The address; undefined where the file is larger than a caller may have at all. */
  keep(owner: string, file: KeptFile): string | undefined {
    const { bytesMax, keptMs, newId } = this.#options;
    const size = file.bytes.length;
    if (size > bytesMax * ownerShare) return undefined;
    this.sweep();
    for (let own = this.#of(owner); ; own = this.#of(owner)) {
      if (own.bytes + size <= bytesMax * ownerShare && own.files < filesMax * ownerShare) break;
      this.#dropOldest((entry) => entry.owner === owner);
    }
    while (this.#bytes + size > bytesMax || this.#entries.size >= filesMax) this.#dropOldest(() => true);
    const uri = `${keptScheme}://files/${newId()}/${encodeURIComponent(file.name)}`;
    this.#entries.set(uri, { ...file, owner, untilMs: this.#clock.monotonicMs() + keptMs });
    this.#bytes += size;
    return uri;
  }

  /** Undefined where there is none, or none any more. */
  read(uri: string): KeptFile | undefined {
    this.sweep();
    return this.#entries.get(uri);
  }

  sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [uri, { untilMs }] of this.#entries) {
      if (untilMs > nowMs) return;
      this.#drop(uri);
    }
  }

  #of(owner: string): { readonly bytes: number; readonly files: number } {
    let [bytes, files] = [0, 0];
    for (const entry of this.#entries.values()) {
      if (entry.owner !== owner) continue;
      bytes += entry.bytes.length;
      files += 1;
    }
    return { bytes, files };
  }

  #dropOldest(fits: (entry: Entry) => boolean): void {
    for (const [uri, entry] of this.#entries) if (fits(entry)) return this.#drop(uri);
  }

  #drop(uri: string): void {
    this.#bytes -= this.#entries.get(uri)?.bytes.length ?? 0;
    this.#entries.delete(uri);
  }
}
