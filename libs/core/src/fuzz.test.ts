/** Hostile input, by the hundred thousand: nothing throws, nothing ambiguous is taken, nothing takes long. */

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { readBatch } from './era/batch.ts';
import { classify } from './era/classify.ts';
import { readListenFilter } from './era/listen.ts';
import { paramsFrom, readMessage, stringParam, type Message } from './era/message.ts';
import { readParamHeaders } from './era/param-headers.ts';
import { inputRequiredText, isQuestionMethod, readInputRequired } from './era/questions.ts';
import { readUpstreamMessage } from './era/reply.ts';
import { isFault, type Fault } from './model/fault.ts';
import { parseJsonObject } from './model/json.ts';
import { decodeHeaderValue, encodeHeaderValue } from './wire/header-value.ts';
import { isSseProblem, SseParser, type SseEvent } from './wire/sse.ts';

/** Another seed, another run: `FUZZ_SEED=7 node --test …`. */
const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_728);
const inputsMin = 200_000;
/** Inputs are a few kilobytes at most; the bound is loose because other work may hold the processor. */
const oneInputMsMax = 1_000;

let fed = 0;
let slowestMs = 0;

function feed<T>(arbitrary: fc.Arbitrary<T>, numRuns: number, check: (input: T) => void): void {
  const counted = fc.property(arbitrary, (input) => {
    fed += 1;
    const startedMs = performance.now();
    check(input);
    const tookMs = performance.now() - startedMs;
    slowestMs = Math.max(slowestMs, tookMs);
    assert.ok(tookMs < oneInputMsMax, `took ${tookMs} ms`);
  });
  fc.assert(counted, { seed, numRuns });
}

// --- an independent reader of names: tokens instead of spans, Unicode case folding of regular expressions

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Names of the members at depth 1, and of those below `params`, as often as they stand; text must be JSON. */
function namesOf(text: string): { readonly top: readonly string[]; readonly params: readonly string[] } {
  const top: string[] = [];
  const params: string[] = [];
  let depth = 0;
  let before = '';
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (token === ':' && depth === 1) top.push(JSON.parse(before) as string);
    else if (token === ':' && depth === 2 && top.at(-1) === 'params')
      params.push(JSON.parse(before) as string);
    before = token;
  }
  return { top, params };
}

const envelope = /^(?:jsonrpc|id|method|params|result|error)$/iu;
const decisive = /^(?:_meta|name|arguments|uri|taskid|requeststate|inputresponses|notifications)$/iu;
const exact: ReadonlySet<string> = new Set([
  ...['jsonrpc', 'id', 'method', 'params', 'result', 'error'],
  ...['_meta', 'name', 'arguments', 'uri', 'taskId', 'requestState', 'inputResponses', 'notifications'],
]);

function assertUnambiguous(names: readonly string[], folded: RegExp): void {
  assert.equal(new Set(names).size, names.length, `a name stands twice: ${names.join()}`);
  for (const name of names) assert.ok(exact.has(name) || !folded.test(name), `${name} has a twin`);
}

function assertSound(message: Message | Fault, text: string): void {
  if (isFault(message)) return;
  const value = parseJsonObject(text);
  assert.ok(value, 'no JSON was taken for a message');
  const names = namesOf(text);
  assertUnambiguous(names.top, envelope);
  assert.equal(value['jsonrpc'], '2.0');
  if (message.kind === 'response') {
    assert.ok('result' in value !== 'error' in value && !('method' in value));
    return;
  }
  assertUnambiguous(names.params, decisive);
  assert.equal(value['method'], message.method);
  assert.deepEqual(JSON.parse(message.params.text), value['params'] ?? {});
  if (message.kind === 'request') assert.equal(JSON.parse(message.idText), value['id']);
  assert.equal('id' in value, message.kind === 'request');
}

// --- messages that were valid once

const meta =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const requests: readonly string[] = [
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1},${meta}}}`,
  '{"jsonrpc":"2.0","id":"a","method":"resources/read","params":{"uri":"file:///a"}}',
  `{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},${meta}}}`,
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
  '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a","requestState":"s","inputResponses":{"k":{}}}}',
  '{"jsonrpc":"2.0","id":3,"result":{"content":[]}}',
  '{"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"m"}}',
];
const inputRequired =
  '{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"m"}}},"requestState":"s"}';
const replies: readonly string[] = [
  '{"jsonrpc":"2.0","id":5,"result":{"content":[{"type":"text","text":"a\\"}"}]}}',
  '{"result":{"content":[]},"jsonrpc":"2.0","id":5}',
  `{"jsonrpc":"2.0","id":5,"result":${inputRequired}}`,
  '{"jsonrpc":"2.0","id":5,"error":{"code":-32602,"message":"m"}}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":2}}',
];
const snippets: readonly string[] = [
  ...[',"Method":"x"', ',"id":2', ',"\\u0069d":3', ',"ID":4', ',"re\u017fult":{}', ',"param\u017f":{}'],
  ...[
    ',"method":"x"',
    ',"result":{}',
    ',"error":{}',
    ',"params":{}',
    ',"Name":"b"',
    ',"name":"b"',
    ',"URI":"u"',
  ],
  ...[
    '{}',
    '[',
    ']',
    '{',
    '}',
    '"',
    '\\',
    ',',
    ':',
    ' ',
    '\n',
    '\u0000',
    '\ufeff',
    '\ud800',
    '1e9',
    '-',
    'null',
    '\u212a',
  ],
  ...[
    '"jsonrpc":"2.0"',
    '"id":5',
    '"result":',
    ',"requestState":"t"',
    '"x-mcp-header":"A"',
    '\\u00',
    '\\u017f',
  ],
];

type Mutation = (text: string) => string;
const place = fc.nat(10_000);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.constantFrom(...snippets)).map(([at, snippet]): Mutation => (text) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + snippet + text.slice(cut);
  }),
  // Behind a value, where another member fits: far more of these are still JSON.
  fc.tuple(place, fc.constantFrom(...snippets)).map(([at, snippet]): Mutation => (text) => {
    const from = at % (text.length + 1);
    const cut = text.slice(from).search(/[}\],]/) + from;
    return text.slice(0, cut) + snippet + text.slice(cut);
  }),
  fc.tuple(place, fc.nat(20)).map(([at, length]): Mutation => (text) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + text.slice(cut + length);
  }),
  fc.tuple(place, fc.nat(60)).map(([at, length]): Mutation => (text) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut + length) + text.slice(cut);
  }),
  place.map((at): Mutation => (text) => {
    const cut = at % (text.length + 1);
    const letter = text.charAt(cut);
    const other = letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase();
    return text.slice(0, cut) + other + text.slice(cut + 1);
  }),
);
const mutated = (valid: readonly string[], mutationsMax: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...valid), fc.array(mutation, { maxLength: mutationsMax }))
    .map(([text, mutations]) => mutations.reduce((now, mutate) => mutate(now), text));

const letters = fc.string({ unit: fc.constantFrom(...'{}[]",:\\ \n019-.eEtruefalsnidjpcmho\u017f\u212a') });
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), letters, fc.json());

/** A name as a liar would write it: other case, letters that fold to it, escapes. */
function disguised(name: string): fc.Arbitrary<string> {
  const escaped = (at: number) =>
    `${name.slice(0, at)}\\u00${name.charCodeAt(at).toString(16)}${name.slice(at + 1)}`;
  return fc.constantFrom(
    name,
    name,
    name,
    escaped(0),
    escaped(name.length - 1),
    name.toUpperCase(),
    name.charAt(0).toUpperCase() + name.slice(1),
    name.replaceAll('s', '\u017f'),
    name.replaceAll('i', '\u0130'),
    name.toLowerCase(),
  );
}

/** Objects whose members stand twice, in disguise, or not at all. */
const disguisedMessage: fc.Arbitrary<string> = fc
  .tuple(
    fc.subarray(['id', 'method', 'params', 'method', 'id', 'result', 'error', 'params'], { maxLength: 5 }),
    fc.subarray(['name', 'arguments', 'uri', '_meta', 'taskId', 'name', 'arguments']),
  )
  .chain(([top, inner]) => {
    const values: Readonly<Record<string, string>> = {
      id: '1',
      method: '"tools/call"',
      result: '{}',
      error: '{}',
    };
    const member = (name: string, value: string) => disguised(name).map((spelled) => `"${spelled}":${value}`);
    return fc
      .tuple(...inner.map((name) => member(name, name === '_meta' ? '{}' : '"v"')))
      .chain((params) =>
        fc
          .tuple(...top.map((name) => member(name, values[name] ?? `{${params.join(',')}}`)))
          .map((members) => `{${['"jsonrpc":"2.0"', ...members].join(',')}}`),
      );
  });

describe(`hostile input, seed ${seed}`, () => {
  const taken = { message: 0, twin: 0, reply: 0, modern: 0 };

  it('reads any text as a message or a fault', () => {
    feed(anyText, 30_000, (text) => assertSound(readMessage(text), text));
  });

  it('reads damaged messages as they are or not at all', () => {
    feed(mutated(requests, 3), 40_000, (text) => {
      const message = readMessage(text);
      if (!isFault(message)) taken.message += 1;
      assertSound(message, text);
    });
    assert.ok(taken.message > 1_000, `only ${taken.message} damaged messages were still messages`);
  });

  it('takes no message with a name twice or in disguise', () => {
    feed(disguisedMessage, 20_000, (text) => {
      const message = readMessage(text);
      if (!isFault(message)) taken.twin += 1;
      assertSound(message, text);
    });
    assert.ok(taken.twin > 500, `only ${taken.twin} were messages`);
  });

  it('reads batches message by message', () => {
    const batch = fc
      .tuple(
        fc.array(mutated(requests, 1), { maxLength: 5 }),
        fc.constantFrom(',', ', ', ' ', ',,'),
        fc.constantFrom(']', '', ']]'),
      )
      .map(([parts, comma, end]) => `[${parts.join(comma)}${end}`);
    feed(fc.oneof(batch, anyText), 10_000, (text) => {
      const read = readBatch(text, 4);
      if (isFault(read)) return;
      assert.equal((JSON.parse(text) as readonly unknown[]).length, read.length);
      assert.ok(read.length >= 1 && read.length <= 4);
      for (const message of read) if (!isFault(message)) assertSound(message, message.text);
    });
  });

  it('gives every message an era or a fault', () => {
    const wrong = fc.oneof(
      fc.constantFrom(undefined, '', '2026-07-28', '2025-11-25', '2024-11-05', '2027-01-01', 'tools/call'),
      fc.string({ unit: 'binary' }),
    );
    /** Null stands for what a truthful sender would write. */
    const value = fc.option(wrong, { freq: 2, nil: null });
    const truth = fc.constant(null);
    const said = fc.oneof(truth, truth, truth, value);
    const headers = fc.record({ protocolVersion: said, mcpMethod: said, mcpName: said });
    feed(fc.tuple(mutated(requests, 1), headers), 20_000, ([text, given]) => {
      const message = readMessage(text);
      if (isFault(message) || message.kind === 'response') return;
      const named = stringParam(message.params, 'name') ?? stringParam(message.params, 'uri') ?? '';
      const spoken = classify(message, {
        protocolVersion: given.protocolVersion === null ? '2026-07-28' : given.protocolVersion,
        mcpMethod: given.mcpMethod === null ? message.method : given.mcpMethod,
        mcpName: given.mcpName === null ? encodeHeaderValue(named) : given.mcpName,
      });
      if (isFault(spoken) || spoken.era !== 'modern') return;
      taken.modern += 1;
      assert.ok(given.protocolVersion === null || given.protocolVersion === spoken.version);
      const method = given.mcpMethod === null ? message.method : given.mcpMethod;
      assert.ok(method === message.method || (message.kind === 'notification' && method === undefined));
    });
    assert.ok(taken.modern > 500, `only ${taken.modern} were modern`);
  });

  it('cuts no more out of a reply than its result', () => {
    feed(
      fc.oneof({ weight: 5, arbitrary: mutated(replies, 3) }, { weight: 1, arbitrary: anyText }),
      30_000,
      (text) => {
        const read = readUpstreamMessage(text, '5');
        if (read.kind !== 'result') return;
        taken.reply += 1;
        const value = parseJsonObject(text);
        if (value) {
          assertUnambiguous(namesOf(text).top, envelope);
          assert.deepEqual(JSON.parse(read.text), value['result']);
        }
        // Whatever it is, in the caller's answer it stays inside the result.
        const answer = `{"jsonrpc":"2.0","id":99,"result":${read.text}}`;
        if (parseJsonObject(answer)) assert.deepEqual(namesOf(answer).top, ['jsonrpc', 'id', 'result']);
      },
    );
    assert.ok(taken.reply > 1_000, `only ${taken.reply} replies were taken`);
  });

  it('reads the same events however a stream is cut', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'data: {"a":1}',
        'data:',
        'data',
        'event: message',
        'id: 7',
        'id',
        'id: a\0b',
        'retry: 250',
        'retry: x',
        ': c',
        '',
      ),
      fc.string({ unit: fc.constantFrom(...'dat:evnir \r\n\0\ufeff{}"') }),
    );
    const stream = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n', '\n\n')), { maxLength: 12 })
      .map((lines) => lines.flat().join(''));
    const charsMax = 60;
    feed(fc.tuple(stream, fc.array(place, { maxLength: 6 })), 25_000, ([text, places]) => {
      const whole = new SseParser(charsMax).feed(text);
      const cuts = [...new Set(places.map((at) => at % (text.length + 1)))].sort((a, b) => a - b);
      const parser = new SseParser(charsMax);
      const events: SseEvent[] = [];
      let from = 0;
      let broken = false;
      for (const to of [...cuts, text.length]) {
        const some = parser.feed(text.slice(from, to));
        from = to;
        broken = isSseProblem(some);
        if (isSseProblem(some)) break;
        events.push(...some);
      }
      if (isSseProblem(whole)) assert.ok(broken);
      else assert.deepEqual(events, whole);
    });
  });

  it('brings any text through a header, and any header to text or nothing', () => {
    const header = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `=?base64?${text}?=`),
      fc.base64String().map((text) => `=?base64?${text}?=`),
    );
    feed(header, 25_000, (text) => {
      const sent = encodeHeaderValue(text);
      assert.match(sent, /^[\x20-\x7e\t]*$/);
      assert.equal(decodeHeaderValue(sent), text.toWellFormed());
      const read = decodeHeaderValue(text);
      if (read !== undefined) assert.equal(decodeHeaderValue(encodeHeaderValue(read)), read);
    });
  });

  it('reads what a result asks, or says what is wrong with it', () => {
    const asked = fc
      .record({ inputRequests: fc.jsonValue(), requestState: fc.jsonValue() }, { requiredKeys: [] })
      .map((members) => JSON.stringify({ resultType: 'input_required', ...members }));
    feed(fc.oneof(mutated([inputRequired], 3), asked, anyText), 20_000, (text) => {
      const read = readInputRequired(text);
      if (!read || 'problem' in read) return;
      for (const question of read.questions) {
        assert.ok(isQuestionMethod(question.method));
        assert.ok(parseJsonObject(question.paramsText));
      }
      assert.deepEqual(readInputRequired(inputRequiredText(read.questions, read.state)), read);
    });
  });

  it('reads annotations only where properties lead to them', () => {
    const leaf = fc.record(
      {
        type: fc.constantFrom('string', 'integer', 'boolean', 'number', 'object'),
        'x-mcp-header': fc.oneof(fc.constantFrom('A', 'a', 'B', 'C', '', 'a b'), fc.jsonValue()),
      },
      { requiredKeys: ['type'] },
    );
    const keyword = fc.constantFrom('properties', 'properties', 'items', 'anyOf', '$defs', 'not', 'default');
    const { schema } = fc.letrec((tie) => ({
      schema: fc.oneof({ depthSize: 'small' }, leaf, fc.jsonValue(), tie('node')),
      node: fc
        .tuple(keyword, fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), tie('schema'), { maxKeys: 3 }))
        .map(([name, children]) => ({
          type: 'object',
          [name]: name === 'anyOf' ? Object.values(children) : children,
        })),
    }));
    feed(schema, 10_000, (inputSchema) => {
      const text = JSON.stringify({ name: 't', inputSchema });
      const read = readParamHeaders(text);
      if ('problem' in read) return;
      assert.equal(new Set(read.map((spec) => spec.header)).size, read.length);
      for (const spec of read) {
        let at: unknown = (JSON.parse(text) as { readonly inputSchema: unknown }).inputSchema;
        for (const name of spec.path)
          at = (at as { readonly properties: Readonly<Record<string, unknown>> }).properties[name];
        const found = at as { readonly type: string; readonly 'x-mcp-header': string };
        assert.equal(found.type, spec.type);
        assert.equal(`mcp-param-${found['x-mcp-header'].toLowerCase()}`, spec.header);
      }
    });
    feed(anyText, 5_000, (text) => void readParamHeaders(`${text}x-mcp-header`));
  });

  it('reads a filter, or says what is wrong with it', () => {
    const notifications = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          toolsListChanged: fc.oneof(fc.boolean(), fc.jsonValue()),
          resourceSubscriptions: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
          taskIds: fc.oneof(fc.array(fc.string()), fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
    );
    feed(notifications, 10_000, (value) => {
      const filter = readListenFilter(paramsFrom(JSON.stringify({ notifications: value })));
      if ('problem' in filter) return;
      for (const name of [...filter.uris, ...filter.taskIds]) assert.equal(typeof name, 'string');
      assert.equal(new Set(filter.uris).size, filter.uris.length);
    });
  });

  after(() => {
    process.stdout.write(
      `seed ${seed}: ${fed} inputs, the slowest took ${Math.ceil(slowestMs)} ms, taken: ${JSON.stringify(taken)}\n`,
    );
    assert.ok(fed >= inputsMin, `${fed} inputs instead of ${inputsMin}`);
  });
});
