/** Types of lock.mjs. */

/**
 * Runs `work` while no other process runs work of this name in this folder. A lock whose owner died is broken.
 * @throws when another process holds it for longer than 16 minutes.
 */
export function withLock<T>(
  folder: string,
  name: string,
  say: (line: string) => void,
  work: () => Promise<T>,
): Promise<T>;
