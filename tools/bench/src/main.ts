/** `npm run bench`: direct, nginx, a bare Node proxy and the gateway, side by side in one run; figures are ratios, not records. */

import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { codeExecText, measureCodeExec } from './code-exec.ts';
import { full, quick } from './loads.ts';
import { runBench } from './run.ts';

const help = `npm run bench -- [code-exec] [--quick] [--json <file>] [--profile]

  code-exec       only what code execution adds to a bare python3

  --quick         about a minute in all; without it about seven
  --json <file>   writes everything that was found to this file
  --profile       also says in which functions the gateway spends its time`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const [part] = positionals;
if (values.help) say(help);
else if (part === 'code-exec') process.exitCode = await codeExec();
else if (part === undefined) process.exitCode = await main();
else {
  say(`There is no part ${JSON.stringify(part)}.\n\n${help}`);
  process.exitCode = 64;
}

/** As `main`, for this part alone. */
async function codeExec(): Promise<number> {
  try {
    const found = await measureCodeExec({ rounds: values.quick ? 40 : 200 }, stopOnSignals());
    if (values.json !== undefined)
      await writeFile(resolve(values.json), `${JSON.stringify(found, undefined, 2)}\n`);
    say(codeExecText(found));
    return found.errors === 0 ? 0 : 1;
  } catch (error) {
    say(`\nThe run ended early: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Throws at the next step once a signal came, so that everything that was started is stopped. */
function stopOnSignals(): () => void {
  let stopAsked = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stopAsked = true));
  return () => {
    if (stopAsked) throw new Error('stopped');
  };
}

/** 1 where an answer was wrong or nothing could be measured; goals that are not met are told, and are no failure. */
async function main(): Promise<number> {
  const plan = values.quick ? quick : full;
  const startedAt = new Date();
  const machine = `${availableParallelism()} processors (${cpus()[0]?.model ?? 'unknown'})`;
  say(`Node ${process.version}, ${machine}, ${plan.name} run of ${plan.rounds} interleaved rounds`);
  const checkpoint = stopOnSignals();
  try {
    const found = await runBench({ plan, say, checkpoint, profile: values.profile });
    const seconds = (Date.now() - startedAt.getTime()) / 1_000;
    if (values.json !== undefined) {
      const head = { node: process.version, machine, plan, startedAt: startedAt.toISOString(), seconds };
      await writeFile(resolve(values.json), `${JSON.stringify({ ...head, ...found }, undefined, 2)}\n`);
    }
    say(
      `\n${seconds.toFixed(0)} s in all${found.errors === 0 ? '' : `; ${found.errors} answers were wrong`}`,
    );
    return found.errors === 0 ? 0 : 1;
  } catch (error) {
    say(`\nThe run ended early: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}
