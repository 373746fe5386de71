/** cruvero.json as a ServersSource: read now, and again whenever its folder stirs. */

import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Clock, ServersRead, ServersSource, Timer } from '@cruvero/ports';
import type { Environment } from './expand.ts';
import { parseServers } from './parse.ts';
import { readBounded, type FileText } from './read-file.ts';

export interface ServersFileParts {
  readonly clock: Clock;
  /** For `${NAME}` in values; empty unless given. */
  readonly env?: Environment;
}

/** Editors write in several steps; the file is read when they have been quiet for so long. */
const quietMs = 100;
/** A file that makes no sense may be half written: looked at once more before anybody is told. */
const secondLookMs = 400;
/** For folders whose changes are not announced (network file systems), and folders that did not exist. */
const pollMs = 5_000;

export function serversFile(path: string, parts: ServersFileParts): ServersSource {
  const absolute = resolve(path);
  let lastRead: ServersRead | undefined;
  return {
    read: async () => {
      const read = interpret(absolute, await readBounded(absolute), parts.env ?? {});
      lastRead = 'unusable' in read ? { servers: [], problems: [read.unusable] } : read;
      return lastRead;
    },
    watch: (onChange) => {
      const watching = new Watching(absolute, parts, onChange, lastRead);
      return { close: () => watching.close() };
    },
  };
}

function interpret(
  path: string,
  file: FileText,
  env: Environment,
): ServersRead | { readonly unusable: string } {
  const name = basename(path);
  if ('problem' in file) return { unusable: `${name} ${file.problem}` };
  const parsed = parseServers(file.text, env);
  if ('unusable' in parsed) return { unusable: `${name} ${parsed.unusable}` };
  return { ...parsed, problems: parsed.problems.map((problem) => `${name}: ${problem}`) };
}

class Watching {
  readonly #path: string;
  readonly #parts: ServersFileParts;
  readonly #onChange: (read: ServersRead) => void;
  readonly #poll: Timer;
  #folderWatch: FSWatcher | undefined;
  #timer: Timer | undefined;
  #reading = false;
  #again = false;
  #closed = false;
  #lastGood: ServersRead;
  /** What was told last; at the start what the watcher's caller has read, if anything. */
  #told: string | undefined;
  #doubted: string | undefined;

  constructor(
    path: string,
    parts: ServersFileParts,
    onChange: (read: ServersRead) => void,
    lastRead: ServersRead | undefined,
  ) {
    this.#lastGood = lastRead ?? { servers: [], problems: [] };
    this.#told = lastRead && JSON.stringify(lastRead);
    this.#path = path;
    this.#parts = parts;
    this.#onChange = onChange;
    this.#poll = parts.clock.every(pollMs, () => this.#stir(0));
    this.#watchFolder();
    void this.#look();
  }

  /** The folder, not the file: an editor that replaces the file, or a ConfigMap, would leave a watch on the old one. */
  #watchFolder(): void {
    if (this.#folderWatch || this.#closed) return;
    try {
      const folderWatch = watch(dirname(this.#path), { persistent: false }, () => this.#stir(quietMs));
      this.#folderWatch = folderWatch;
      folderWatch.on('error', () => {
        folderWatch.close();
        this.#folderWatch = undefined;
      });
    } catch {
      // The folder is not there; the poll tries again.
    }
  }

  #stir(delayMs: number): void {
    this.#watchFolder();
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    const read = interpret(this.#path, await readBounded(this.#path), this.#parts.env ?? {});
    this.#reading = false;
    if (this.#closed) return;
    this.#take(read);
    if (this.#again) {
      this.#again = false;
      this.#stir(0);
    }
  }

  #take(read: ServersRead | { readonly unusable: string }): void {
    if (!('unusable' in read)) {
      this.#doubted = undefined;
      this.#lastGood = read;
      this.#tell(read);
      return;
    }
    if (this.#doubted !== read.unusable) {
      this.#doubted = read.unusable;
      this.#stir(secondLookMs);
      return;
    }
    const { servers, virtuals = [] } = this.#lastGood;
    const some = servers.length + virtuals.length > 0;
    const kept = some ? '; the servers that were there before stay' : '';
    this.#tell({ ...this.#lastGood, problems: [`${read.unusable}${kept}`] });
  }

  /** A change between the caller's reading and the first look is news too. */
  #tell(read: ServersRead): void {
    const told = JSON.stringify(read);
    if (told === this.#told) return;
    this.#told = told;
    this.#onChange(read);
  }

  close(): void {
    this.#closed = true;
    this.#poll.cancel();
    this.#timer?.cancel();
    this.#folderWatch?.close();
  }
}
