/** Questions of servers, read and written in both eras. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { paramsFrom } from './message.ts';
import {
  inputRequiredText,
  isQuestionMethod,
  questionForLegacy,
  questionForModern,
  questionsMax,
  questionsOfUrlError,
  readInputRequired,
  readInputResponses,
  readRequestState,
  retryParams,
  withoutDialogue,
  withRequestState,
  type KeyedQuestion,
} from './questions.ts';

const methods = ['elicitation/create', 'sampling/createMessage', 'roots/list'];
const objectText = fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value));
const questions: fc.Arbitrary<KeyedQuestion[]> = fc.uniqueArray(
  fc.record(
    { key: fc.string(), method: fc.constantFrom(...methods), paramsText: objectText },
    { noNullPrototype: true },
  ),
  { selector: (question) => question.key, maxLength: 6 },
);

describe('an input_required result', () => {
  it('is read as it was written, for any questions and state', () => {
    fc.assert(
      fc.property(questions, fc.option(fc.string({ unit: 'binary' }), { nil: undefined }), (asked, state) => {
        assert.deepEqual(readInputRequired(inputRequiredText(asked, state)), { questions: asked, state });
      }),
    );
  });

  it('keeps the text of its questions to the letter', () => {
    const read = readInputRequired(
      '{"resultType":"input\\u005frequired","inputRequests":{"a":{"params":{ "n": 1.0 },"method":"roots/list"},"b":{"method":"roots/list"}},"requestState":"s\\n"}',
    );
    assert.deepEqual(read, {
      questions: [
        { key: 'a', method: 'roots/list', paramsText: '{ "n": 1.0 }' },
        { key: 'b', method: 'roots/list', paramsText: '{}' },
      ],
      state: 's\n',
    });
  });

  it('names what a server may ask, and nothing else', () => {
    for (const method of methods) assert.ok(isQuestionMethod(method));
    for (const method of ['ping', 'tools/call', 'elicitation/Create', ''])
      assert.ok(!isQuestionMethod(method));
  });

  for (const text of [
    '{"content":[]}',
    '{"content":[{"type":"text","text":"input_required"}]}',
    '{"resultType":"complete","inputRequests":"input_required"}',
    '["input_required"]',
    '{"resultType":"input_required"',
    '{"resultType":"complete","resultType":"input_required","requestState":"s"}',
  ]) {
    it(`is none: ${text}`, () => assert.equal(readInputRequired(text), undefined));
  }

  const asked = (members: string): string => `{"resultType":"input_required",${members}}`;
  const one = (request: string): string => asked(`"inputRequests":{"a":${request}}`);
  const many = Array.from({ length: questionsMax + 1 }, (_, n) => `"${n}":{"method":"roots/list"}`).join(',');
  const problems: readonly [string, string, RegExp][] = [
    ['asks nothing', asked('"n":1'), /inputRequests or requestState/],
    ['has a state that is no text', asked('"requestState":7'), /requestState is a string/],
    ['has a state that is null', asked('"inputRequests":{},"requestState":null'), /requestState is a string/],
    ['asks a list', asked('"inputRequests":[]'), /inputRequests is an object/],
    ['asks null', asked('"inputRequests":null'), /inputRequests is an object/],
    [
      'asks twice by one name',
      asked('"inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}'),
      /ambiguous/,
    ],
    ['asks too much', asked(`"inputRequests":{${many}}`), /at most 64 members, not 65/],
    ['asks text', one('"roots/list"'), /an input request is an object/],
    ['asks with two methods', one('{"method":"roots/list","method":"x"}'), /an input request is an object/],
    ['asks something else', one('{"method":"tools/call"}'), /cannot be "tools\/call"/],
    ['asks without a method', one('{}'), /cannot be null/],
    ['has params that are no object', one('{"method":"roots/list","params":[]}'), /are an object/],
    ['has ambiguous params', one('{"method":"roots/list","params":{"a":1,"a":2}}'), /ambiguous/],
  ];
  for (const [name, text, why] of problems) {
    it(`is a problem where it ${name}`, () => {
      const read = readInputRequired(text);
      assert.ok(read !== undefined && 'problem' in read);
      assert.match(read.problem, why);
    });
  }

  it('says at least one thing also where there is nothing to ask', () => {
    assert.equal(inputRequiredText([], undefined), '{"resultType":"input_required","inputRequests":{}}');
    assert.equal(inputRequiredText([], 's'), '{"resultType":"input_required","requestState":"s"}');
  });

  it('takes another state, the rest to the letter', () => {
    assert.equal(
      withRequestState('{ "resultType":"input_required", "requestState": "old", "n": 1.0 }', 'new"'),
      '{ "resultType":"input_required", "requestState": "new\\"", "n": 1.0 }',
    );
    assert.equal(
      withRequestState(' {"resultType":"input_required"}', 's'),
      '{"requestState":"s","resultType":"input_required"}',
    );
  });
});

describe('the next round', () => {
  const first = paramsFrom('{"name":"t", "arguments":{"n": 1.0}}');

  it('carries answers and state, and is read as it was written', () => {
    const answers = fc
      .dictionary(fc.string(), fc.jsonValue())
      .map((object) => new Map(Object.entries(object).map(([key, value]) => [key, JSON.stringify(value)])));
    fc.assert(
      fc.property(answers, fc.option(fc.string({ unit: 'binary' }), { nil: undefined }), (given, state) => {
        const next = retryParams(first, given, state);
        assert.deepEqual(readInputResponses(next), given);
        assert.equal(readRequestState(next), state);
        assert.deepEqual(JSON.parse(withoutDialogue(next).text), JSON.parse(first.text));
      }),
    );
  });

  it('keeps the call to the letter', () => {
    assert.equal(
      retryParams(first, new Map([['a', '{"action": "accept"}']]), 's').text,
      '{"inputResponses":{"a":{"action": "accept"}},"requestState":"s","name":"t", "arguments":{"n": 1.0}}',
    );
    assert.equal(withoutDialogue(first), first);
    assert.equal(retryParams(first, new Map(), undefined), first);
  });

  it('forgets the answers and the state of the round before', () => {
    const second = retryParams(first, new Map([['a', '1']]), 's');
    assert.equal(retryParams(second, new Map(), undefined).text, '{"name":"t","arguments":{"n": 1.0}}');
  });

  it('has no answers where the params have none', () => {
    assert.deepEqual(readInputResponses(first), new Map());
    assert.equal(readRequestState(paramsFrom('{"requestState":7}')), undefined);
  });

  const many = Array.from({ length: questionsMax + 1 }, (_, n) => `"${n}":{}`).join(',');
  for (const [text, why] of [
    ['[]', /is an object/],
    ['null', /is an object/],
    ['{"a":{},"a":{}}', /ambiguous/],
    [`{${many}}`, /at most 64/],
  ] as const) {
    it(`has a problem with the answers ${text.slice(0, 30)}`, () => {
      const read = readInputResponses(paramsFrom(`{"inputResponses":${text}}`));
      assert.ok('problem' in read);
      assert.match(read.problem, why);
    });
  }
});

describe('a question between the eras', () => {
  const url = '{"mode":"url","elicitationId":"e1","url":"https://a/","message":"Go"}';

  const modern: readonly [string, string, string][] = [
    ['the id of an elicitation', url, '{"mode":"url","url":"https://a/","message":"Go"}'],
    ['a task', '{"task":{"ttl":1},"messages":[]}', '{"messages":[]}'],
    [
      'a progress token and a task in _meta',
      '{"_meta":{"progressToken":1,"io.modelcontextprotocol/related-task":{"taskId":"t"},"v/x":1.0},"n":2.0}',
      '{"_meta":{"v/x":1.0},"n":2.0}',
    ],
    ['a _meta of which nothing is left', '{"_meta":{"progressToken":1},"n":1}', '{"n":1}'],
  ];
  for (const [name, text, expected] of modern) {
    it(`loses ${name} on the way to a modern client`, () => {
      assert.equal(
        questionForModern({ method: 'elicitation/create', paramsText: text }).paramsText,
        expected,
      );
    });
  }

  for (const paramsText of [
    '{ "message": "m", "_meta":{"v/x": 1.0} }',
    '{"_meta":7}',
    '[]',
    '{"_meta":{"a":1,"a":2},"task":1}',
  ]) {
    it(`stays the same object on the way to a modern client: ${paramsText}`, () => {
      const question = { method: 'elicitation/create', paramsText };
      assert.equal(questionForModern(question), question);
    });
  }

  it('gets an id on the way to a legacy client where it shows a URL', () => {
    const asked = { method: 'elicitation/create', paramsText: '{"mode":"url","url":"https://a/"}' };
    assert.equal(
      questionForLegacy(asked, 'g-1').paramsText,
      '{"elicitationId":"g-1","mode":"url","url":"https://a/"}',
    );
    const named = { method: 'elicitation/create', paramsText: url };
    assert.match(questionForLegacy(named, 'g-1').paramsText, /"elicitationId":"g-1"/);
  });

  for (const question of [
    { method: 'elicitation/create', paramsText: '{"message":"m"}' },
    { method: 'elicitation/create', paramsText: '[]' },
    { method: 'roots/list', paramsText: '{"mode":"url"}' },
  ]) {
    it(`stays the same object on the way to a legacy client: ${JSON.stringify(question)}`, () => {
      assert.equal(questionForLegacy(question, 'g-1'), question);
    });
  }
});

describe('the error that asks for URLs', () => {
  const error = (data: string, code = -32042): string => `{"code":${code},"message":"m","data":${data}}`;

  it('becomes questions', () => {
    const text = error(
      '{"elicitations":[{"mode":"url","elicitationId":"e1","url":"https://a/"},{"mode":"url","url":"https://b/"}]}',
    );
    assert.deepEqual(questionsOfUrlError(text), [
      { key: '1', method: 'elicitation/create', paramsText: '{"mode":"url","url":"https://a/"}' },
      { key: '2', method: 'elicitation/create', paramsText: '{"mode":"url","url":"https://b/"}' },
    ]);
  });

  const many = Array.from({ length: questionsMax + 1 }, () => '{"mode":"url"}').join(',');
  for (const text of [
    '{"code":-32042,"message":"m"}',
    error('{"elicitations":[{"mode":"url"}]}', -32602),
    error('7'),
    error('{"elicitations":{}}'),
    error('{"elicitations":[]}'),
    error('{"elicitations":[{"mode":"form"}]}'),
    error('{"elicitations":["url"]}'),
    error('{"elicitations":[{"mode":"url","mode":"form"}]}'),
    error(`{"elicitations":[${many}]}`),
    'elicitations',
  ]) {
    it(`is another one: ${text.slice(0, 90)}`, () => assert.equal(questionsOfUrlError(text), undefined));
  }
});
