/** The parts of a run. Each gives the outcomes of its suites. */

import { startBalancer } from './balancer.ts';
import { clientVersions, runClientSuite } from './client-suites.ts';
import { awaitLists, endpointsAt, startGateway, startReplicas } from './gateway.ts';
import { eachOf } from './pool.ts';
import {
  bridgedSuites,
  directSuites,
  runSuite,
  sameEraSuites,
  startFixtures,
  transportSuites,
  type ServerSuite,
} from './server-suites.ts';
import type { SuiteOutcome } from './verdicts.ts';

export interface PartOptions {
  /** Leaves only this scenario of every suite. */
  readonly scenario?: string | undefined;
  /** Told of everything that a person may want to read. */
  readonly say: (line: string) => void;
}

type Outcomes = Promise<readonly SuiteOutcome[]>;

/** Suites spend most of their time in waiting. */
const suitesAtOnceMax = 3;
/** So many requests of a suite are answered before a replica is killed. */
const requestsBeforeKill = 25;

const whole = (outcomes: readonly (SuiteOutcome | undefined)[]): readonly SuiteOutcome[] =>
  outcomes.filter((outcome) => outcome !== undefined);

/** The suites straight at the fixtures: what a gateway is measured against. */
export async function runDirect({ scenario }: PartOptions): Outcomes {
  await using fixtures = await startFixtures(directSuites);
  const run = (suite: ServerSuite) => runSuite(suite, fixtures.url(suite.fixture), scenario);
  return whole(await eachOf(directSuites, suitesAtOnceMax, run));
}

/** Suites through one embedded gateway. */
export async function runEmbedded(suites: readonly ServerSuite[], { scenario }: PartOptions): Outcomes {
  await using fixtures = await startFixtures(suites);
  await using gateway = await startGateway(fixtures.entries);
  await awaitLists(gateway.endpoint, fixtures.entries);
  const run = (suite: ServerSuite) => runSuite(suite, gateway.endpoint(suite.fixture), scenario);
  return whole(await eachOf(suites, suitesAtOnceMax, run));
}

/** The same-era suites over two replicas, of which one dies between two requests of each suite. */
export async function runReplicas({ scenario, say }: PartOptions): Outcomes {
  const suites = sameEraSuites.filter(({ selection }) => selection.kind === 'required');
  await using fixtures = await startFixtures(suites);
  await using apart = await startReplicas(fixtures.entries);
  const { replicas } = apart;
  await using balancer = await startBalancer(replicas.map(({ origin }) => origin));
  const endpoint = endpointsAt(balancer.origin);
  const outcomes: SuiteOutcome[] = [];
  for (const [at, suite] of suites.entries()) {
    const victim = replicas[at % replicas.length] ?? replicas[0];
    let isDead = false;
    balancer.between(requestsBeforeKill, async () => {
      await victim.kill();
      isDead = true;
    });
    const outcome = await runSuite(suite, endpoint(suite.fixture), scenario);
    if (!outcome) continue;
    outcomes.push({ ...outcome, title: `${outcome.title}, two replicas${isDead ? ', one killed' : ''}` });
    say(`${outcome.title} over two replicas: done after ${balancer.counts.join(' + ')} requests`);
    if (isDead) await victim.restart();
  }
  return outcomes;
}

/** The gateway as the client. */
export async function runClients({ scenario }: PartOptions): Outcomes {
  const outcomes: (SuiteOutcome | undefined)[] = [];
  for (const version of clientVersions) outcomes.push(await runClientSuite(version, scenario));
  return whole(outcomes);
}

/** In the order in which they start: the longest first. */
export const parts = {
  clients: runClients,
  replicas: runReplicas,
  'same-era': (options: PartOptions): Outcomes => runEmbedded(sameEraSuites, options),
  bridged: (options: PartOptions): Outcomes => runEmbedded(bridgedSuites, options),
  transports: (options: PartOptions): Outcomes => runEmbedded(transportSuites, options),
} as const;

export type PartName = keyof typeof parts;
export const partNames = Object.keys(parts) as readonly PartName[];
