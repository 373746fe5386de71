#!/usr/bin/env node
/** The operator's command line for the event bus; try `event-bus --help`. */

import { text } from 'node:stream/consumers';

import { runMain } from '@cruvero/chassis';

import { run } from './program.ts';

await runMain(async (env, signal) => {
  // Whoever read our output has gone, as `head` does: that is an end, not an error.
  const unread = new AbortController();
  process.stdout.on('error', () => unread.abort());
  const stop = AbortSignal.any([signal, unread.signal]);
  process.exitCode = await run(process.argv.slice(2), {
    env,
    terminal: (format) => ({
      format,
      data: (written) => void process.stdout.write(written),
      message: (line) => void process.stderr.write(`event-bus: ${line}\n`),
      get backlogBytes() {
        return process.stdout.writableLength;
      },
      stop,
      nowMs: () => Date.now(),
    }),
    input: () => text(process.stdin),
    print: (written) => void process.stdout.write(written),
    printError: (written) => void process.stderr.write(written),
  });
});
