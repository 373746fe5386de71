/** Servers out of environment variables. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerName } from '@cruvero/core';
import type { ServersRead, ServersSource } from '@cruvero/ports';
import { joinSources } from './join-sources.ts';
import { readEnvironment, serversFromEnv } from './servers-env.ts';

describe('CRUVERO_MCP_SERVERS', () => {
  it('reads commands, arguments and their variables', () => {
    assert.deepEqual(
      readEnvironment({
        CRUVERO_MCP_SERVERS: 'my-files=npx|-y|server|/tmp/a=b;;memory=mcp-memory',
        CRUVERO_MCP_ENV_MY_FILES: 'MODE=fast,URL=http://x?a=b',
      }),
      {
        servers: [
          {
            kind: 'command',
            name: 'my-files',
            command: 'npx',
            args: ['-y', 'server', '/tmp/a=b'],
            env: { MODE: 'fast', URL: 'http://x?a=b' },
            instances: 1,
            origin: 'env',
          },
          {
            kind: 'command',
            name: 'memory',
            command: 'mcp-memory',
            args: [],
            env: {},
            instances: 1,
            origin: 'env',
          },
        ],
        problems: [],
      },
    );
    assert.deepEqual(readEnvironment({}), { servers: [], problems: [] });
  });

  it('names what is wrong, never a value', () => {
    const { servers, problems } = readEnvironment({
      CRUVERO_MCP_SERVERS: 'good=x;;canary;;bad=x;;=x;;empty=;;good=y',
      CRUVERO_MCP_ENV_BAD: 'canary',
      CRUVERO_MCP_ENV_NOBODY: 'A=canary',
    });
    assert.deepEqual(
      servers.map(({ name }) => name),
      ['good'],
    );
    assert.equal(problems.length, 6);
    assert.doesNotMatch(problems.join(), /canary/);
    assert.match(problems.join('\n'), /CRUVERO_MCP_ENV_BAD should read KEY=value/);
    assert.match(problems.join('\n'), /CRUVERO_MCP_ENV_NOBODY belongs to no server/);
  });
});

describe('joinSources', () => {
  const one = serversFromEnv({ CRUVERO_MCP_SERVERS: 'a=first;;b=first' });

  function scripted(read: ServersRead) {
    let tell: (read: ServersRead) => void = () => undefined;
    let closed = false;
    const source: ServersSource = {
      read: async () => read,
      watch: (onChange) => {
        tell = onChange;
        return { close: () => void (closed = true) };
      },
    };
    return { source, tell: (news: ServersRead) => tell(news), closed: () => closed };
  }

  it('lets the first source win and says so', async () => {
    const two = serversFromEnv({ CRUVERO_MCP_SERVERS: 'b=second;;c=second' });
    const { servers, problems } = await joinSources(one, two).read();
    assert.deepEqual(
      servers.map((server) => `${server.name}:${server.kind === 'command' ? server.command : ''}`),
      ['a:first', 'b:first', 'c:second'],
    );
    assert.match(problems.join(), /b is configured in two places/);
  });

  it('has the virtual servers of both, the first one of a name', async () => {
    const virtual = (name: string, server: string) => ({
      name: name as ServerName,
      names: 'bare' as const,
      members: [{ server: server as ServerName }],
    });
    const first = scripted({ servers: [], problems: [], virtuals: [virtual('dev', 'a')] });
    const second = scripted({
      servers: [],
      problems: [],
      virtuals: [virtual('dev', 'b'), virtual('ops', 'b')],
    });
    const { virtuals = [] } = await joinSources(first.source, second.source).read();
    assert.deepEqual(
      virtuals.map(({ name, members }) => `${name} of ${members[0]?.server}`),
      ['dev of a', 'ops of b'],
    );
    assert.equal('virtuals' in (await joinSources(one, one).read()), false);
  });

  it('tells of both when one has news', async () => {
    const two = scripted({ servers: [], problems: ['nothing yet'] });
    const heard = Promise.withResolvers<ServersRead>();
    const watching = joinSources(one, two.source).watch((read) => heard.resolve(read));
    two.tell(await serversFromEnv({ CRUVERO_MCP_SERVERS: 'c=x' }).read());
    const { servers, problems } = await heard.promise;
    assert.deepEqual([servers.map(({ name }) => name).join(), problems], ['a,b,c', []]);
    watching.close();
    assert.equal(two.closed(), true);
  });
});
