/** Task ids are mapped where the protocol puts them, and nowhere else. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { paramsFrom } from './message.ts';
import {
  isLegacyTaskMethod,
  isTaskMethod,
  keepTasks,
  listedTaskIds,
  mapLegacyNotified,
  mapLegacyTaskIds,
  mapNotifiedTaskId,
  mapRelatedTask,
  mapTaskIds,
  notifiedTaskIds,
  taskIdOf,
} from './tasks.ts';

const owned = (own: string): string => `files.${own}`;

describe('task ids', () => {
  it('stand in the params of the three task requests', () => {
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) assert.ok(isTaskMethod(method));
    for (const method of ['tasks/list', 'tasks/result', 'tools/call', 'constructor'])
      assert.ok(!isTaskMethod(method));
    assert.equal(taskIdOf(paramsFrom('{"taskId":"t1"}')), 't1');
    assert.equal(taskIdOf(paramsFrom('{"taskId":7}')), undefined);
    assert.equal(taskIdOf(paramsFrom('{}')), undefined);
  });

  const results: readonly [string, string, string][] = [
    [
      'at the top',
      '{ "resultType":"task", "taskId": "t1", "n":1.0}',
      '{ "resultType":"task", "taskId": "files.t1", "n":1.0}',
    ],
    ['spelled with escapes', '{"\\u0074askId":"t\\u0031"}', '{"\\u0074askId":"files.t1"}'],
    ['not inside what the task made', '{"result":{"taskId":"t1"}}', '{"result":{"taskId":"t1"}}'],
    ['not where it is no string', '{"taskId":1}', '{"taskId":1}'],
    ['not in text about it', '{"text":"taskId"}', '{"text":"taskId"}'],
    ['not in what is no object', '["taskId"]', '["taskId"]'],
    ['not without it', '{"content":[]}', '{"content":[]}'],
  ];
  for (const [name, text, expected] of results) {
    it(`are mapped ${name}`, () => assert.equal(mapTaskIds(text, owned), expected));
  }

  const notified: readonly [string, string, string][] = [
    [
      'in params',
      '{"method":"notifications/tasks","params":{"taskId":"t1","status":"working"}}',
      '{"method":"notifications/tasks","params":{"taskId":"files.t1","status":"working"}}',
    ],
    ['not beside params', '{"taskId":"t1","params":{}}', '{"taskId":"t1","params":{}}'],
    [
      'not in params that are no object',
      '{"taskId":"t1","params":["taskId"]}',
      '{"taskId":"t1","params":["taskId"]}',
    ],
    [
      'not in params that are ambiguous',
      '{"params":{"taskId":"a","taskId":"b"}}',
      '{"params":{"taskId":"a","taskId":"b"}}',
    ],
    ['not in text that is no JSON', '{"taskId"', '{"taskId"'],
    ['not without it', '{"params":{}}', '{"params":{}}'],
  ];
  for (const [name, text, expected] of notified) {
    it(`of notifications are mapped ${name}`, () => assert.equal(mapNotifiedTaskId(text, owned), expected));
  }
});

describe('task ids of 2025-11-25', () => {
  const related = (id: string): string =>
    `"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"${id}"},"x":1.0}`;

  it('stand in the requests about tasks', () => {
    for (const method of ['tasks/list', 'tasks/get', 'tasks/result', 'tasks/cancel'])
      assert.ok(isLegacyTaskMethod(method));
    for (const method of ['tasks/update', 'tools/call', 'constructor'])
      assert.ok(!isLegacyTaskMethod(method));
  });

  const results: readonly [string, string, string, string][] = [
    [
      'where a task was made',
      'tools/call',
      '{"task": {"taskId":"t1","ttl":1.0}}',
      '{"task": {"taskId":"files.t1","ttl":1.0}}',
    ],
    ['of the task itself', 'tasks/get', '{"taskId":"t1"}', '{"taskId":"files.t1"}'],
    ['of a task that was cancelled', 'tasks/cancel', '{"taskId":"t1"}', '{"taskId":"files.t1"}'],
    [
      'of the task that a result belongs to',
      'tasks/result',
      `{"content":[],${related('t1')}}`,
      `{"content":[],${related('files.t1')}}`,
    ],
    [
      'in a list',
      'tasks/list',
      '{"tasks":[{"taskId":"a"},{"taskId":"b"}]}',
      '{"tasks":[{"taskId":"files.a"},{"taskId":"files.b"}]}',
    ],
    ['not in a member of the same name', 'tools/call', '{"taskId":"t1"}', '{"taskId":"t1"}'],
    ['not in what is no list', 'tasks/list', '{"tasks":{"taskId":"a"}}', '{"tasks":{"taskId":"a"}}'],
  ];
  for (const [name, method, text, expected] of results)
    it(`are mapped ${name}`, () => assert.equal(mapLegacyTaskIds(method, text, owned), expected));

  it('that are not to be seen are taken out of a list with their tasks, and so is what is no task', () => {
    const list =
      '{"tasks":[{"taskId":"a","n":1.0}, {"taskId":"b"},7,{"taskId":1},{"taskId":"a","taskId":"b"}],"nextCursor":"c"}';
    assert.deepEqual(listedTaskIds(list), ['a', 'b']);
    assert.equal(
      keepTasks(list, (own) => own === 'a'),
      '{"tasks":[{"taskId":"a","n":1.0}],"nextCursor":"c"}',
    );
    assert.equal(
      keepTasks('{"tasks":[],"tasks":[{"taskId":"b"}]}', () => true),
      undefined,
      'ambiguous',
    );
    assert.equal(
      keepTasks('{"other":1}', () => false),
      '{"other":1}',
    );
  });

  it('of notifications and of params are mapped', () => {
    const status = '{"method":"notifications/tasks/status","params":{"taskId":"t1","status":"working"}}';
    assert.deepEqual(notifiedTaskIds(status), ['t1']);
    assert.equal(mapLegacyNotified(status, owned), status.replace('t1', 'files.t1'));
    const progress = `{"method":"notifications/progress","params":{"taskId":"x",${related('t1')}}}`;
    assert.deepEqual(notifiedTaskIds(progress), ['t1']);
    assert.equal(mapLegacyNotified(progress, owned), progress.replace('t1', 'files.t1'));
    assert.deepEqual(notifiedTaskIds('{"method":"notifications/message","params":{}}'), []);
    assert.equal(mapRelatedTask(`{${related('t1')}}`, owned), `{${related('files.t1')}}`);
    assert.equal(mapRelatedTask('{"taskId":"t1"}', owned), '{"taskId":"t1"}');
  });
});
