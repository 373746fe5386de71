/** One run: starts everything, measures load after load, and says each as soon as it is known. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figuresOf, throughputRatio, type Figures, type Round } from './figures.ts';
import { aggregateList, startGateway, type RunningGateway } from './gateway.ts';
import { goalsOf, type Facts, type Goal } from './goals.ts';
import { profiledLoads, type Profiled } from './gateway-profile.ts';
import { agentsLoad, listLoad, loads, stdioLoad, type Plan } from './loads.ts';
import { measure, type Subject } from './measure.ts';
import { idleSessions, silentReaders, type SessionsFound, type SilentFound } from './memory.ts';
import { serversCount, toolsCount } from './payloads.ts';
import { clocks, foreignShare, NotStarted, start, type Running } from './processes.ts';
import { goalsText, loadFound, loadText, memoryText, type LoadFound } from './report.ts';

export interface Found {
  readonly loads: readonly LoadFound[];
  readonly sessions: SessionsFound;
  readonly silent: SilentFound;
  readonly goals: readonly Goal[];
  readonly errors: number;
  /** Of the processors, taken by other programs while the loads ran. */
  readonly foreignShare: number;
  readonly profiles: readonly Profiled[];
}

type Rounds = ReadonlyMap<string, readonly Round[]>;

interface Fleet {
  readonly loader: Running;
  readonly holder: Running;
  readonly gateway: RunningGateway;
  readonly floodUrl: string;
  /** Direct, nginx where there is one, the bare proxy, the gateway. */
  readonly subjects: readonly Subject[];
  readonly through: Subject;
}

const plain = { paths: { modern: '/mcp', legacy: '/legacy/mcp' }, headers: {}, prefixes: [''] } as const;
const file = (name: string): string => `tools/bench/src/${name}.ts`;

/** Starts everything on `stack`, which stops it again. */
async function startFleet(stack: AsyncDisposableStack, say: (line: string) => void): Promise<Fleet> {
  const upstream = stack.use(await start(file('upstream')));
  const floods = stack.use(await start(file('upstream')));
  const bare = stack.use(await start(file('bare-proxy'), { args: [upstream.url] }));
  const nginx = await startNginx(upstream.url, say);
  if (nginx) stack.use(nginx);
  const gateway = stack.use(await startGateway({ upstreamUrl: upstream.url, floodUrl: floods.url }));
  const loader = stack.use(await start(file('loader')));
  const holder = stack.use(await start(file('loader')));
  const subject = (name: string, { url, pid }: Running): Subject => ({
    target: { name, url, ...plain },
    pid,
  });
  const through: Subject = {
    pid: gateway.pid,
    target: {
      name: 'gateway',
      url: gateway.url,
      paths: { modern: '/mcp', legacy: '/mcp' },
      headers: { authorization: `Bearer ${gateway.key}` },
      prefixes: Array.from({ length: serversCount }, (_, index) => `mcp.s${index}.`),
    },
  };
  const subjects = [
    subject('direct', upstream),
    ...(nginx ? [subject('nginx', nginx)] : []),
    subject('bare proxy', bare),
    through,
  ];
  return { loader, holder, gateway, floodUrl: floods.url, subjects, through };
}

async function startNginx(upstreamUrl: string, say: (line: string) => void): Promise<Running | undefined> {
  try {
    return await start(file('nginx'), { args: [upstreamUrl] });
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    say(`nginx is left out: ${error.message === 'missing' ? 'it is not on this machine' : error.message}`);
    return undefined;
  }
}

/** Measured beside a server that has nothing to do but to send the same bytes. */
async function measureList(
  fleet: Fleet,
  plan: Plan,
): Promise<{ readonly name: string; readonly rounds: Rounds }> {
  const list = await aggregateList(fleet.gateway, serversCount * toolsCount);
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-bench-list-'));
  try {
    const path = join(folder, 'list.json');
    await writeFile(path, list.result);
    await using fixed = await start(file('static-list'), { args: [path] });
    const beside: Subject = { pid: fixed.pid, target: { name: 'static server', url: fixed.url, ...plain } };
    const load = listLoad(list.tools);
    const name = `${load.name} (${Math.round(Buffer.byteLength(list.result) / 1_024)} KiB)`;
    return { name, rounds: await measure(fleet.loader, [beside, fleet.through], load, plan) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface RunOptions {
  readonly plan: Plan;
  readonly say: (line: string) => void;
  /** Throws when the run is to end early. */
  readonly checkpoint: () => void;
  /** Also says where the gateway's time goes. */
  readonly profile: boolean;
}

/** @throws when something does not start; whatever happens, nothing of it runs on. */
export async function runBench({ plan, say, checkpoint, profile }: RunOptions): Promise<Found> {
  await using stack = new AsyncDisposableStack();
  const fleet = await startFleet(stack, say);
  const { loader, gateway, subjects, through } = fleet;
  const from = clocks();
  const found: LoadFound[] = [];
  const keep = (name: string, rounds: Rounds): Rounds => {
    checkpoint();
    const one = loadFound(name, rounds);
    found.push(one);
    say(loadText(one));
    return rounds;
  };
  const measured = new Map<string, Rounds>();
  for (const [key, load] of Object.entries(loads)) {
    measured.set(key, keep(load.name, await measure(loader, subjects, load, plan)));
  }
  const list = await measureList(fleet, plan);
  keep(list.name, list.rounds);
  const stdio = keep(stdioLoad.name, await measure(loader, [through], stdioLoad, plan));
  const once = { rounds: 1, sliceMs: plan.agentsMs, warmUpMs: 1_000 };
  const agents = keep(agentsLoad.name, await measure(loader, [through], agentsLoad, once));

  const foreign = foreignShare(from, clocks());
  const sessions = await idleSessions(loader, gateway, through.target, plan.sessions);
  checkpoint();
  const silent = await silentReaders({ ...fleet, target: through.target }, plan);
  say(memoryText(sessions, silent));
  const goals = goalsOf(factsOf({ measured, list: list.rounds, stdio, agents, sessions, silent }));
  say(goalsText(goals, foreign));
  const profiles = profile ? await profiledLoads(loader, gateway, through.target, plan, say) : [];
  const ofLoads = found.flatMap(({ rows }) => rows.map(({ errors }) => errors));
  const errors = [...ofLoads, sessions.errors, silent.errors].reduce((sum, each) => sum + each, 0);
  return { loads: found, sessions, silent, goals, errors, foreignShare: foreign, profiles };
}

interface Measured {
  readonly measured: ReadonlyMap<string, Rounds>;
  readonly list: Rounds;
  readonly stdio: Rounds;
  readonly agents: Rounds;
  readonly sessions: SessionsFound;
  readonly silent: SilentFound;
}

/** What was not answered once was not measured. */
function factsOf({ measured, list, stdio, agents, sessions, silent }: Measured): Facts {
  const gatewayOf = (rounds: Rounds | undefined): readonly Round[] => rounds?.get('gateway') ?? [];
  const ratio = (rounds: Rounds | undefined, other: string): number | undefined =>
    throughputRatio(gatewayOf(rounds), rounds?.get(other) ?? []);
  const answered = (rounds: readonly Round[] | undefined): Figures | undefined => {
    const figures = figuresOf(rounds ?? []);
    return figures.calls > 0 ? figures : undefined;
  };
  const single = answered(gatewayOf(measured.get('single')));
  const bareSingle = answered(measured.get('single')?.get('bare proxy'));
  const many = answered(gatewayOf(agents));
  return {
    smallOfBare: ratio(measured.get('small'), 'bare proxy'),
    largeOfBare: ratio(measured.get('large'), 'bare proxy'),
    addedP50Ms: single && bareSingle && single.p50Ms - bareSingle.p50Ms,
    listOfStatic: ratio(list, 'static server'),
    sessionBytes: sessions.sessions > 0 ? sessions.heapBytesEach : undefined,
    stdioP99Ms: answered(gatewayOf(stdio))?.p99Ms,
    agentsP99Ms: many?.p99Ms,
    agentsErrors: many?.errors,
    silentOfAlone: silent.ratio > 0 ? silent.ratio : undefined,
  };
}
