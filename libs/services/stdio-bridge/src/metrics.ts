/** What the bridge counts and shows at each scrape. */

import type { CounterMetric, Labels, Metrics } from '@cruvero/ports';
import type { Instance } from './instance.ts';
import type { OwnChildrenEvents } from './own-children.ts';

export interface BridgeCounters {
  readonly requests: CounterMetric;
  readonly restarts: CounterMetric;
  /** What is told of the own children of one instance. */
  ownChildren(labels: Labels): OwnChildrenEvents;
}

export function bridgeMetrics(metrics: Metrics, instances: () => readonly Instance[]): BridgeCounters {
  const gauge = (name: string, help: string, valueOf: (instance: Instance) => number | undefined): void =>
    metrics.gauge(name, help, () =>
      instances().flatMap((instance) => {
        const value = valueOf(instance);
        return value === undefined ? [] : [{ value, labels: labelsOf(instance) }];
      }),
    );
  gauge('bridge_child_up', '1 while the child answers.', ({ state }) =>
    state === 'running' || state === 'draining' ? 1 : 0,
  );
  gauge(
    'bridge_child_memory_bytes',
    'Resident memory of the child and all its processes.',
    (one) => one.usage()?.rssBytes,
  );
  gauge('bridge_child_cpu_seconds', 'CPU time of the child and all its processes.', (one) => {
    const usage = one.usage();
    return usage && usage.cpuMs / 1_000;
  });
  gauge(
    'bridge_child_uptime_seconds',
    'Since the child was started; 0 while it is down.',
    (one) => one.uptimeMs / 1_000,
  );
  gauge('bridge_pending', 'Requests that the child has not answered yet.', ({ pending }) => pending);
  gauge(
    'bridge_own_children',
    'Children that serve a single session.',
    ({ ownChildren }) => ownChildren.size,
  );
  const refused = metrics.counter(
    'bridge_own_children_refused_total',
    'Sessions that could be asked, but got no child of their own because all were in use.',
  );
  const deaths = metrics.counter('bridge_own_child_deaths_total', 'Own children that ended by themselves.');
  const questions = metrics.counter(
    'bridge_questions_total',
    'Requests of children to their clients, by what became of them.',
  );
  return {
    requests: metrics.counter('bridge_requests_total', 'Requests passed to a child, by what became of them.'),
    restarts: metrics.counter('bridge_child_restarts_total', 'Deaths of a child that should live.'),
    ownChildren: (labels) => ({
      onRefused: () => refused.add(1, labels),
      onDeath: () => deaths.add(1, labels),
      onQuestion: (outcome) => questions.add(1, { ...labels, outcome }),
    }),
  };
}

export function labelsOf(instance: Instance): Labels {
  return { server: instance.server, instance: instance.id };
}
