/** Methods that change a session: what a server says while it answers them reaches the client. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '@cruvero/core';
import { Client } from '../client.fixture.ts';
import { keys, stage, type Stage } from '../gateway.fixture.ts';
import { LegacyServer } from '../legacy-server.fixture.ts';

const server = new LegacyServer();
let gateway: Stage;
before(async () => {
  gateway = await stage({ upstreams: { http: server }, servers: [{ name: 'talks' }] });
});
after(() => gateway[Symbol.asyncDispose]());

const logged: JsonObject = {
  method: 'notifications/message',
  params: { level: 'info', data: 'as you wish' },
};

for (const path of ['/servers/talks/mcp', '/mcp']) {
  describe(`a legacy client at ${path}`, () => {
    it('hears what is logged while the level is set, and nothing else that is said then', async () => {
      const client = await new Client('legacy', `${gateway.url}${path}`, keys.alice).open();
      const tool = path === '/mcp' ? 'mcp.talks.slow' : 'slow';
      await client.call('tools/call', { name: tool, arguments: {} });
      server.serve = ({ method }, say) => {
        if (method !== 'logging/setLevel') return undefined;
        say(logged);
        say({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
        return {};
      };
      const { result, notes } = await client.call('logging/setLevel', { level: 'info' });
      assert.deepEqual(result, {});
      assert.deepEqual(notes, [{ jsonrpc: '2.0', ...logged }]);
    });

    it('hears on its stream what is logged while a resource is subscribed', async () => {
      const client = await new Client('legacy', `${gateway.url}${path}`, keys.alice).open();
      await using stream = await client.listen();
      server.serve = ({ method }, say) => {
        if (method !== 'resources/subscribe') return undefined;
        say(logged);
        return {};
      };
      const uri = path === '/mcp' ? 'mcp://talks/note://1' : 'note://1';
      assert.deepEqual((await client.call('resources/subscribe', { uri })).result, {});
      let said = '';
      while (!said.includes('as you wish')) said = (await stream.next())?.data ?? assert.fail('it ended');
    });
  });
}
