/** cruvero.json is edited while the product runs, and clients that are connected already hear of it. */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import { namedTool, startLegacyServer, startModernServer, type FixtureServer } from '@cruvero/testkit';
import { connect, type ClientKind, type StoryClient } from '../harness/clients.fixture.ts';
import { legacyCommand, modernCommand, type Entries } from '../harness/config-file.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { timed, until } from '../harness/until.fixture.ts';

const clientKinds: readonly ClientKind[] = ['legacy', 'modern'];

let first: FixtureServer;
let second: FixtureServer;
before(async () => {
  first = await startLegacyServer({ serverName: 'first' });
  second = await startModernServer({ serverName: 'second', extraTools: [namedTool('only-in-second')] });
});
after(() => Promise.all([first.close(), second.close()]));

/** The server behind a tool says its own name. */
async function whoAnswers(client: StoryClient, server: string): Promise<unknown> {
  const { _meta: meta } = await client.call(`mcp.${server}.add`, { a: 1, b: 2 });
  return isJsonObject(meta as JsonObject) ? (meta as JsonObject)['fixture.test/server'] : undefined;
}

const steady = () => ({ steady: { url: first.url }, 'steady-command': legacyCommand('--name=steady') });

overLayouts(
  'cruvero.json',
  () => ({ servers: steady() }),
  (layout) => {
    let clients: readonly StoryClient[] = [];
    before(async () => {
      clients = await Promise.all(clientKinds.map((kind) => connect(kind, layout())));
    });
    after(() => Promise.all(clients.map((client) => client[Symbol.asyncDispose]())));

    /** Makes the change, and waits until every client was told and sees what it should see. */
    async function afterChange(
      change: () => Promise<void>,
      sees: (tools: readonly string[]) => boolean,
    ): Promise<number> {
      const seen = clients.map((client) => client.count('tools'));
      const { ms } = await timed(async () => {
        await change();
        await Promise.all(
          clients.map(async (client, at) => {
            await client.told('tools', seen[at] ?? 0);
            await until(`the ${client.kind} client sees it`, async () => sees(await client.tools()));
          }),
        );
      });
      return ms;
    }
    const write = (entries: Entries) => () => layout().config.servers({ ...steady(), ...entries });

    it('adds a server by URL, and one by command', async (t) => {
      const byUrl = await afterChange(write({ fresh: { url: first.url } }), (tools) =>
        tools.includes('mcp.fresh.echo'),
      );
      const added = { fresh: { url: first.url }, child: modernCommand('--name=child') };
      const byCommand = await afterChange(write(added), (tools) => tools.includes('mcp.child.echo'));
      t.diagnostic(
        `seen by connected clients ${byUrl} ms (URL) and ${byCommand} ms (command) after the file was written`,
      );
      for (const client of clients) {
        assert.equal(await whoAnswers(client, 'fresh'), 'first');
        assert.equal(await whoAnswers(client, 'child'), 'child');
      }
    });

    it('changes the URL of one and the arguments of the other, and no call fails meanwhile', async (t) => {
      const failures: unknown[] = [];
      const answers = async (client: StoryClient, server: string): Promise<unknown> => {
        try {
          return await whoAnswers(client, server);
        } catch (error) {
          return void failures.push(error);
        }
      };
      const changed = { fresh: { url: second.url }, child: modernCommand('--name=renamed') };
      const { ms } = await timed(async () => {
        await afterChange(write(changed), (tools) => tools.includes('mcp.fresh.only-in-second'));
        for (const client of clients) {
          const isNew = async (): Promise<boolean> => (await answers(client, 'child')) === 'renamed';
          await until('the changed command answers', isNew);
          assert.equal(await answers(client, 'fresh'), 'second');
          assert.equal(await answers(client, 'steady'), 'first', 'the others are left alone');
        }
      });
      assert.deepEqual(failures, []);
      t.diagnostic(`both changes are in force ${ms} ms after the file was written`);
    });

    it('keeps the last good state while the file makes no sense, and says what is wrong', async () => {
      const [client] = clients;
      assert.ok(client);
      const tools = await client.tools();
      for (const [text, said] of [
        ['{"mcpServers": {"half": ', /not valid JSON/],
        ['[]', /not a JSON object/],
        ['{"servers": {}}', /has no .*mcpServers/],
      ] as const) {
        await layout().config.text(text);
        await until(`the log says ${said}`, async () => said.test(await layout().logs()));
        assert.deepEqual(await client.tools(), tools);
        assert.equal(await whoAnswers(client, 'steady'), 'first');
        assert.equal(await whoAnswers(client, 'steady-command'), 'steady');
      }
    });

    it('takes the good entries of a file in which others are wrong', async () => {
      const wrong: Entries = {
        'no-way': { note: 'neither command nor url' },
        'two-ways': { command: 'x', url: first.url },
        leaky: { url: 'http://user:password@127.0.0.1:1/mcp' },
        elsewhere: { url: 'http://169.254.169.254/latest/meta-data' },
        absent: { command: 'no-such-command-anywhere' },
      };
      // What comes and what goes are rows of their own, each of which may be seen first.
      await afterChange(
        write({ ...wrong, good: { url: second.url } }),
        (tools) => tools.includes('mcp.good.echo') && !tools.some((name) => name.startsWith('mcp.fresh.')),
      );
      const logs = await until('the log has a word on each', async () => {
        const text = await layout().logs();
        return Object.keys(wrong).every((name) => text.includes(name)) && text;
      });
      assert.ok(!logs.includes('user:password'), 'no secret in the log');
      for (const client of clients) {
        const servers = new Set((await client.tools()).map((name) => name.split('.')[1]));
        assert.deepEqual([...servers].sort(), ['good', 'steady', 'steady-command']);
      }
    });

    it('takes servers away, and what they ran', async (t) => {
      const ms = await afterChange(
        () => layout().config.servers({ steady: { url: first.url } }),
        (tools) => tools.every((name) => name.startsWith('mcp.steady.')),
      );
      t.diagnostic(`gone for connected clients ${ms} ms after the file was written`);
      for (const client of clients) {
        await assert.rejects(
          client.call('mcp.steady-command.echo', { text: 'anybody there?' }),
          /steady-command/,
        );
        assert.equal(await whoAnswers(client, 'steady'), 'first');
      }
    });
  },
);
