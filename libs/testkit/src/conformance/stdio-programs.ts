/** The command that starts the conformance server over stdio. */

import { fileURLToPath } from 'node:url';
import type { StdioFixture } from '../fixtures/stdio-programs.ts';

export const stdioConformance = (eras: 'both' | 'legacy' | 'modern'): StdioFixture => ({
  command: process.execPath,
  args: [fileURLToPath(new URL('./stdio-conformance.ts', import.meta.url)), `--eras=${eras}`],
});
