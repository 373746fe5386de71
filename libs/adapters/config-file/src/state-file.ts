/** The StateFile port on a real file: written beside, then renamed over. */

import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StateFile } from '@cruvero/ports';

/** Only the owner may read it: it holds hashes of keys and the addresses of servers. */
const ownerOnly = 0o600;

export function stateFile(path: string): StateFile {
  return {
    read: async () => {
      try {
        return await readFile(path, 'utf8');
      } catch {
        return undefined;
      }
    },
    write: async (text) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const beside = `${path}.new`;
      const file = await open(beside, 'w', ownerOnly);
      try {
        await file.writeFile(text, 'utf8');
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, path);
    },
  };
}
