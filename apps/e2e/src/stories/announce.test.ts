/** A server announces itself beside the running product: connected clients see its tools come, change, grow stale and go. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startNats, type Server } from '@cruvero/stack';
import { namedTool, startModernServer, type FixtureServer } from '@cruvero/testkit';
import { connect, type ClientKind, type StoryClient } from '../harness/clients.fixture.ts';
import type { Layout, LayoutKind } from '../harness/layout.fixture.ts';
import { startedTogether, startLayout } from '../harness/over-layouts.fixture.ts';
import type { Program } from '../harness/program.fixture.ts';
import { startSidecar } from '../harness/sidecar.fixture.ts';
import { until } from '../harness/until.fixture.ts';

const clientKinds: readonly ClientKind[] = ['legacy', 'modern'];

const heartbeatMs = 300;
const staleMs = 1_000;
/** Three times the threshold: requirements §4. */
const goneMs = 3 * staleMs;
/** What the health monitor's own looking, the bus and a busy machine may add. */
const slackMs = 1_500;
/** Between an announcement and the tools in a connected client's list. */
const appearsMsMax = 1_000;

/** How the sidecar reaches the control plane. */
interface Way {
  readonly kind: LayoutKind;
  readonly name: string;
  /** NATS of its own, where the layout does not bring one. */
  readonly ownNats: boolean;
  readonly reach: (layout: Layout) => {
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  };
}

const overNats: Way['reach'] = (layout) => ({
  args: ['--nats-url', layout.natsUrl ?? assert.fail('no NATS')],
});
const overHttp: Way['reach'] = (layout) => ({
  args: ['--gateway', layout.url],
  env: { CRUVERO_ADMIN_API_KEY: layout.adminKey },
});
const ways: readonly Way[] = [
  { kind: 'embedded', name: 'to the gateway over HTTP', ownNats: false, reach: overHttp },
  { kind: 'embedded', name: 'over NATS', ownNats: true, reach: overNats },
  { kind: 'apart', name: 'over NATS', ownNats: false, reach: overNats },
];

/** What a client sees, and when it was told, in the monotonic time of this process. */
interface Seen {
  readonly atMs: number;
  readonly tools: readonly string[];
}

let nats: Server;
let steady: FixtureServer;
before(async () => {
  steady = await startModernServer({ serverName: 'steady' });
  nats = await startNats();
});
const started = startedTogether(ways, (way) =>
  startLayout(way.kind, {
    servers: { steady: { url: steady.url } },
    env: {
      CRUVERO_MCP_HEARTBEAT_INTERVAL: `${heartbeatMs}ms`,
      CRUVERO_MCP_STALE_THRESHOLD: `${staleMs}ms`,
      ...(way.ownNats ? { CRUVERO_EVENTS_BACKEND: 'nats', CRUVERO_NATS_URL: nats.url } : {}),
    },
  }),
);
after(() => Promise.all([nats.stop(), steady.close()]));

for (const way of ways) {
  describe(`mcp-announce ${way.name}, ${way.kind}`, () => {
    let layout: Layout;
    /** Nobody but this sidecar and this layout knows of it. */
    let weather: FixtureServer;
    let clients: readonly StoryClient[] = [];
    let sidecar: Program | undefined;

    before(async () => {
      weather = await startModernServer({ serverName: 'weather' });
      layout = await started(way);
      clients = await Promise.all(clientKinds.map((kind) => connect(kind, layout)));
    });
    after(async () => {
      await sidecar?.[Symbol.asyncDispose]();
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
      await layout?.stop();
      await weather.close();
    });

    const start = (): Program =>
      startSidecar({ server: 'weather', endpoint: weather.url, heartbeatMs, ...way.reach(layout) });

    /** When the last of the clients was told of a change and saw the list it waited for. */
    async function allSee(
      sees: (tools: readonly string[]) => boolean,
      since: readonly number[],
    ): Promise<Seen> {
      const seen = await Promise.all(
        clients.map(async (client, at) => {
          await client.told('tools', since[at] ?? 0);
          return until(`the ${client.kind} client sees it`, async () => {
            const tools = await client.tools();
            return sees(tools) && { atMs: performance.now(), tools };
          });
        }),
      );
      return seen.reduce((a, b) => (a.atMs > b.atMs ? a : b));
    }
    const toldSoFar = (): readonly number[] => clients.map((client) => client.count('tools'));
    const isThere = (tools: readonly string[]): boolean => tools.includes('mcp.weather.echo');
    const isGone = (tools: readonly string[]): boolean =>
      !tools.some((name) => name.startsWith('mcp.weather.'));

    /** State of the one instance, as the REST facade tells it; undefined where the server is not known. */
    async function state(): Promise<string | undefined> {
      const response = await fetch(`${layout.url}/api/v1/mcp/services/weather/status`, {
        headers: { 'x-api-key': layout.adminKey },
      });
      if (response.status === 404) return undefined;
      const body = (await response.json()) as { readonly details: readonly { readonly state: string }[] };
      return body.details[0]?.state;
    }

    /** Starts the sidecar; the time from its look at the server, which comes before the announcement, until all see it. */
    async function announceAndSee(): Promise<number> {
      const told = toldSoFar();
      const asked = weather.catalogue.count('tools/list');
      sidecar = start();
      await until('the sidecar asks the server', () => weather.catalogue.count('tools/list') > asked);
      const askedMs = performance.now();
      const { atMs } = await allSee(isThere, told);
      await sidecar.says(/^announced weather \S+ \d+ tools$/m);
      return Math.round(atMs - askedMs);
    }

    it('brings the tools to connected clients within a second', async (t) => {
      const ms = await announceAndSee();
      t.diagnostic(
        `listed for both connected clients ${ms} ms after the sidecar asked the server, before it announced it`,
      );
      assert.ok(ms <= appearsMsMax, `${ms} ms`);
      for (const client of clients) {
        const { content } = await client.call('mcp.weather.echo', { text: 'sunny' });
        assert.match(JSON.stringify(content), /sunny/);
      }
    });

    it('brings a new tool of the announced server with the next heartbeat', async (t) => {
      const told = toldSoFar();
      const addedMs = performance.now();
      weather.catalogue.addTool(namedTool('forecast'));
      const { atMs } = await allSee((tools) => tools.includes('mcp.weather.forecast'), told);
      t.diagnostic(`listed ${Math.round(atMs - addedMs)} ms after the server had it`);
      weather.catalogue.removeTool('forecast');
      await allSee(
        (tools) => !tools.includes('mcp.weather.forecast'),
        told.map((count) => count + 1),
      );
    });

    it('makes the server stale and then gone, at the configured times, when it is killed', async (t) => {
      const told = toldSoFar();
      const killedMs = performance.now();
      sidecar?.signal('SIGKILL');
      const stale = await until('the server is stale', async () => {
        return (await state()) === 'STALE' && performance.now() - killedMs;
      });
      const listed = await Promise.all(clients.map((client) => client.tools()));
      const { atMs } = await allSee(isGone, told);
      const gone = atMs - killedMs;
      t.diagnostic(
        `stale ${Math.round(stale)} ms and gone ${Math.round(gone)} ms after the sidecar was killed`,
      );
      // The last heartbeat was up to one interval earlier.
      assert.ok(stale >= staleMs - heartbeatMs && stale <= staleMs + slackMs, `stale after ${stale} ms`);
      assert.ok(gone >= goneMs - heartbeatMs && gone <= goneMs + slackMs, `gone after ${gone} ms`);
      assert.ok(listed.every(isThere), 'a stale server is still listed');
      assert.equal(await state(), undefined);
    });

    it('takes the server away at once when it is ended by Ctrl-C', async (t) => {
      await announceAndSee();
      const told = toldSoFar();
      const endedMs = performance.now();
      sidecar?.signal('SIGINT');
      const { atMs } = await allSee(isGone, told);
      const ms = Math.round(atMs - endedMs);
      t.diagnostic(`gone for both connected clients ${ms} ms after the signal`);
      assert.ok(ms <= appearsMsMax, `${ms} ms`);
      assert.equal(await sidecar?.ended(), 0);
    });
  });
}
