/** A first start serves the four reference servers to every client; a second one finds everything again. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  exposedName,
  exposedUri,
  readServerName,
  type JsonObject,
  type ListKind,
  type ServerName,
} from '@cruvero/core';
import { clientKinds, connect, type StoryClient } from '../harness/clients.fixture.ts';
import { referenceServers } from '../harness/config-file.fixture.ts';
import { direct, offerOf, type Offer } from '../harness/direct.fixture.ts';
import { layoutKinds, type Layout } from '../harness/layout.fixture.ts';
import { startLayout } from '../harness/over-layouts.fixture.ts';
import { listedServers, rawCall, rawRequest } from '../harness/raw.fixture.ts';
import { root } from '../harness/program.fixture.ts';

const textOf = (result: JsonObject): string => {
  const [block] = result['content'] as unknown as readonly { readonly text?: string }[];
  return block?.text ?? '';
};

/** One call of each server whose right answer is known beforehand. */
const oneCallEach: Readonly<Record<string, (client: StoryClient) => Promise<void>>> = {
  everything: async (client) => {
    assert.equal(textOf(await client.call('mcp.everything.echo', { message: 'hello' })), 'Echo: hello');
  },
  filesystem: async (client) => {
    const listed = await client.call('mcp.filesystem.list_directory', { path: join(root, 'examples/files') });
    assert.match(textOf(listed), /\[FILE\] welcome\.md/);
  },
  memory: async (client) => {
    const name = `entity-of-${client.kind}`;
    const entity = { name, entityType: 'story', observations: ['it was made through the gateway'] };
    await client.call('mcp.memory.create_entities', { entities: [entity] });
    const read = await client.call('mcp.memory.open_nodes', { names: [name] });
    assert.deepEqual(JSON.parse(textOf(read)), { entities: [entity], relations: [] });
  },
  'sequential-thinking': async (client) => {
    const thought = { thought: 'one', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 };
    const result = await client.call('mcp.sequential-thinking.sequentialthinking', thought);
    assert.equal((JSON.parse(textOf(result)) as { readonly thoughtNumber: number }).thoughtNumber, 1);
  },
};

/** Everything that the four servers offer, asked of each directly, under the names that the aggregate gives. */
async function wholeOffer(folder: string): Promise<Offer> {
  const entries = Object.entries(referenceServers(folder));
  const offers = await Promise.all(
    entries.map(async ([label, entry]) => {
      const server = readServerName(label) ?? assert.fail(label);
      await using client = await direct(entry);
      return exposedOffer(server, await offerOf(client));
    }),
  );
  const all = (kind: ListKind): readonly string[] => offers.flatMap((offer) => offer[kind]).sort();
  return {
    tools: all('tools'),
    resources: all('resources'),
    resourceTemplates: all('resourceTemplates'),
    prompts: all('prompts'),
  };
}

const exposedOffer = (server: ServerName, offer: Offer): Offer => ({
  tools: offer.tools.map((name) => exposedName(server, name)),
  resources: offer.resources.map((uri) => exposedUri(server, uri)),
  resourceTemplates: offer.resourceTemplates.map((uri) => exposedUri(server, uri)),
  prompts: offer.prompts.map((name) => exposedName(server, name)),
});

let offered: Offer;
before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-e2e-direct-'));
  offered = await wholeOffer(folder);
  await rm(folder, { recursive: true, force: true });
});

for (const kind of layoutKinds) {
  describe(`first start, ${kind}`, () => {
    let folder = '';
    let layout: Layout;
    let listedAtReady: ReadonlySet<string>;
    const servers = Object.keys(oneCallEach);
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'cruvero-e2e-first-'));
      // Apart, each process says `ready` for itself; the bridge's servers join when they answer.
      layout = await startLayout(kind, {
        ownConfig: true,
        folder,
        awaits: kind === 'embedded' ? [] : servers,
      });
      listedAtReady = await listedServers(layout);
    });
    after(async () => {
      await layout.stop();
      await rm(folder, { recursive: true, force: true });
    });

    it('prints ready and shows two keys, once', (t) => {
      t.diagnostic(`ready after ${layout.readyMs} ms`);
      assert.match(layout.stdout(), new RegExp(`^ready ${layout.url}$`, 'm'));
      for (const key of [layout.agentKey, layout.adminKey]) {
        assert.match(key, /^crv_[A-Za-z0-9_-]{20,}$/);
        assert.ok(layout.stdout().includes(key));
      }
      assert.notEqual(layout.agentKey, layout.adminKey);
      assert.deepEqual(
        [...listedAtReady].sort(),
        [...servers].sort(),
        'ready means that every server is listed',
      );
    });

    for (const clientKind of clientKinds) {
      it(`lists everything of the four reference servers for the ${clientKind} client, and calls each`, async (t) => {
        await using client = await connect(clientKind, layout);
        const listed = await offerOf(client);
        assert.deepEqual(listed, offered);
        const counts = Object.entries(listed).map(([kind, names]) => `${names.length} ${kind}`);
        t.diagnostic(counts.join(', '));
        for (const callOne of Object.values(oneCallEach)) await callOne(client);
      });
    }

    it('finds everything again at the second start, shows no keys, and takes the old ones', async (t) => {
      const { agentKey, adminKey, url: oldUrl } = layout;
      await layout.stop();
      layout = await startLayout(kind, {
        ownConfig: true,
        folder,
        awaits: servers,
        keys: { agentKey, adminKey },
      });
      t.diagnostic(`ready again after ${layout.readyMs} ms`);
      assert.deepEqual(layout.shown, {});
      for (const key of [agentKey, adminKey])
        assert.ok(!layout.stdout().includes(key), 'a key is shown only once');
      const { result } = await rawCall(layout, 'mcp.memory.open_nodes', { names: ['entity-of-legacy'] });
      assert.match(
        JSON.stringify(result),
        /it was made through the gateway/,
        'what a server kept is still there',
      );
      const refused = await rawRequest({ url: layout.url, agentKey: 'crv_wrong' }, 'tools/list');
      assert.equal(refused.status, 401);
      assert.ok(oldUrl !== '');
    });
  });
}
