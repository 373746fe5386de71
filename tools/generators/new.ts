/** `npm run new -- service|adapter|filter <name>`: writes the first files of a part, in the house style, and says what comes next. */

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as prettier from 'prettier';
import { planAdapter } from './adapter.ts';
import { planFilter } from './filter.ts';
import { parseName, type Name, type Plan } from './plan.ts';
import { planService } from './service.ts';

const planners: ReadonlyMap<string, (name: Name) => Plan> = new Map([
  ['service', planService],
  ['adapter', planAdapter],
  ['filter', planFilter],
]);

const usage = `npm run new -- <kind> <name>

  service <name>   libs/services/<name>: started with a config and ports, tested under simulated time
  adapter <name>   libs/adapters/<name>: a port on something outside
  filter <name>    libs/services/gateway/src/filters/<name>.ts: one step of the call pipeline

Nothing that exists is overwritten.`;

/** Writes the files of a new part below `root`; returns what is left to do, or what is wrong with the request. */
export async function generate(root: string, kind: string, nameText: string): Promise<Plan | string> {
  const planner = planners.get(kind);
  if (!planner) return `"${kind}" is none of ${[...planners.keys()].join(', ')}`;
  const name = parseName(nameText);
  if (typeof name === 'string') return name;
  const plan = planner(name);
  const taken = [...plan.files.keys()].filter((path) => existsSync(join(root, path)));
  if (taken.length > 0) return `already there: ${taken.join(', ')}`;
  for (const [path, text] of plan.files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), await formatted(path, text), { flag: 'wx' });
  }
  return plan;
}

/** A long name breaks lines that a short one leaves whole, so the text is formatted only now. */
async function formatted(path: string, text: string): Promise<string> {
  const filepath = join(import.meta.dirname, '../..', path);
  return prettier.format(text, { ...(await prettier.resolveConfig(filepath)), filepath });
}

async function main([kind, name]: readonly string[]): Promise<void> {
  if (kind === undefined || name === undefined) {
    console.error(usage);
    process.exitCode = 2;
    return;
  }
  const plan = await generate(join(import.meta.dirname, '../..'), kind, name);
  if (typeof plan === 'string') {
    console.error(plan);
    process.exitCode = 1;
    return;
  }
  for (const path of plan.files.keys()) console.log(`wrote  ${path}`);
  console.log('\nNext:');
  plan.next.forEach((step, index) => console.log(`${index + 1}. ${step}`));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
