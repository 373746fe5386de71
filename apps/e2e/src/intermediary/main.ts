/** Runnable with node: the checks against any gateway, or two replicas of one. `--help` says how it is to be configured. */

import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { modernAsk } from './client/modern.ts';
import { runAll } from './run.ts';
import { groups } from './suite.ts';
import { rowLine, table } from './table.ts';
import { serverKinds, type Credentials, type ServerKind, type Target } from './target.ts';
import { startUpstream } from './upstream/server.ts';

const help = `node apps/e2e/src/intermediary/main.ts --gateway <origin> [--gateway <origin>] --upstream-port <port> [options]

The gateway must have the suite's own servers as upstreams; --config prints them in the mcpServers shape. They listen on the
upstream port while the suite runs. The stdio ones are programs that need the suite to run when they are started.

  --gateway <origin>        of the gateway, http://host:port; given again: another replica of the same gateway
  --upstream-port <port>    where the suite's servers listen
  --config                  prints the entries for this port and ends
  --door <path>             one server's endpoint; default /servers/{server}/mcp
  --aggregate <path>        endpoint of all servers; default /mcp; '' where there is none
  --name <pattern>          how a tool is called there; default mcp.{server}.{name}
  --key <key>               of the caller, sent as Authorization: Bearer
  --other-key <key>         of another principal with the same rights
  --restricted-key <key>    of a principal that may not see the tool "hidden" of any server
  --question-ms <ms>        how long the gateway waits for answers of callers
  --first-pid <pid>         process of the first gateway: it is killed at the end
  --server <kind>           only these servers: ${serverKinds.join(', ')}
  --group <part>            only groups whose title holds it`;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const { values } = parseArgs({
  options: {
    gateway: { type: 'string', multiple: true, default: [] },
    'upstream-port': { type: 'string', default: '0' },
    config: { type: 'boolean', default: false },
    door: { type: 'string', default: '/servers/{server}/mcp' },
    aggregate: { type: 'string', default: '/mcp' },
    name: { type: 'string', default: 'mcp.{server}.{name}' },
    key: { type: 'string' },
    'other-key': { type: 'string' },
    'restricted-key': { type: 'string' },
    'question-ms': { type: 'string' },
    'first-pid': { type: 'string' },
    server: { type: 'string', multiple: true, default: [] },
    group: { type: 'string', default: '' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const bearer = (key: string | undefined): Credentials =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };

function targetOf(): Target {
  const { aggregate, door, name, 'first-pid': pid, 'question-ms': questionMs } = values;
  const chosen = serverKinds.filter((kind) => values.server.length === 0 || values.server.includes(kind));
  return {
    origins: values.gateway,
    door: (origin, server) => origin + door.replace('{server}', server),
    ...(aggregate === ''
      ? {}
      : {
          aggregate: {
            url: (origin) => origin + aggregate,
            name: (server, own) => name.replace('{server}', server).replace('{name}', own),
          },
        }),
    servers: Object.fromEntries(chosen.map((kind) => [kind, kind])),
    owner: bearer(values.key),
    ...(values['other-key'] === undefined ? {} : { other: bearer(values['other-key']) }),
    ...(values['restricted-key'] === undefined
      ? {}
      : { restricted: { credentials: bearer(values['restricted-key']), hiddenTool: 'hidden' } }),
    ...(questionMs === undefined ? {} : { questionMs: Number(questionMs) }),
    ...(pid === undefined ? {} : { killFirst: async () => void process.kill(Number(pid), 'SIGKILL') }),
  };
}

const listedMsMax = 30_000;
const lookEveryMs = 100;

/** The gateway may have to notice first that the servers are there. */
async function awaitServers(target: Target): Promise<void> {
  const endMs = performance.now() + listedMsMax;
  for (const [kind, server] of Object.entries(target.servers) as [ServerKind, string][]) {
    for (const origin of target.origins) {
      for (;;) {
        const url = target.door(origin, server);
        const found = await modernAsk(url, 'tools/list', {}, { credentials: target.owner }).catch(
          () => undefined,
        );
        if (found?.message['result'] !== undefined) break;
        if (performance.now() > endMs) {
          say(
            `${url} lists no tools of ${kind}: ${JSON.stringify(found?.message ?? 'no answer').slice(0, 300)}`,
          );
          break;
        }
        await pause(lookEveryMs);
      }
    }
  }
}

async function main(): Promise<boolean> {
  await using upstream = await startUpstream(Number(values['upstream-port']));
  if (values.config) {
    say(JSON.stringify({ mcpServers: upstream.entries() }, undefined, 2));
    return true;
  }
  const target = targetOf();
  await awaitServers(target);
  const chosen = groups.filter(({ title }) => title.includes(values.group));
  let group = '';
  const rows = await runAll(chosen, target, upstream, (row) => {
    if (row.group !== group) say(`\n${(group = row.group)}`);
    say(rowLine(row));
  });
  say(`\n${table(rows)}`);
  return rows.every(({ outcome }) => outcome.is !== 'failed');
}

if (values.help || (values.gateway.length === 0 && !values.config)) {
  say(help);
  process.exitCode = values.help ? 0 : 1;
} else {
  process.exitCode = (await main()) ? 0 : 1;
}
