/** Filters of subscriptions, and the stamp on what they bring. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  honoured,
  listenNamesMax,
  listenParams,
  readAcknowledged,
  readListenFilter,
  stampSubscription,
  unstampSubscription,
  type ListenFilter,
  type ListenedList,
} from './listen.ts';
import { paramsFrom } from './message.ts';
import { notificationText } from './outbound.ts';

const read = (notifications: string) => readListenFilter(paramsFrom(`{"notifications":${notifications}}`));
const names = fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }), { maxLength: 5 });
const filters: fc.Arbitrary<ListenFilter> = fc.record(
  {
    lists: fc.subarray<ListenedList>(['tools', 'prompts', 'resources']).map((lists) => new Set(lists)),
    uris: names,
    taskIds: names,
  },
  { noNullPrototype: true },
);

describe('a listen filter', () => {
  it('is read', () => {
    assert.deepEqual(
      read(
        '{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a","b","a"],"taskIds":["t"],"new":{}}',
      ),
      { lists: new Set(['tools']), uris: ['a', 'b'], taskIds: ['t'] },
    );
    assert.deepEqual(read('{}'), { lists: new Set(), uris: [], taskIds: [] });
  });

  it('goes up and is acknowledged as it was read, for any filter', () => {
    fc.assert(
      fc.property(filters, (filter) => {
        assert.deepEqual(read(listenParams(filter)), filter);
        const text = notificationText('notifications/subscriptions/acknowledged', honoured(filter));
        assert.deepEqual(readAcknowledged(text), filter);
      }),
    );
  });

  const many = JSON.stringify(Array.from({ length: listenNamesMax + 1 }, (_, n) => `u${n}`));
  for (const [notifications, why] of [
    ['7', /is an object/],
    ['[]', /is an object/],
    ['{"toolsListChanged":1}', /toolsListChanged is true or false/],
    ['{"promptsListChanged":null}', /promptsListChanged is true or false/],
    ['{"toolsListChanged":true,"toolsListChanged":false}', /ambiguous/],
    ['{"resourceSubscriptions":"a"}', /array of strings/],
    ['{"resourceSubscriptions":[1]}', /array of strings/],
    ['{"resourceSubscriptions":[""]}', /array of strings/],
    ['{"taskIds":{}}', /taskIds is an array of strings/],
    [`{"resourceSubscriptions":${many}}`, /at most 1000, not 1001/],
  ] as const) {
    it(`is refused: ${notifications.slice(0, 60)}`, () => {
      const filter = read(notifications);
      assert.ok('problem' in filter);
      assert.match(filter.problem, why);
    });
  }

  it('is needed', () => assert.ok('problem' in readListenFilter(paramsFrom('{}'))));
});

describe('an acknowledgement', () => {
  for (const text of [
    '{',
    '{"method":"notifications/message","params":{"notifications":{}}}',
    '{"method":"notifications/subscriptions/acknowledged"}',
    '{"method":"notifications/subscriptions/acknowledged","params":[]}',
    '{"method":"notifications/subscriptions/acknowledged","params":{"a":1,"a":2}}',
    '{"method":"notifications/subscriptions/acknowledged","params":{}}',
  ]) {
    it(`is none: ${text}`, () => assert.equal(readAcknowledged(text), undefined));
  }
});

describe('the stamp of a subscription', () => {
  const key = '"io.modelcontextprotocol/subscriptionId"';
  const rows: readonly [string, string, string][] = [
    ['{"method":"n"}', `{"params":{"_meta":{${key}:"a"}},"method":"n"}`, '{"method":"n"}'],
    [
      '{"method":"n","params":{"uri": "u"}}',
      `{"method":"n","params":{"_meta":{${key}:"a"},"uri": "u"}}`,
      '{"method":"n","params":{"uri":"u"}}',
    ],
    [
      '{"method":"n","params":{"_meta":{"v/x":1.0}}}',
      `{"method":"n","params":{"_meta":{${key}:"a","v/x":1.0}}}`,
      '{"method":"n","params":{"_meta":{"v/x":1.0}}}',
    ],
    [
      `{"method":"n","params":{"_meta":{${key}:7}}}`,
      `{"method":"n","params":{"_meta":{${key}:"a"}}}`,
      '{"method":"n","params":{}}',
    ],
  ];
  for (const [plain, stamped, bare] of rows) {
    it(`is put on ${plain}, and taken off`, () => {
      assert.equal(stampSubscription(plain, '"a"'), stamped);
      const taken = unstampSubscription(stamped);
      assert.deepEqual(JSON.parse(taken), {
        ...(JSON.parse(bare) as object),
        ...(plain === '{"method":"n"}' ? { params: {} } : {}),
      });
    });
  }

  it('is not looked for where there is none', () => {
    const text = '{ "method":"n", "params":{"n": 1.0} }';
    assert.equal(unstampSubscription(text), text);
    assert.equal(unstampSubscription(' {"method":"n"} '), ' {"method":"n"} ');
  });

  for (const text of [
    '7',
    '{"params":[]}',
    '{"params":{"_meta":1}}',
    '{"params":{"_meta":{"a":1,"a":2}}}',
    '{"params":{"a":1,"a":2}}',
  ]) {
    it(`cannot be put on ${text}`, () => assert.equal(stampSubscription(text, '1'), text));
  }
});
