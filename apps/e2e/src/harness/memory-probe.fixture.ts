/** Loaded into a program under test: on SIGUSR2 it collects garbage and prints what is left, as one line `memory {…}`. */

import { memoryUsage, getActiveResourcesInfo } from 'node:process';

/** Given by --expose-gc. */
const { gc } = globalThis as { readonly gc?: () => void };

process.on('SIGUSR2', () => {
  gc?.();
  // What finalizers let go is collected the second time.
  setImmediate(() => {
    gc?.();
    const { heapUsed, external, rss } = memoryUsage();
    const resources: Record<string, number> = {};
    for (const kind of getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    process.stdout.write(`memory ${JSON.stringify({ heapUsed, external, rss, resources })}\n`);
  });
});
