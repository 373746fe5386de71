/** Bad input for the gateway's MCP doors, with the answer that each must get. */

import { modernLatest } from '@cruvero/core';
import {
  agent,
  envelope,
  legacy,
  modern,
  post,
  rest,
  type BadInput,
  type Headers,
  type Scene,
} from '../harness/bad-input.fixture.ts';

const aggregate = '/mcp';
const own = '/servers/everything/mcp';
const [parse, invalid, noMethod, badParams] = [-32700, -32600, -32601, -32602];
const [mismatch, noVersion, unauthenticated] = [-32020, -32022, -31001];
const tenMegabytes = 10 << 20;

/** Text that is no message, at either door. */
const texts: readonly (readonly [name: string, body: string | Uint8Array, code: number, says: RegExp])[] = [
  ['nothing', '', parse, /not valid JSON/],
  ['half a message', '{"jsonrpc":"2.0","id":1,"method":', parse, /not valid JSON.*character 33/],
  ['words', 'tools/list please', parse, /not valid JSON.*character 0/],
  ['bytes that are not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), parse, /UTF-8/],
  [
    'a number with a leading zero',
    '{"jsonrpc":"2.0","id":01,"method":"tools/list"}',
    parse,
    /not valid JSON/,
  ],
  [
    'nesting without end',
    `{"jsonrpc":"2.0","id":1,"method":"x","params":${'[{"a":'.repeat(50_000)}`,
    parse,
    /nest|deep/,
  ],
  ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', invalid, /Batches.*one message/],
  ['a string', '"tools/list"', invalid, /object/],
  ['an object that says nothing', '{"jsonrpc":"2.0","id":1}', invalid, /"method"/],
  ['another protocol', '{"jsonrpc":"1.0","id":1,"method":"tools/list"}', invalid, /"jsonrpc": "2\.0"/],
  ['an id that is null', '{"jsonrpc":"2.0","id":null,"method":"tools/list"}', invalid, /"id".*null/],
  ['an id that is a fraction', '{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}', invalid, /"id".*fraction/],
  [
    'an id that is an object',
    '{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
    invalid,
    /"id" is a string or an integer/,
  ],
  [
    'an endless id',
    `{"jsonrpc":"2.0","id":"${'i'.repeat(5_000)}","method":"tools/list"}`,
    invalid,
    /"id".*1,024/,
  ],
  ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":7}', invalid, /"method" is a string/],
  ['request and answer at once', '{"jsonrpc":"2.0","id":1,"method":"x","result":{}}', invalid, /not both/],
  ['result and error at once', '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', invalid, /exactly one/],
  [
    'params by position',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}',
    badParams,
    /"params" is an object/,
  ],
  [
    'params that are a word',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}',
    badParams,
    /"params" is an object/,
  ],
  [
    'two methods',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}',
    invalid,
    /"method".*(twice|more than once)/,
  ],
  [
    'two methods, one escaped',
    '{"jsonrpc":"2.0","id":1,"method":"x","\\u006dethod":"y"}',
    invalid,
    /"method".*(twice|more than once)/,
  ],
  [
    'a method in another case',
    '{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}',
    invalid,
    /"Method" is ambiguous/,
  ],
  [
    'two names in params',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
    invalid,
    /"params".*"name"/,
  ],
];

const badTexts: readonly BadInput[] = texts.flatMap(([name, body, code, says]) =>
  [aggregate, own].map((path) => ({
    name: `${name}, at ${path}`,
    send: (scene: Scene) => post(scene, path, body),
    status: 400,
    code,
    says,
  })),
);

const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
const anyLength = { 'transfer-encoding': 'chunked' };
/** One chunk and the end. */
const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

const transport: readonly BadInput[] = [aggregate, own].flatMap((path) => [
  ...(
    [
      ['none', null],
      ['plain text', 'text/plain'],
      ['a look-alike', 'application/jsonp'],
      ['a form', 'multipart/form-data'],
    ] as const
  ).map(([name, type]): BadInput => ({
    name: `content type: ${name}, at ${path}`,
    send: (scene) => post(scene, path, list, { 'content-type': type }),
    status: 415,
    code: invalid,
    says: /Content-Type is ".*"; send application\/json/,
  })),
  {
    name: `an answer nobody can give, at ${path}`,
    send: (scene) => post(scene, path, list, { accept: 'text/html' }),
    status: 406,
    code: invalid,
    says: /Accept is "text\/html"; list application\/json/,
  },
  {
    name: `a stream asked for in another type, at ${path}`,
    send: (scene) =>
      rest('GET', path, { ...agent(scene), accept: 'application/json', 'mcp-session-id': scene.sessionId }),
    status: 406,
    code: invalid,
    says: /text\/event-stream/,
  },
  {
    name: `10 MB with their length, at ${path}`,
    send: (scene) => post(scene, path, 'x'.repeat(tenMegabytes)),
    status: 413,
    code: invalid,
    says: /larger than 4194304 bytes/,
  },
  {
    name: `10 MB without their length, at ${path}`,
    send: (scene) => post(scene, path, chunked('x'.repeat(tenMegabytes)), anyLength),
    status: 413,
    code: invalid,
    says: /larger than 4194304 bytes/,
  },
  ...['PUT', 'PATCH', 'OPTIONS'].map((method): BadInput => ({
    name: `${method} ${path}`,
    send: (scene) => rest(method, path, agent(scene)),
    status: 405,
    code: invalid,
    says: /takes POST, GET, DELETE only/,
    header: ['allow', /POST/],
  })),
  ...['GET', 'DELETE'].map((method): BadInput => ({
    name: `${method} ${path} without a session`,
    send: (scene) => rest(method, path, { ...agent(scene), accept: 'text/event-stream' }),
    status: 405,
    code: invalid,
    says: /takes POST only/,
    header: ['allow', /^POST$/],
  })),
]);

const keys = (name: string, headers: (scene: Scene) => Headers, says: RegExp): BadInput => ({
  name: `a key ${name}`,
  send: (scene) => post(scene, aggregate, list, headers(scene)),
  status: 401,
  code: unauthenticated,
  says,
  header: ['www-authenticate', /^Bearer/],
});

const access: readonly BadInput[] = [
  keys('that nobody has', () => ({ authorization: 'Bearer crv_nobody-has-this-key' }), /not known here/),
  keys('that is empty', () => ({ authorization: 'Bearer ' }), /form "Bearer <key>"/),
  keys('of another scheme', () => ({ authorization: 'Basic dXNlcjpwYXNzd29yZA==' }), /form "Bearer <key>"/),
  keys('that is endless', () => ({ authorization: `Bearer ${'k'.repeat(4_000)}` }), /1 to 512 characters/),
  keys('beside another one', () => ({ 'x-api-key': 'crv_another-key' }), /different keys/),
  keys(
    'in capital letters',
    ({ layout }) => ({ authorization: `Bearer ${layout.agentKey.toUpperCase()}` }),
    /not known/,
  ),
  {
    name: 'two keys in two headers of one name',
    send: (scene) => post(scene, aggregate, list, { Authorization: 'Bearer crv_another-key' }),
    status: 400,
    code: invalid,
    says: /authorization was sent more than once/,
  },
];

const sessions: readonly BadInput[] = [
  {
    name: 'a legacy request without its session',
    send: (scene) => legacy(scene, 'tools/list', {}, { 'mcp-session-id': null }),
    status: 400,
    code: invalid,
    id: 1,
    says: /Mcp-Session-Id is missing; send initialize/,
  },
  ...(
    [
      ['nobody has', aggregate, () => ({ 'mcp-session-id': 'made-up' })],
      ['belongs to another door', own, () => ({})],
      [
        'belongs to another principal',
        aggregate,
        ({ layout }: Scene) => ({ authorization: `Bearer ${layout.adminKey}` }),
      ],
    ] as const
  ).map(([name, path, headers]): BadInput => ({
    name: `a session that ${name}`,
    send: (scene) => legacy(scene, 'tools/list', {}, headers(scene), path),
    status: 404,
    code: invalid,
    id: 1,
    says: /session is not known.*initialize again/,
  })),
  {
    name: 'the end of a session that nobody has',
    send: (scene) => rest('DELETE', aggregate, { ...agent(scene), 'mcp-session-id': 'made-up' }),
    status: 404,
    code: invalid,
    says: /session is not known/,
  },
];

const echo = 'mcp.everything.echo';
const called = { name: echo, arguments: { text: 'x' } };

/** Headers and body of a modern request that do not say the same. */
const contradictions: readonly (readonly [name: string, headers: Headers, says: RegExp])[] = [
  ['no version', { 'mcp-protocol-version': null }, /MCP-Protocol-Version is missing/],
  ['a legacy version', { 'mcp-protocol-version': '2025-11-25' }, /"2025-11-25".*"2026-07-28"/],
  ['an unknown version', { 'mcp-protocol-version': '2099-01-01' }, /"2099-01-01".*"2026-07-28"/],
  ['no method', { 'mcp-method': null }, /Mcp-Method is missing/],
  ['another method', { 'mcp-method': 'tools/list' }, /Mcp-Method is "tools\/list".*"tools\/call"/],
  ['no name', { 'mcp-name': null }, /Mcp-Name is missing.*params\.name/],
  ['another name', { 'mcp-name': 'mcp.everything.add' }, /"mcp\.everything\.add".*"mcp\.everything\.echo"/],
  ['a name in broken base64', { 'mcp-name': '=?base64?***?=' }, /base64/],
];

const eras: readonly BadInput[] = [
  ...contradictions.map(([name, headers, says]): BadInput => ({
    name: `headers with ${name} over a call`,
    send: (scene) => modern(scene, aggregate, 'tools/call', called, headers),
    status: 400,
    code: mismatch,
    id: 1,
    says,
  })),
  {
    name: 'a version of the future',
    send: (scene) => {
      const _meta = { ...envelope, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' };
      return modern(scene, aggregate, 'tools/list', { _meta }, { 'mcp-protocol-version': '2099-01-01' });
    },
    status: 400,
    code: noVersion,
    id: 1,
    says: /"2099-01-01" is not served here; supported: 2026-07-28/,
    data: { requested: '2099-01-01', supported: [modernLatest] },
  },
  {
    name: 'a version of no era',
    send: (scene) => legacy(scene, 'tools/list', {}, { 'mcp-protocol-version': '1999-12-31' }),
    status: 400,
    code: noVersion,
    id: 1,
    says: /"1999-12-31" is not served here; supported: .*2025-11-25/,
  },
  ...(
    [
      [
        'no version in it',
        { 'io.modelcontextprotocol/clientCapabilities': {} },
        /protocolVersion", a string/,
      ],
      [
        'no capabilities in it',
        { 'io.modelcontextprotocol/protocolVersion': modernLatest },
        /clientCapabilities", an object/,
      ],
      ['a word in its place', 'meta', /"_meta" is an object/],
    ] as const
  ).map(([name, _meta, says]): BadInput => ({
    name: `an envelope with ${name}`,
    send: (scene) => modern(scene, aggregate, 'tools/list', { _meta }),
    status: 400,
    code: badParams,
    id: 1,
    says,
  })),
];

/** What is right as a message, and is not served. The HTTP status is that of the modern era. */
const asked: readonly (readonly [
  name: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
  modernStatus: number,
  code: number,
  says: RegExp,
])[] = [
  ['an unknown method', 'no/such', {}, 404, noMethod, /Method "no\/such" is not served/],
  ['a method by a prototype’s name', 'constructor', {}, 404, noMethod, /"constructor" is not served/],
  ['a method by the name of a prototype', '__proto__', {}, 404, noMethod, /"__proto__" is not served/],
  [
    'a tool of an unknown server',
    'tools/call',
    { name: 'mcp.nobody.echo' },
    200,
    badParams,
    /no server "nobody"/,
  ],
  [
    'a tool without its server',
    'tools/call',
    { name: 'echo' },
    200,
    badParams,
    /"echo"; names here are "mcp\.<server>\.<tool>"/,
  ],
  ['no tool at all', 'tools/call', {}, 400, badParams, /params\.name is missing/],
  [
    'an unknown resource',
    'resources/read',
    { uri: 'file:///etc/passwd' },
    200,
    badParams,
    /belongs to no server here; use a URI from resources\/list/,
  ],
  ['no resource at all', 'resources/read', {}, 400, badParams, /params\.uri is missing/],
  ['nothing to complete', 'completion/complete', {}, 400, badParams, /params\.ref is missing/],
  [
    'a nameless completion',
    'completion/complete',
    { ref: { type: 'ref/prompt' } },
    400,
    badParams,
    /params\.ref\.name is missing/,
  ],
];

const notServed: readonly BadInput[] = asked.flatMap(([name, method, params, modernStatus, code, says]) => {
  const same = { code, says, id: 1 };
  return [
    {
      ...same,
      name: `${name}, modern`,
      send: (scene: Scene) => modern(scene, aggregate, method, params),
      status: modernStatus,
    },
    // A legacy client takes any other status for the end of its session.
    { ...same, name: `${name}, legacy`, send: (scene: Scene) => legacy(scene, method, params), status: 200 },
  ];
});

const notServedElsewhere: readonly BadInput[] = [
  {
    name: 'a door of an unknown server',
    send: (scene) => modern(scene, '/servers/nobody/mcp', 'tools/list'),
    status: 404,
    code: badParams,
    says: /no server "nobody"; known: .*everything/,
  },
  ...(
    [
      ['an unknown method at the server’s own door', own, 'no/such', {}, 404, noMethod, /^Method not found$/],
      [
        'an unknown tool at the server’s own door',
        own,
        'tools/call',
        { name: 'no-such' },
        200,
        badParams,
        /Unknown tool.*no-such/,
      ],
      [
        'an unknown tool',
        aggregate,
        'tools/call',
        { name: 'mcp.everything.no-such' },
        200,
        badParams,
        /Unknown tool.*no-such/,
      ],
      [
        'an unknown prompt',
        aggregate,
        'prompts/get',
        { name: 'mcp.everything.no-such' },
        200,
        badParams,
        /Unknown prompt.*no-such/,
      ],
    ] as const
  ).map(([name, path, method, params, status, code, says]): BadInput => ({
    name,
    send: (scene) => modern(scene, path, method, params),
    status,
    code,
    id: 1,
    says,
    fromServer: true,
  })),
  {
    name: 'an initialize without a version',
    send: (scene) =>
      legacy(scene, 'initialize', {}, { 'mcp-session-id': null, 'mcp-protocol-version': null }),
    status: 200,
    code: badParams,
    id: 1,
    says: /initialize needs params\.protocolVersion/,
  },
  {
    name: 'a path that is nowhere',
    send: (scene) => rest('GET', '/no/such/path', agent(scene)),
    status: 404,
    code: invalid,
    says: /Nothing is served at \/no\/such\/path; MCP is at \/mcp/,
  },
  {
    name: 'a server’s name that climbs',
    send: (scene) => modern(scene, '/servers/..%2f..%2fadmin/mcp', 'tools/list'),
    status: 404,
    code: invalid,
    says: /Nothing is served at/,
  },
  {
    name: 'POST to a status path',
    send: () => rest('POST', '/healthz'),
    status: 405,
    code: invalid,
    says: /takes GET only/,
    header: ['allow', /GET/],
  },
];

export const badMcp: readonly BadInput[] = [
  ...badTexts,
  ...transport,
  ...access,
  ...sessions,
  ...eras,
  ...notServed,
  ...notServedElsewhere,
];
