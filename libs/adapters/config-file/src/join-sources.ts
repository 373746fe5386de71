/** Two sources as one; where both have a name, the first one's server stands. */

import type { ServersRead, ServersSource } from '@cruvero/ports';

export function joinSources(first: ServersSource, second: ServersSource): ServersSource {
  const readBoth = async (): Promise<ServersRead> => {
    const [a, b] = await Promise.all([first.read(), second.read()]);
    return joinReads(a, b);
  };
  return { read: readBoth, watch: (onChange) => watchBoth(first, second, onChange) };
}

export function joinReads(first: ServersRead, second: ServersRead): ServersRead {
  const taken = new Set(first.servers.map(({ name }) => name));
  const doubles = second.servers.filter(({ name }) => taken.has(name));
  const takenVirtuals = new Set(first.virtuals?.map(({ name }) => name));
  const virtuals = [
    ...(first.virtuals ?? []),
    ...(second.virtuals ?? []).filter(({ name }) => !takenVirtuals.has(name)),
  ];
  return {
    servers: [...first.servers, ...second.servers.filter(({ name }) => !taken.has(name))],
    ...(virtuals.length === 0 ? {} : { virtuals }),
    problems: [
      ...first.problems,
      ...second.problems,
      ...doubles.map(({ name }) => `${name} is configured in two places; only the first one counts`),
    ],
  };
}

/** The side without news is read once, at the start, and then known from its own news. */
function watchBoth(first: ServersSource, second: ServersSource, onChange: (read: ServersRead) => void) {
  const latest: [ServersRead | undefined, ServersRead | undefined] = [undefined, undefined];
  let closed = false;
  const told = (side: 0 | 1) => (read: ServersRead) => {
    latest[side] = read;
    void started.then(() => {
      const [a, b] = latest;
      if (!closed && a && b) onChange(joinReads(a, b));
    });
  };
  const watches = [first.watch(told(0)), second.watch(told(1))];
  const started = Promise.all([first.read(), second.read()]).then(([a, b]) => {
    latest[0] ??= a;
    latest[1] ??= b;
  });
  return {
    close: () => {
      closed = true;
      for (const watch of watches) watch.close();
    },
  };
}
