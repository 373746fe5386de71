/** Started beside a process: when the pipe to that process closes, kills what it started and removes its temporary folders. */

import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { isTemporaryFolder } from './folder.ts';

const groups = new Set<number>();
const folders = new Set<string>();

// The reaper must outlast a polite end of everything around it: only the closed pipe ends it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) obey(line);
reap();

/** `+group <pid>`, `-group <pid>`, `+folder <path>`, `-folder <path>`. */
function obey(line: string): void {
  const at = line.indexOf(' ');
  const verb = line.slice(0, at);
  const what = line.slice(at + 1);
  if (verb === '+group') groups.add(Number(what));
  if (verb === '-group') groups.delete(Number(what));
  if (verb === '+folder') folders.add(what);
  if (verb === '-folder') folders.delete(what);
}

function reap(): void {
  for (const group of groups) {
    if (!Number.isInteger(group) || group <= 1) continue;
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // Gone already: what was wanted.
    }
  }
  for (const folder of folders) {
    if (!isTemporaryFolder(folder)) continue;
    // Retries, because a killed server's children may write for a moment longer.
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
