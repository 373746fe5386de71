/** Tasks of 2025-11-25: a server that keeps them all together shows each caller its own, and modern callers none. */

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { memoryCache } from '@cruvero/adapter-memory';
import { systemClock } from '@cruvero/chassis';
import { isJsonObject, readGatewayId, type JsonObject } from '@cruvero/core';
import { alice as principal, instance, server as serverOf } from './calls.fixture.ts';
import { Client, type Answered } from './client.fixture.ts';
import { baseConfig, keys, memoryFile, stage, until, type Stage } from './gateway.fixture.ts';
import { LegacyServer, related } from './legacy-server.fixture.ts';
import { LegacyTasks, roomAt } from './legacy-tasks.ts';
import { sealWith } from './seal.ts';
import { TaskIds } from './task-ids.ts';

const server = new LegacyServer();
let first: Stage;
let second: Stage;

before(async () => {
  const cache = memoryCache({ clock: systemClock });
  const sealFile = memoryFile();
  const options = {
    cache,
    sealFile,
    upstreams: { http: server, stdio: server },
    servers: [{ name: 'tasks' }, { name: 'child', transport: 'stdio' as const, endpoint: 'stdio://child' }],
  };
  first = await stage(options);
  second = await stage({
    ...options,
    broker: first.broker,
    config: { gatewayId: readGatewayId('gw2') ?? baseConfig.gatewayId },
  });
});
after(async () => {
  await second[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
});
beforeEach(() => {
  server.serve = () => undefined;
});

const open = (key: keyof typeof keys, name: 'tasks' | 'child' = 'tasks', capabilities: JsonObject = {}) =>
  new Client('legacy', `${first.url}/servers/${name}/mcp`, keys[key], capabilities).open();
const object = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});
const make = async (client: Client): Promise<string> => {
  const { result } = await client.call('tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } });
  return String(object(result['task'])['taskId']);
};
const listed = ({ result }: Answered): readonly string[] =>
  (result['tasks'] as readonly JsonObject[]).map((task) => String(task['taskId']));

for (const name of ['tasks', 'child'] as const) {
  describe(`at the door of ${name}`, () => {
    it('a caller finds its own tasks by the ids that it was given', async () => {
      const alice = await open('alice', name);
      const id = await make(alice);
      assert.doesNotMatch(id, /task-/, 'it is sealed');
      assert.ok(listed(await alice.call('tasks/list')).includes(id));
      assert.equal((await alice.call('tasks/get', { taskId: id })).result['taskId'], id);
      assert.equal((await alice.call('tasks/cancel', { taskId: id })).result['taskId'], id);
      assert.deepEqual((await alice.call('tasks/result', { taskId: id })).result['_meta'], related(id));
      assert.match(String(server.of('tasks/result').at(-1)?.params['taskId']), /^task-/);
    });

    it('nobody sees, asks about or ends the tasks of others', async () => {
      const [alice, bob] = [await open('alice', name), await open('bob', name)];
      const id = await make(alice);
      const raw = String(server.of('tools/call').length);
      assert.deepEqual(listed(await bob.call('tasks/list')), []);
      const before = server.came.length;
      for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel']) {
        for (const taskId of [id, `task-${raw}`, 'task-1']) {
          const { error } = await bob.call(method, { taskId });
          assert.equal(error?.code, -32602);
          assert.match(String(error?.message), /no task of yours here/);
        }
      }
      assert.equal(server.came.length, before, 'the server was not asked');
    });
  });
}

describe('the tasks of a caller', () => {
  it('are the same at another replica', async () => {
    const alice = await open('alice');
    const id = await make(alice);
    const there = await new Client('legacy', `${second.url}/servers/tasks/mcp`, keys.alice).open();
    const seen = listed(await there.call('tasks/list'));
    assert.ok(seen.length > 0);
    const got = await Promise.all(seen.map((taskId) => there.call('tasks/get', { taskId })));
    assert.ok(got.every(({ error }) => error === undefined));
    assert.equal((await there.call('tasks/get', { taskId: id })).result['taskId'], id);
    const bob = await new Client('legacy', `${second.url}/servers/tasks/mcp`, keys.bob).open();
    assert.deepEqual(listed(await bob.call('tasks/list')), []);
  });

  it('stay with their server, and are for no modern caller', async () => {
    const id = await make(await open('alice'));
    const child = await open('alice', 'child');
    assert.equal((await child.call('tasks/get', { taskId: id })).error?.code, -32602);
    const extension = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
    const modern = await new Client('modern', `${first.url}/servers/tasks/mcp`, keys.alice, extension).open();
    for (const method of ['tasks/list', 'tasks/result']) {
      const answered = await modern.call(method, { taskId: id });
      assert.deepEqual([answered.status, answered.error?.code], [404, -32601]);
    }
    const named = { headers: [['mcp-name', id]] as const };
    assert.equal((await modern.call('tasks/get', { taskId: id }, named)).error?.code, -32602);
  });

  for (const name of ['tasks', 'child'] as const) {
    it(`at ${name} are those of one session where its client can be asked: it may have the server to itself`, async () => {
      const asked = { elicitation: {} };
      const [own, common] = [await open('alice', name, asked), await open('alice', name)];
      const id = await make(own);
      assert.ok(listed(await own.call('tasks/list')).includes(id));
      assert.equal((await own.call('tasks/get', { taskId: id })).result['taskId'], id);
      for (const other of [common, await open('alice', name, asked)])
        assert.equal((await other.call('tasks/get', { taskId: id })).error?.code, -32602);
    });
  }

  it('a list that cannot be read is shown to nobody', async () => {
    const alice = await open('alice');
    server.serve = ({ method }) => (method === 'tasks/list' ? { tasks: [{ task: 1 }, 7] } : undefined);
    assert.deepEqual((await alice.call('tasks/list')).result['tasks'], []);
  });

  it('are what their status messages are about; those of others are heard by nobody else', async () => {
    const [alice, bob] = [await open('alice'), await open('bob')];
    await using heard = await alice.listen();
    await using other = await bob.listen();
    await until(() => server.listening >= 2);
    const id = await make(alice);
    const raw = `task-${server.of('tools/call').filter(({ params }) => params['task']).length}`;
    const status = { method: 'notifications/tasks/status', params: { taskId: raw, status: 'completed' } };
    server.say(status);
    server.say({ method: 'notifications/message', params: { level: 'error', data: 'for all' } });
    const note = async (stream: typeof heard): Promise<JsonObject> => {
      for (;;) {
        const data = (await stream.next())?.data;
        if (data) return JSON.parse(data) as JsonObject;
      }
    };
    assert.deepEqual(object((await note(heard))['params']), { taskId: id, status: 'completed' });
    assert.equal((await note(other))['method'], 'notifications/message');
  });
});

describe('a question that belongs to a task', () => {
  it('names the task as the caller knows it, and its answer as the server does', async () => {
    const tasks = new LegacyTasks(new TaskIds(sealWith([new Uint8Array(32)]), 'legacy-task'), undefined);
    const room = roomAt(principal, undefined, serverOf('files'), instance());
    const question = (id: string) => ({
      method: 'elicitation/create',
      paramsText: JSON.stringify({ message: 'Sure?', _meta: related(id) }),
    });
    const shown: string[] = [];
    const reply = await tasks.asked(room, question('t1'), (asked) => {
      shown.push(asked.paramsText);
      const { _meta } = JSON.parse(asked.paramsText) as JsonObject;
      return Promise.resolve({
        kind: 'result',
        text: JSON.stringify({ action: 'accept', _meta: _meta ?? {} }),
      });
    });
    assert.doesNotMatch(shown.join(), /"t1"/);
    assert.deepEqual(JSON.parse(reply.text), { action: 'accept', _meta: related('t1') });
    const plain = { method: 'roots/list', paramsText: '{}' };
    const refused = { kind: 'error', code: 1, text: '{}' } as const;
    assert.equal(await tasks.asked(room, plain, () => Promise.resolve(refused)), refused);
    assert.equal(await tasks.asked(room, question('t1'), () => Promise.resolve(refused)), refused);
  });
});

describe('a modern caller of a legacy server', () => {
  const open = () =>
    new Client('modern', `${first.url}/servers/tasks/mcp`, keys.alice, { elicitation: { url: {} } });

  it('makes no task, and what belongs to rounds is not sent on', async () => {
    const modern = await open().open();
    const params = {
      name: 'slow',
      arguments: {},
      task: { ttl: 1 },
      inputResponses: { 1: { action: 'accept' } },
    };
    const answered = await modern.call('tools/call', params);
    assert.deepEqual(answered.result['content'], []);
    const sent = Object.keys(server.of('tools/call').at(-1)?.params ?? {});
    assert.deepEqual(sent.sort(), ['_meta', 'arguments', 'name']);
  });

  it('does not hear what only the legacy era knows', async () => {
    const modern = await open().open();
    server.serve = ({ method }, say) => {
      if (method !== 'tools/call') return undefined;
      say({ method: 'notifications/elicitation/complete', params: { elicitationId: 'e1' } });
      say({ method: 'notifications/tasks/status', params: { taskId: 't', status: 'working' } });
      say({ method: 'notifications/x-own', params: {} });
      return { content: [] };
    };
    const { notes } = await modern.call('tools/call', { name: 'slow', arguments: {} });
    assert.deepEqual(
      notes.map(({ method }) => method),
      ['notifications/x-own'],
    );
  });
});
