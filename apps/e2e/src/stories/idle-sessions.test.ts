/** Legacy sessions that nobody uses cost the gateway little memory and no timer each. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startLegacyServer, type FixtureServer } from '@cruvero/testkit';
import type { Layout } from '../harness/layout.fixture.ts';
import { liftRates } from '../harness/lift-rates.fixture.ts';
import { memoryOf, probed, type Memory } from '../harness/memory.fixture.ts';
import { startLayout } from '../harness/over-layouts.fixture.ts';
import { inLanes, QuickClient } from '../harness/quick-client.fixture.ts';
import { until } from '../harness/until.fixture.ts';

const sessions = 10_000;
const bytesEachMax = 4 << 10;
/** A constant few of the whole program. */
const timersMax = 20;
const lanes = 16;
const version = '2025-11-25';
/** What clients that can do everything say of themselves. */
const params = {
  protocolVersion: version,
  capabilities: { sampling: {}, roots: { listChanged: true }, elicitation: { form: {}, url: {} } },
  clientInfo: { name: 'an-idle-client', version: '1.0.0' },
};

describe('idle legacy sessions', () => {
  let server: FixtureServer;
  let layout: Layout;

  before(async () => {
    server = await startLegacyServer();
    layout = await startLayout('embedded', {
      env: { ...probed, CRUVERO_MCPGW_SESSIONS_PER_PRINCIPAL_MAX: '20000' },
      servers: { fixture: { url: server.url } },
    });
    await liftRates(layout);
  });
  after(async () => {
    await layout?.stop();
    await server?.close();
  });

  const inSession = (id: string) => ({ 'mcp-session-id': id, 'mcp-protocol-version': version });

  /** Opens sessions as clients do, each with a first look at the tools. */
  async function open(count: number): Promise<readonly string[]> {
    using client = new QuickClient(layout, lanes);
    const ids: string[] = [];
    await inLanes(Array.from({ length: count }), lanes, async () => {
      const opened = await client.send('POST', '/mcp', {}, { id: 0, method: 'initialize', params });
      const id = String(opened.headers['mcp-session-id']);
      const initialized = { method: 'notifications/initialized' };
      assert.equal((await client.send('POST', '/mcp', inSession(id), initialized)).status, 202);
      const ping = await client.send('POST', '/mcp', inSession(id), { id: 1, method: 'ping' });
      assert.equal(ping.status, 200, ping.text);
      ids.push(id);
    });
    return ids;
  }

  async function each(ids: readonly string[], method: 'POST' | 'DELETE', message?: object): Promise<void> {
    using client = new QuickClient(layout, lanes);
    await inLanes(ids, lanes, async (id) => {
      const { status, text } = await client.send(method, '/mcp', inSession(id), message);
      assert.equal(status, method === 'DELETE' ? 204 : 200, text);
    });
  }

  /** When the connections of the clients are gone. */
  async function settled(): Promise<Memory> {
    return until('the connections are gone', async () => {
      const memory = await memoryOf(layout);
      return (memory.resources['TCPSocketWrap'] ?? 0) < lanes && memory;
    });
  }

  const timersOf = ({ resources }: Memory): number => resources['Timeout'] ?? 0;

  it(`of which there are ${sessions} take ${bytesEachMax} bytes of heap each at most, and no timer`, async (t) => {
    await each(await open(500), 'DELETE');
    const empty = await settled();
    const ids = await open(sessions);
    const full = await settled();
    const heapEach = (full.heapUsed - empty.heapUsed) / sessions;
    const outsideEach = (full.external - empty.external) / sessions;
    t.diagnostic(
      `${Math.round(heapEach)} bytes of heap and ${Math.round(outsideEach)} outside each; ` +
        `${timersOf(empty)} timers before, ${timersOf(full)} with ${sessions} sessions`,
    );
    assert.ok(heapEach + Math.max(0, outsideEach) <= bytesEachMax, `${heapEach} + ${outsideEach} bytes each`);
    assert.ok(timersOf(full) <= timersMax, JSON.stringify(full.resources));

    // They are all still there, and what they took is given back.
    await each(
      ids.filter((_id, at) => at % 100 === 0),
      'POST',
      { id: 2, method: 'ping' },
    );
    await each(ids, 'DELETE');
    const left = await settled();
    const keptEach = (left.heapUsed - empty.heapUsed) / sessions;
    t.diagnostic(`${Math.round(keptEach)} bytes each are left when they have ended`);
    assert.ok(keptEach <= bytesEachMax / 4, `${keptEach} bytes each are left`);
  });

  it('that called a server once have no timer either', async (t) => {
    const empty = await settled();
    const ids = await open(1_000);
    const args = { name: 'mcp.fixture.echo', arguments: { text: 'once' } };
    await each(ids, 'POST', { id: 2, method: 'tools/call', params: args });
    const full = await settled();
    const heapEach = (full.heapUsed - empty.heapUsed) / ids.length;
    t.diagnostic(
      `${Math.round(heapEach)} bytes of heap each; ${timersOf(empty)} timers before, ${timersOf(full)} after; ` +
        JSON.stringify(full.resources),
    );
    assert.ok(timersOf(full) <= timersMax, JSON.stringify(full.resources));
    assert.ok(heapEach <= 4 * bytesEachMax, `${heapEach} bytes each`);
    await each(ids, 'DELETE');
  });
});
