/** The command line: what it takes, what it refuses, and that its help holds true. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Env } from '@cruvero/chassis';
import { readCommandLine } from './command-line.ts';
import { isProblemList, readOptions, type AnnounceOptions } from './options.ts';

/** Words of a shell line without quotes. */
function read(line: string, env: Env = {}): AnnounceOptions | readonly string[] {
  const parsed = readCommandLine(line.split(' '));
  if ('print' in parsed) return [parsed.print];
  return readOptions(parsed.flags, parsed.command, env);
}

function right(line: string, env: Env = {}): AnnounceOptions {
  const options = read(line, env);
  assert.ok(!isProblemList(options), `${line}: ${JSON.stringify(options)}`);
  return options;
}

function wrong(line: string, env: Env = {}): string {
  const problems = read(line, env);
  assert.ok(isProblemList(problems), `${line} was taken`);
  return problems.join('\n');
}

const natsUrlOf = ({ bus }: AnnounceOptions): string => (bus.kind === 'nats' ? bus.url.reveal() : bus.kind);

const url = 'http://localhost:8089/mcp';

describe('the command line', () => {
  it('takes the first documented example', () => {
    const options = right(`--server weather --transport http --endpoint ${url} --heartbeat 30s`);
    assert.equal(options.server, 'weather');
    assert.deepEqual(options.target, { kind: 'url', transport: 'http', endpoint: url });
    assert.equal(options.heartbeatMs, 30_000);
    assert.equal(options.prefix, 'cruvero');
    assert.equal(natsUrlOf(options), 'nats://localhost:4222');
  });

  it('takes the second one: everything behind -- is the command, flags and all', () => {
    const options = right(
      '--server local-tools --transport stdio --heartbeat 15s -- ./bin/local-mcp-server --mode prod',
    );
    assert.deepEqual(options.target, {
      kind: 'command',
      command: './bin/local-mcp-server',
      args: ['--mode', 'prod'],
      bind: { host: '127.0.0.1', port: 0 },
    });
  });

  it('finds out the transport by itself', () => {
    assert.equal(right(`--server a --endpoint ${url}`).target.kind, 'url');
    assert.equal(right('--server a -- node server.js').target.kind, 'command');
  });

  it('takes from the environment how many processes a stdio command may have for clients that it can ask', () => {
    const name = 'CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX';
    const line = '--server a -- node server.js';
    assert.equal(right(line).ownChildrenMax, undefined);
    assert.equal(right(line, { [name]: ' 0 ' }).ownChildrenMax, 0);
    assert.equal(right(line, { [name]: '1000' }).ownChildrenMax, 1_000);
    for (const bad of ['1001', '-1', 'many', '1.5'])
      assert.match(wrong(line, { [name]: bad }), /OWN_CHILDREN_MAX must be a whole number from 0 to 1000/);
  });

  it('reads every other flag', () => {
    const options = right(
      `--server a --transport sse --endpoint ${url} --nats-url tls://n:1 --prefix acme.prod --instance-id a-1 --tenant t ` +
        '--version-label 2 --tag x --tag y --weight 7 --public-url https://a.example/mcp --once',
    );
    assert.deepEqual(
      { ...options, bus: natsUrlOf(options) },
      {
        server: 'a',
        target: { kind: 'url', transport: 'sse', endpoint: url },
        bus: 'tls://n:1',
        prefix: 'acme.prod',
        heartbeatMs: 30_000,
        instanceId: 'a-1',
        tenantId: 't',
        versionLabel: '2',
        tags: ['x', 'y'],
        weight: 7,
        publicUrl: 'https://a.example/mcp',
        once: true,
        ownChildrenMax: undefined,
      },
    );
  });

  it('takes defaults from the environment, and a flag before them', () => {
    const env = {
      CRUVERO_NATS_URL: 'nats://bus:4222',
      CRUVERO_EVENTS_SUBJECT_PREFIX: 'acme',
      CRUVERO_MCP_HEARTBEAT_INTERVAL: '5s',
    };
    const taken = right(`--server a --endpoint ${url}`, env);
    assert.deepEqual([natsUrlOf(taken), taken.prefix, taken.heartbeatMs], ['nats://bus:4222', 'acme', 5_000]);
    const flags = right(`--server a --endpoint ${url} --nats-url nats://n:1 --prefix p --heartbeat 1s`, env);
    assert.deepEqual([natsUrlOf(flags), flags.prefix, flags.heartbeatMs], ['nats://n:1', 'p', 1_000]);
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    [`--endpoint ${url}`, /^--server is required/],
    [`--server a.b --endpoint ${url}`, /^--server must be .*no dots/],
    ['--server a', /^--endpoint is required, or a command to run after --\.$/],
    ['--server a --transport http', /^--endpoint is required for --transport http\.$/],
    ['--server a --transport sse', /^--endpoint is required for --transport sse\.$/],
    ['--server a --transport stdio', /^A command must follow -- for --transport stdio\.$/],
    ['--server a --transport grpc', /^--transport must be one of stdio, http, sse; it is "grpc"\.$/],
    [`--server a --endpoint ${url} --heartbeat 0s`, /^--heartbeat must be above 0, such as 30s\.$/],
    [`--server a --endpoint ${url} --heartbeat 0`, /^--heartbeat must be above 0/],
    [`--server a --endpoint ${url} --heartbeat -1s`, /^--heartbeat must be a duration/],
    [`--server a --endpoint ${url} --heartbeat 30`, /^--heartbeat must be at least 100ms\.$/],
    [`--server a --endpoint ${url} --heartbeat soon`, /^--heartbeat must be a duration/],
    ['--server a --endpoint localhost:8089', /^--endpoint must be a URL/],
    ['--server a --endpoint http://u:p@localhost/mcp', /^--endpoint must not hold a user name or password/],
    [`--server a --endpoint ${url} --nats-url http://x`, /^--nats-url .* is wrong/],
    [`--server a --endpoint ${url} --prefix a.>`, /^--prefix must be words/],
    [`--server a --endpoint ${url} --weight 0`, /^--weight must be a whole number from 1 to 1000\.$/],
    [`--server a --endpoint ${url} --bind :1`, /^--bind is for --transport stdio only\.$/],
    [`--server a --transport http --endpoint ${url} -- node x`, /leave out -- and the command/],
    [
      `--server a --transport stdio --endpoint ${url} -- node x`,
      /^--endpoint is for --transport http and sse/,
    ],
    ['--server a --once -- node x', /^--once is not for --transport stdio/],
    ['--server a --bind 0.0.0.0:1 -- node x', /^--public-url is required when --bind is every interface/],
    ['--server a surplus', /[Tt]oo many arguments/],
    ['--sever a', /^Unknown option '--sever' \(Did you mean --server\?\) See mcp-announce --help\.\n$/],
    ['--server', /argument missing\. See mcp-announce --help\.\n$/],
  ];
  for (const [line, sentence] of refused) {
    it(`refuses ${line}`, () => assert.match(wrong(line), sentence));
  }

  it('tells all problems at once, and no password of a NATS URL', () => {
    const problems = wrong('--server A --weight many --heartbeat 0s --transport http', {
      CRUVERO_NATS_URL: 'http://u:hunter2@n',
    });
    assert.equal(problems.split('\n').length, 5);
    assert.doesNotMatch(problems, /hunter2/);
  });
});

describe('the choice of a bus', () => {
  const base = `--server weather --endpoint ${url}`;
  const key = { CRUVERO_ADMIN_API_KEY: 'crv_secret' };
  const gateway = { CRUVERO_MCP_GATEWAY_URL: 'http://127.0.0.1:8080' };

  const table: readonly [string, string, Env, string][] = [
    ['NATS on this machine where nothing is said', '', {}, 'nats://localhost:4222'],
    ['the gateway that a flag names', '--gateway http://127.0.0.1:8080', key, 'gateway'],
    [
      'that flag before a NATS of the environment',
      '--gateway http://h:1',
      { ...key, CRUVERO_NATS_URL: 'nats://n:1' },
      'gateway',
    ],
    ['the gateway of the environment', '', { ...key, ...gateway }, 'gateway'],
    [
      'a NATS of the environment before that',
      '',
      { ...key, ...gateway, CRUVERO_NATS_URL: 'nats://n:1' },
      'nats://n:1',
    ],
    ['the NATS that a flag names before all', '--nats-url nats://f:1', { ...key, ...gateway }, 'nats://f:1'],
  ];
  for (const [name, flags, env, expected] of table) {
    it(`is ${name}`, () => assert.equal(natsUrlOf(right(`${base} ${flags}`.trim(), env)), expected));
  }

  it('needs a key for the gateway, and takes it from the environment only', () => {
    assert.match(wrong(`${base} --gateway http://127.0.0.1:8080`), /CRUVERO_ADMIN_API_KEY/);
    assert.doesNotMatch(JSON.stringify(right(`${base} --gateway http://127.0.0.1:8080`, key)), /crv_secret/);
  });

  it('is one of the two', () => {
    assert.match(wrong(`${base} --gateway http://h:1 --nats-url nats://n:1`, key), /one of them/);
  });
});

describe('the help', () => {
  const help = readCommandLine(['--help']);

  it('names every flag, and both documented examples', () => {
    assert.ok('print' in help && help.exitCode === 0);
    for (const flag of [
      'server',
      'nats-url',
      'transport',
      'endpoint',
      'heartbeat',
      'prefix',
      'once',
      'bind',
      'public-url',
    ]) {
      assert.match(help.print, new RegExp(`^  --${flag} `, 'm'));
    }
    assert.match(
      help.print,
      /--server weather --transport http --endpoint http:\/\/localhost:8089\/mcp --heartbeat 30s/,
    );
    assert.match(
      help.print,
      /--server local-tools --transport stdio --heartbeat 15s -- \.\/bin\/local-mcp-server --mode prod/,
    );
  });

  it('shows examples that all work', () => {
    assert.ok('print' in help);
    const lines = help.print.replace(/\\\n\s+/g, '').matchAll(/^ {4}mcp-announce (.+)$/gm);
    const examples = [...lines].map(([, line]) => line ?? '');
    assert.equal(examples.length, 4);
    for (const example of examples) right(example);
  });
});
