/** Bad input for everything that speaks plain REST: the admin API, the mesh, announcements over HTTP, tools by REST. */

import { admin, agent, rest, type BadInput, type Headers, type Scene } from '../harness/bad-input.fixture.ts';

const servers = '/admin/api/v1/servers';
const mesh = '/api/v1/mesh/v2';
const lifecycle = '/api/v1/lifecycle';
const execute = '/api/v1/mcp/everything/execute';
const tenMegabytes = 10 << 20;

type Where = 'gateway' | 'registry';

/** Places that take a body. */
const bodies: readonly (readonly [at: Where, method: string, path: string, bytesMax: number])[] = [
  ['registry', 'POST', servers, 1 << 20],
  ['registry', 'PUT', `${servers}/some`, 1 << 20],
  ['registry', 'POST', `${mesh}/register`, 1 << 20],
  ['registry', 'POST', lifecycle, 1 << 20],
  ['gateway', 'POST', execute, 4 << 20],
];

const json = (value: unknown): string => JSON.stringify(value);

const noBodies: readonly BadInput[] = bodies.flatMap(([at, method, path, bytesMax]) => {
  const where = `${method} ${path}`;
  const send =
    (body: string, headers: Headers = {}) =>
    (scene: Scene) =>
      rest(method, path, { ...admin(scene), ...headers }, body);
  const big = 'x'.repeat(tenMegabytes);
  const tooLarge = {
    at,
    status: 413,
    code: 'body_too_large',
    says: new RegExp(`larger than ${bytesMax} bytes`),
  };
  return [
    {
      name: `half a body: ${where}`,
      at,
      send: send('{"half":'),
      status: 400,
      code: 'bad_json',
      says: /not valid JSON/,
    },
    { name: `a list: ${where}`, at, send: send('[1]'), status: 400, code: 'bad_request', says: /object/ },
    {
      name: `plain text: ${where}`,
      at,
      send: send('{}', { 'content-type': 'text/plain' }),
      status: 415,
      code: 'wrong_content_type',
      says: /"text\/plain"; send application\/json/,
    },
    { name: `10 MB: ${where}`, send: send(big), ...tooLarge },
    {
      name: `10 MB without their length: ${where}`,
      send: send(`${tenMegabytes.toString(16)}\r\n${big}\r\n0\r\n\r\n`, { 'transfer-encoding': 'chunked' }),
      ...tooLarge,
    },
  ];
});

const draft = { name: 'fine', transport: 'http', endpoint: 'http://127.0.0.1:1/mcp' };
const announced = {
  event_type: 'mcp.announce',
  event_id: 'one',
  timestamp: '2026-01-01T00:00:00Z',
  payload: { server: 'fine', instance_id: 'fine-1', transport: 'http', endpoint: 'http://127.0.0.1:1/mcp' },
};
const registered = { service_name: 'mcp-fine', address: '127.0.0.1', port: 1 };

/** Bodies that are JSON and still wrong; each names what is wrong with it. */
const wrongBodies: readonly (readonly [name: string, path: string, body: unknown, says: RegExp])[] = [
  ['a server’s name with dots', servers, { ...draft, name: 'a.b' }, /name.*no dots/],
  ['a server’s name of a prototype', servers, { ...draft, name: '__proto__' }, /name.*no dots/],
  ['a member nobody knows', servers, { ...draft, comand: 'x' }, /comand/],
  ['an unknown transport', servers, { ...draft, transport: 'carrier-pigeon' }, /transport/],
  ['a server without an address', servers, { name: 'fine', transport: 'http' }, /endpoint is needed/],
  [
    'a password in an address',
    servers,
    { ...draft, endpoint: 'http://u:p@127.0.0.1/mcp' },
    /user name or password/,
  ],
  [
    'the address of a cloud’s metadata',
    servers,
    { ...draft, endpoint: 'http://169.254.169.254/' },
    /metadata/,
  ],
  [
    'an address that is a file',
    servers,
    { ...draft, endpoint: 'file:///etc/passwd' },
    /http:\/\/ or https:\/\//,
  ],
  ['a port out of range', `${mesh}/register`, { ...registered, port: 99_999 }, /port/],
  ['a host that is none', `${mesh}/register`, { ...registered, address: 'a b/c' }, /host name or IP address/],
  ['a service without a name', `${mesh}/register`, { address: '127.0.0.1', port: 1 }, /service_name/],
  ['an event of no type', lifecycle, { ...announced, event_type: 'mcp.explode' }, /event_type/],
  ['an event without an id', lifecycle, { ...announced, event_id: '' }, /event_id/],
  [
    'an announcement of a child',
    lifecycle,
    { ...announced, payload: { ...announced.payload, transport: 'inproc' } },
    /inproc/,
  ],
  ['an announcement of no server', lifecycle, { ...announced, payload: {} }, /payload\.server/],
];

const wrong: readonly BadInput[] = wrongBodies.map(([name, path, body, says]) => ({
  name: `${name}: POST ${path}`,
  at: 'registry',
  send: (scene) => rest('POST', path, admin(scene), json(body)),
  status: 400,
  code: 'bad_request',
  says,
}));

const asked = (
  at: Where,
  request: string,
  status: number,
  code: string,
  says: RegExp,
  body?: string,
): BadInput => {
  const [method = '', path = ''] = request.split(' ');
  const allow = status === 405 ? { header: ['allow', /[A-Z]/] as const } : {};
  const send = (scene: Scene) => rest(method, path, admin(scene), body);
  return { name: request, at, send, status, code, says, ...allow };
};

const notThere: readonly BadInput[] = [
  asked('registry', `GET ${servers}/nobody`, 404, 'not_found', /no server of this name/),
  asked('registry', `GET ${servers}/__proto__`, 404, 'not_found', /no server of this name/),
  asked('registry', `DELETE ${servers}/nobody`, 404, 'not_found', /no server of this name/),
  asked('registry', `GET ${servers}?cursor=%00`, 400, 'bad_request', /cursor/),
  asked('registry', `GET ${servers}?limit=-1`, 400, 'bad_request', /limit/),
  asked('registry', `GET ${servers}?status=asleep`, 400, 'bad_request', /status/),
  asked('registry', `GET ${servers}?tenant=..%2f`, 400, 'bad_request', /tenant/),
  asked('registry', `GET ${servers}/%E0%A4%A`, 400, 'bad_request', /cannot be read/),
  asked('registry', 'GET /admin/api/v1/no-such', 404, 'no_such_path', /\/openapi\.json lists what is/),
  asked('registry', `PATCH ${servers}`, 405, 'wrong_http_method', /takes GET, POST, HEAD only/),
  asked('registry', `GET ${lifecycle}`, 405, 'wrong_http_method', /takes POST only/),
  asked('registry', `DELETE ${mesh}/deregister/nobody`, 404, 'not_found', /service instance of this id/),
  asked(
    'gateway',
    'GET /api/v1/mcp/nobody/status',
    404,
    'unknown_server',
    /no server "nobody"; known: .*everything/,
  ),
  asked('gateway', 'GET /api/v1/mcp/__proto__/status', 404, 'unknown_server', /no server "__proto__"/),
  asked('gateway', 'GET /api/v1/mcp/everything/no-such', 404, 'no_such_path', /Nothing is served at/),
  asked('gateway', `POST ${execute}`, 400, 'bad_params', /"command" is missing/, '{}'),
  asked(
    'gateway',
    `POST ${execute}`,
    400,
    'bad_params',
    /"params" is an object/,
    json({ command: 'echo', params: [] }),
  ),
  asked(
    'gateway',
    `POST ${execute}`,
    400,
    'bad_params',
    /"timeout" is a number/,
    json({ command: 'echo', timeout: -1 }),
  ),
];

/** The agent's key opens the MCP doors and nothing else. */
const forbidden: readonly BadInput[] = (
  [
    ['registry', 'GET', servers],
    ['registry', 'GET', `${mesh}/services`],
    ['registry', 'POST', lifecycle],
    ['gateway', 'GET', '/api/v1/mcp/status'],
    ['gateway', 'POST', execute],
  ] as const
).map(([at, method, path]) => ({
  name: `an agent’s key: ${method} ${path}`,
  at,
  send: (scene) => rest(method, path, agent(scene), method === 'POST' ? '{}' : undefined),
  status: 403,
  code: 'forbidden',
  says: /scope "?admin|not the scope "admin"/,
}));

const unknownKeys: readonly BadInput[] = (
  [
    ['registry', servers],
    ['gateway', '/api/v1/mcp/status'],
  ] as const
).map(([at, path]) => ({
  name: `a key that nobody has: GET ${path}`,
  at,
  send: () => rest('GET', path, { 'x-api-key': 'crv_nobody-has-this-key' }),
  status: 401,
  code: 'unauthenticated',
  says: /not known/,
  header: ['www-authenticate', /^Bearer/],
}));

export const badRest: readonly BadInput[] = [
  ...noBodies,
  ...wrong,
  ...notThere,
  ...forbidden,
  ...unknownKeys,
];
