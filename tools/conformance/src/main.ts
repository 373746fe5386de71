/** `npm run conformance`: the official scenarios through a gateway, and what they say as a table. */

import { parseArgs } from 'node:util';
import { eachOf } from './pool.ts';
import { partNames, parts, runDirect, type PartName, type PartOptions } from './parts.ts';
import { details, isAllExpected, lastLine, table, type SuiteOutcome } from './verdicts.ts';

const help = `npm run conformance -- [--direct] [--part <name> …] [--scenario <name>]

  --direct            straight at the fixtures, without a gateway
  --part <name>       only this part (may be given again): ${partNames.join(', ')}
  --scenario <name>   only this scenario of every suite that has it`;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const isPart = (name: string): name is PartName => partNames.some((known) => known === name);

/** Two at once: one waits while the other computes. */
const partsAtOnceMax = 2;

async function run(names: readonly PartName[], options: PartOptions): Promise<readonly SuiteOutcome[]> {
  const outcomes = await eachOf(names, partsAtOnceMax, async (name) => {
    const done = await parts[name](options);
    say(`${name}: done`);
    return done;
  });
  return outcomes.flat();
}

const { values } = parseArgs({
  options: {
    direct: { type: 'boolean', default: false },
    part: { type: 'string', multiple: true, default: [] },
    scenario: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const unknown = values.part.filter((name) => !isPart(name));
if (values.help || unknown.length > 0) {
  say(help);
  process.exitCode = unknown.length > 0 ? 1 : 0;
} else {
  const options: PartOptions = { scenario: values.scenario, say };
  const chosen = values.part.filter(isPart);
  const outcomes = values.direct
    ? await runDirect(options)
    : await run(chosen.length > 0 ? chosen : partNames, options);
  for (const outcome of outcomes) {
    const lines = details(outcome);
    if (lines.length > 0) say(`\n${lines.join('\n')}`);
  }
  say(`\n${table(outcomes)}\n\n${lastLine(outcomes)}`);
  process.exitCode = isAllExpected(outcomes) ? 0 : 1;
}
