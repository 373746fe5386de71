/** Task ids are mapped where the protocol puts them, and nowhere else. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { paramsFrom } from './message.ts';
import { isTaskMethod, mapNotifiedTaskId, mapTaskIds, taskIdOf } from './tasks.ts';

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
