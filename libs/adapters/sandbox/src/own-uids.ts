/** User ids that belong to nobody on this machine, one for each run; only root can give them. */

import { readFileSync } from 'node:fs';

/** Far above people and services, and above what is usually handed to containers. */
const firstUid = 1_800_000_000;
/** Where ids are mapped (containers of containers) only the low ones exist. */
const firstMappedUid = 61_000;
const idsMax = 1_000;

export class OwnUids {
  readonly #free: number[];
  /** Why runs have the user of this process. */
  readonly why: string | undefined;

  private constructor(first: number | undefined, why: string | undefined) {
    this.why = why;
    this.#free = first === undefined ? [] : Array.from({ length: idsMax }, (_, index) => first + index);
  }

  static open(uid = process.getuid?.(), uidMap = readUidMap()): OwnUids {
    if (uid !== 0) return new OwnUids(undefined, 'only root can give each run a user of its own');
    const highest = Math.max(0, ...uidMap.map(({ inside, count }) => inside + count - 1));
    // Two services on one machine should not meet; that they might costs only the counting of processes.
    const offset = (process.pid % 100_000) * idsMax;
    if (highest >= firstUid + 100_001 * idsMax) return new OwnUids(firstUid + offset, undefined);
    if (highest >= firstMappedUid + idsMax) return new OwnUids(firstMappedUid, undefined);
    return new OwnUids(undefined, 'too few user ids are mapped into this container');
  }

  get available(): boolean {
    return this.why === undefined;
  }

  /** The one unused longest; undefined where there are none to give. */
  take(): number | undefined {
    return this.#free.shift();
  }

  giveBack(uid: number | undefined): void {
    if (uid !== undefined) this.#free.push(uid);
  }
}

function readUidMap(): readonly { readonly inside: number; readonly count: number }[] {
  try {
    return readFileSync('/proc/self/uid_map', 'latin1')
      .trim()
      .split('\n')
      .map((line) => {
        const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
        return { inside, count };
      });
  } catch {
    return [];
  }
}
