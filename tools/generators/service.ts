/** A new service: started with a config and ports, ended by disposing it, tested under simulated time. */

import { packageText, type Name, type Plan } from './plan.ts';

export function planService(name: Name): Plan {
  const { kebab } = name;
  const folder = `libs/services/${kebab}`;
  const files = new Map([
    [`${folder}/package.json`, packageText(`@cruvero/service-${kebab}`, 'type:service', ['@cruvero/ports'])],
    [`${folder}/src/index.ts`, indexText(name)],
    [`${folder}/src/${kebab}.ts`, codeText(name)],
    [`${folder}/src/${kebab}.test.ts`, testText(name)],
  ]);
  const next = [
    'npm install, which links the package and puts it into the lock file',
    `say in the first line of ${folder}/src/${kebab}.ts what the service does, and let its round do it`,
    'list what it imports in its package.json (it may import core, contracts, ports, chassis and upstream)',
    `give it a thin main in apps/${kebab}, and start it in apps/all-in-one too`,
  ];
  return { files, next };
}

function indexText({ kebab }: Name): string {
  return `/** The face of the ${kebab} service. */

export * from './${kebab}.ts';
`;
}

function codeText({ kebab, pascal, snake }: Name): string {
  return `/** The ${kebab} service: does a round of work at every interval. */

import type { Clock, Telemetry } from '@cruvero/ports';

export interface ${pascal}Config {
  /** From one round to the next; above 0. */
  readonly intervalMs: number;
}

export interface ${pascal}Ports {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Starts the service; disposing what it returns ends it. */
export function start${pascal}(config: ${pascal}Config, { clock, telemetry }: ${pascal}Ports): AsyncDisposable {
  const log = telemetry.log.with({ service: '${kebab}' });
  const rounds = telemetry.metrics.counter('${snake}_rounds_total', 'Rounds of work done.');
  const timer = clock.every(config.intervalMs, () => rounds.add(1));
  log.info('started', { intervalMs: config.intervalMs });
  return {
    async [Symbol.asyncDispose]() {
      timer.cancel();
      log.info('stopped');
    },
  };
}
`;
}

function testText({ kebab, pascal, snake }: Name): string {
  return `/** Tests of the ${kebab} service under simulated time. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { start${pascal} } from './${kebab}.ts';

describe('the ${kebab} service', () => {
  it('does a round at every interval until it is disposed', async () => {
    const clock = new SimClock();
    const telemetry = new MemoryTelemetry();
    const service = start${pascal}({ intervalMs: 1_000 }, { clock, telemetry });
    await clock.advance(3_000);
    assert.equal(telemetry.counts.get('${snake}_rounds_total{}'), 3);

    await service[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  });
});
`;
}
