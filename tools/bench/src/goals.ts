/** What the gateway is to reach, and whether it did. */

/** Measured in one run; undefined where that part was left out. */
export interface Facts {
  /** Throughput of small calls at 32 connections, of the bare proxy's. */
  readonly smallOfBare: number | undefined;
  /** Throughput of 256 KiB results, of the bare proxy's. */
  readonly largeOfBare: number | undefined;
  /** p50 of small calls at one connection, above the bare proxy's. */
  readonly addedP50Ms: number | undefined;
  /** Throughput of the aggregate list, of a static server's. */
  readonly listOfStatic: number | undefined;
  readonly sessionBytes: number | undefined;
  readonly stdioP99Ms: number | undefined;
  /** A thousand callers over all servers. */
  readonly agentsP99Ms: number | undefined;
  readonly agentsErrors: number | undefined;
  /** p99 beside clients that do not read, of the p99 without them. */
  readonly silentOfAlone: number | undefined;
}

export interface Goal {
  readonly name: string;
  /** As people write it. */
  readonly wanted: string;
  readonly measured: string;
  /** Undefined where it was not measured. */
  readonly met: boolean | undefined;
}

type Bound = { readonly least: number } | { readonly most: number };

function goal(name: string, value: number | undefined, bound: Bound, unit = '', digits = 2): Goal {
  const least = 'least' in bound;
  const limit = least ? bound.least : bound.most;
  return {
    name,
    wanted: `${least ? '≥' : '≤'} ${limit}${unit}`,
    measured: value === undefined ? 'not measured' : `${value.toFixed(digits)}${unit}`,
    met: value === undefined ? undefined : least ? value >= limit : value <= limit,
  };
}

export function goalsOf(facts: Facts): readonly Goal[] {
  const agents = goal('1,000 callers over 24 servers: p99', facts.agentsP99Ms, { most: 100 }, ' ms', 1);
  return [
    goal('small call, 32 connections: throughput of the bare proxy', facts.smallOfBare, { least: 0.75 }),
    goal('256 KiB result: throughput of the bare proxy', facts.largeOfBare, { least: 0.95 }),
    goal('small call, 1 connection: p50 above the bare proxy', facts.addedP50Ms, { most: 0.1 }, ' ms', 3),
    goal('aggregate list: throughput of a static server', facts.listOfStatic, { least: 0.8 }),
    goal('heap of an idle session', facts.sessionBytes, { most: 4_096 }, ' bytes', 0),
    goal('HTTP over stdio: p99', facts.stdioP99Ms, { most: 5 }, ' ms'),
    agents.met === true && facts.agentsErrors !== 0
      ? { ...agents, measured: `${agents.measured}, ${facts.agentsErrors ?? 0} errors`, met: false }
      : agents,
    goal('silent readers: p99 of the p99 without them', facts.silentOfAlone, { most: 1.5 }),
  ];
}
