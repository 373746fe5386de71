/** Looks for a secret in everything that a run leaves: plain, in base64 and URL-encoded. */

import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Every way in which the text could stand somewhere. */
export function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  // Base64 at each of the three offsets at which it may stand inside of a longer text.
  const shifted = [0, 1, 2].map((by) => {
    const text = Buffer.concat([Buffer.alloc(by), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    return text.slice(by === 0 ? 0 : by + 1, -1);
  });
  const forms = [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    JSON.stringify(secret).slice(1, -1),
    ...shifted,
  ];
  return [...new Set([...forms, ...shifted.map((text) => text.replace(/\+/g, '-').replace(/\//g, '_'))])];
}

export interface Place {
  readonly where: string;
  readonly text: string;
}

/** Where a secret stands, of these places. */
export function foundIn(places: readonly Place[], secrets: readonly string[]): readonly string[] {
  const forms = secrets.flatMap(formsOf);
  return places.flatMap(({ where, text }) =>
    forms.flatMap((form) => (text.includes(form) ? [`${where} holds ${form}`] : [])),
  );
}

/** Every file below the folder, as Latin-1, so that bytes of databases are searched too. */
export async function filesBelow(folder: string): Promise<readonly Place[]> {
  const places: Place[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'latin1').catch(() => '');
    places.push({ where: path, text });
  }
  return places;
}

/** Command lines of every process of this machine that may be read. */
export async function commandLines(): Promise<readonly Place[]> {
  const places: Place[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || name === String(process.pid)) continue;
    const text = await readFile(`/proc/${name}/cmdline`, 'latin1').catch(() => '');
    const program = await readlink(`/proc/${name}/exe`).catch(() => '');
    places.push({ where: `process ${name} (${program})`, text });
  }
  return places;
}
