/** Bad input gets the right status, the right code and a sentence that helps, and harms nothing. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { probe, probeRaw, probeSse, type ProbeRequest, type ProbeResponse } from '@cruvero/testkit';
import {
  admin,
  assertRefused,
  legacy,
  rest,
  type Headers,
  type Scene,
} from '../harness/bad-input.fixture.ts';
import { connect } from '../harness/clients.fixture.ts';
import { legacyCommand } from '../harness/config-file.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { startProgram } from '../harness/program.fixture.ts';
import { listedServers, rawCall, rawRequest } from '../harness/raw.fixture.ts';
import { timed, until } from '../harness/until.fixture.ts';
import { badMcp } from './bad-mcp.fixture.ts';
import { badRest } from './bad-rest.fixture.ts';
import {
  hostileEntries,
  prototypeServers,
  secret,
  tenThousand,
  wrongEntries,
  wrongFiles,
} from './hostile-config.fixture.ts';

const goodServers = ['everything', ...prototypeServers];

async function openSession(layout: Layout): Promise<string> {
  const clientInfo = { name: 'bad-input', version: '1.0.0' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const request = legacy({ layout, sessionId: '' }, 'initialize', params, { 'mcp-session-id': null });
  const answer = await probe(layout.url, request);
  return answer.header('mcp-session-id') ?? assert.fail(`no session: ${answer.body}`);
}

/** Both doors in both eras answer a right call rightly. */
async function assertServes(layout: Layout): Promise<void> {
  for (const kind of ['legacy', 'modern'] as const) {
    for (const [path, tool] of [
      ['/mcp', 'mcp.everything.add'],
      ['/servers/everything/mcp', 'add'],
    ] as const) {
      await using client = await connect(kind, layout, path);
      const result = await client.call(tool, { a: 40, b: 2 });
      assert.deepEqual(result['structuredContent'], { sum: 42, 'x-fixture-structured': 'kept' });
    }
  }
}

/** One way in: where it is, and a request that only lacks what the story leaves out or adds. */
interface Way {
  readonly url: string;
  readonly method: string;
  readonly path: string;
}

const gatewayWays: readonly (readonly [method: string, path: string])[] = [
  ...['/mcp', '/servers/everything/mcp'].flatMap((path) =>
    ['POST', 'GET', 'DELETE'].map((m) => [m, path] as const),
  ),
  ...[
    'status',
    'health',
    'services',
    'everything/status',
    'everything/capabilities',
    'services/everything/status',
  ].map((path) => ['GET', `/api/v1/mcp/${path}`] as const),
  ['POST', '/api/v1/mcp/everything/execute'],
  ['POST', '/api/v1/mcp/services/everything/execute'],
];

/** Every way for which a key is asked; the registry's are those of its own document. */
async function waysOf(layout: Layout): Promise<readonly Way[]> {
  const document = (await probe(`${layout.registryUrl}/openapi.json`)).json() as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      url: layout.registryUrl,
      method: method.toUpperCase(),
      path: path.replaceAll(/\{\w+\}/g, 'everything'),
    })),
  );
  for (const path of ['/admin/api/v1/servers', '/api/v1/mesh/v2/services', '/api/v1/lifecycle'])
    assert.ok(
      documented.some((way) => way.path === path),
      `${path} is in the document`,
    );
  return [...gatewayWays.map(([method, path]) => ({ url: layout.url, method, path })), ...documented];
}

function along({ method, path }: Way, headers: Headers): ProbeRequest {
  const accept = { accept: 'application/json, text/event-stream' };
  return rest(
    method,
    path,
    { ...accept, ...headers },
    method === 'GET' || method === 'DELETE' ? undefined : '{}',
  );
}

/** The number or word, and the sentence, in whichever form it came. */
function errorOf(answer: ProbeResponse): { readonly code: unknown; readonly message: string } {
  const { error, message } = answer.json() as { readonly error?: unknown; readonly message?: string };
  if (typeof error === 'string') return { code: error, message: message ?? '' };
  return error as { readonly code: unknown; readonly message: string };
}

overLayouts(
  'bad input',
  () => ({ servers: hostileEntries(), awaits: goodServers, env: { CRUVERO_LOG_LEVEL: 'debug' } }),
  (layout, kind) => {
    let scene: Scene;
    let pids: readonly number[];
    before(async () => {
      scene = { layout: layout(), sessionId: await openSession(layout()) };
      pids = layout().pids();
    });

    describe('at the MCP doors', () => {
      for (const bad of badMcp) it(bad.name, () => assertRefused(scene, bad));

      it('an id that is in use in the session', async () => {
        const params = { name: 'mcp.everything.slow', arguments: { ms: 500 }, _meta: { progressToken: 'p' } };
        await using first = await probeSse(layout().url, legacy(scene, 'tools/call', params));
        // An event without data comes first: it says where to resume.
        assert.equal((await first.next())?.data, '');
        const progress = await first.next();
        assert.match(progress?.data ?? '', /notifications\/progress/, 'the first one is under way');
        await assertRefused(scene, {
          name: 'the same id',
          send: () => legacy(scene, 'tools/list'),
          status: 400,
          code: -32600,
          id: 1,
          says: /id 1 is in use by a request that is still running/,
        });
        assert.match((await first.next())?.data ?? '', /waited 500 ms/, 'the first one is answered');
        assert.equal((await probe(layout().url, legacy(scene, 'ping'))).status, 200, 'the id is free again');
      });

      it('one id for many modern requests is no matter: each has its own answer', async () => {
        const texts = Array.from({ length: 8 }, (_, n) => `text-${n}`);
        const answers = await Promise.all(
          texts.map((text) => rawCall(layout(), 'mcp.everything.echo', { text })),
        );
        for (const [n, { result }] of answers.entries())
          assert.match(JSON.stringify(result), new RegExp(`"text-${n}"`));
      });

      it('members by the names of prototypes are members like any other', async () => {
        const odd = { constructor: { a: 1 }, toString: 2, ['__proto__']: { name: 'mcp.everything.fail' } };
        const params = { name: 'mcp.everything.echo', arguments: { text: 'odd', ...odd }, ...odd };
        const { status, result, error } = await rawRequest(layout(), 'tools/call', params);
        assert.equal(status, 200, JSON.stringify(error));
        assert.match(JSON.stringify(result), /"odd"/);
      });

      it('what is not HTTP is answered by closing, and by a status where there can be one', async () => {
        const { host } = new URL(layout().url);
        const key = `X-Api-Key: ${layout().agentKey}\r\n`;
        const head = `POST /mcp HTTP/1.1\r\nHost: ${host}\r\n`;
        for (const [bytes, status] of [
          ['tools/list please\r\n\r\n', 400],
          [`${head}Content-Length: ten\r\n\r\n`, 400],
          [`${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`, 400],
          [`${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
          [`${head}X-Bad: \0\r\n\r\n`, 400],
          [`${head}X-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
          [`${head}Transfer-Encoding: chunked\r\n${key}Content-Type: application/json\r\n\r\nzz\r\n`, 400],
        ] as const) {
          assert.equal(
            (await probeRaw(layout().url, bytes)).status,
            status,
            JSON.stringify(bytes.slice(0, 80)),
          );
        }
      });
    });

    describe('over REST', () => {
      for (const bad of badRest) it(bad.name, () => assertRefused(scene, bad));

      it('a server’s own error comes back as such', async () => {
        const request = rest('POST', '/api/v1/mcp/everything/execute', admin(scene), '{"command":"no/such"}');
        const answer = await probe(layout().url, request);
        assert.equal(answer.status, 422);
        assert.deepEqual(errorOf(answer), { code: -32601, message: 'Method not found' });
      });
    });

    describe('on every route', () => {
      it('no key', async (t) => {
        const ways = await waysOf(layout());
        for (const way of ways) {
          const answer = await probe(way.url, along(way, {}));
          const shown = `${way.method} ${way.path}: ${answer.status} ${answer.body}`;
          assert.equal(answer.status, 401, shown);
          const { code, message } = errorOf(answer);
          assert.ok(code === -31001 || code === 'unauthenticated', shown);
          assert.match(message, /API key.*"Authorization: Bearer <key>" or "X-Api-Key: <key>"/);
          assert.match(answer.header('www-authenticate') ?? '', /^Bearer/);
        }
        t.diagnostic(`${ways.length} ways`);
      });

      for (const [name, headers, code, says] of [
        ['a wrong Host', { host: 'evil.example' }, 'wrong_host', /Host header.*ALLOWED_HOSTS/],
        [
          'a Host by another name',
          { host: '127.0.0.1.evil.example:80' },
          'wrong_host',
          /Host header.*ALLOWED_HOSTS/,
        ],
        ['a wrong Origin', { origin: 'https://evil.example' }, 'wrong_origin', /rigin.*ALLOWED_ORIGINS/],
        ['an Origin of nobody', { origin: 'null' }, 'wrong_origin', /rigin.*ALLOWED_ORIGINS/],
      ] as const) {
        it(name, async () => {
          const open = ['/', '/healthz', '/readyz', '/metrics'].map((path) => ({
            url: layout().url,
            method: 'GET',
            path,
          }));
          for (const way of [...(await waysOf(layout())), ...open]) {
            const answer = await probe(way.url, along(way, { ...admin(scene), ...headers }));
            const shown = `${way.method} ${way.path}: ${answer.status} ${answer.body.slice(0, 300)}`;
            assert.equal(answer.status, 403, shown);
            const said = errorOf(answer);
            assert.ok(said.code === -32600 || said.code === code, shown);
            assert.match(said.message, says);
          }
          for (const [service, url] of Object.entries(layout().statusUrls)) {
            for (const path of ['/healthz', '/readyz', '/metrics']) {
              const answer = await probe(url, rest('GET', path, headers));
              assert.equal(answer.status, 403, `${service} ${path}: ${answer.status}`);
            }
          }
        });
      }
    });

    describe('cruvero.json', () => {
      const times = async (words: RegExp): Promise<number> =>
        (await layout().logs()).split('\n').filter((line) => words.test(line)).length;

      /** Makes the change, and waits until the log says these words once more than before. */
      async function afterwards(change: () => Promise<void>, words: RegExp): Promise<void> {
        const before = await times(words);
        await change();
        await until(`the log says ${words}`, async () => (await times(words)) > before);
      }

      it('with wrong entries keeps nobody from starting, and each is told', async () => {
        const logs = await layout().logs();
        for (const [label, [, words]] of Object.entries(wrongEntries)) assert.match(logs, words, label);
        assert.deepEqual([...(await listedServers(layout()))].sort(), [...goodServers].sort());
        for (const server of goodServers) {
          const { result } = await rawCall(layout(), `mcp.${server}.echo`, { text: server });
          assert.match(JSON.stringify(result), new RegExp(`"${server}"`));
        }
      });

      async function serversKnown(): Promise<number> {
        const request = rest('GET', '/admin/api/v1/servers?limit=1', admin(scene));
        const answer = await probe(layout().registryUrl, request);
        return (answer.json() as { readonly total: number }).total;
      }

      for (const [name, text, words] of wrongFiles) {
        it(`that is ${name} leaves the servers as they were`, async () => {
          await afterwards(() => layout().config.text(text), words);
          assert.deepEqual([...(await listedServers(layout()))].sort(), [...goodServers].sort());
        });
      }

      it('that names a server twice says so, and the last one counts', async () => {
        const [first, last] = ['no-such-command', 'everything'].map((name) =>
          JSON.stringify(hostileEntries()[name]),
        );
        const text = `{"mcpServers":{"everything":${first},"everything":${last}}}`;
        await afterwards(
          () => layout().config.text(text),
          /member .*everything.* stands twice; the last one counts/,
        );
        await until('it is the only one', async () => (await listedServers(layout())).size === 1);
        await assertServes(layout());
      });

      it('that is gone leaves the servers as they were', async () => {
        await afterwards(() => rm(layout().config.path), /cruvero\.json does not exist/);
        await assertServes(layout());
      });

      it('with 10,000 wrong entries and one good one serves the good one, and does not flood the log', async () => {
        const good = { everything: legacyCommand('--name=everything'), last: legacyCommand() };
        await afterwards(() => layout().config.text(tenThousand({}, good)), /and 9950 more problems/);
        await until('the good ones are listed', async () => {
          const listed = await listedServers(layout());
          return listed.size === 2 && listed.has('last');
        });
        const { error } = await rawCall(layout(), 'mcp.constructor.echo');
        assert.match(error?.message ?? '', /no server "constructor"/);
        assert.ok((await times(/many-\d+/)) <= 500, 'most wrong entries are counted, not listed');
      });

      it('with 10,000 good entries is served up to its bound, and what is left out is counted', async (t) => {
        const text = tenThousand(
          { url: 'http://127.0.0.1:1/mcp' },
          {},
          { everything: legacyCommand('--name=everything') },
        );
        const { ms } = await timed(async () => {
          await afterwards(
            () => layout().config.text(text),
            /9745 servers beyond the first 256 are left out/,
          );
        });
        await assertServes(layout());
        t.diagnostic(`told ${ms} ms after it was written`);
        // One layout is enough to wait for so many rows.
        if (kind === 'apart') await until('256 are known', async () => (await serversKnown()) === 256);
        await layout().config.servers({ everything: legacyCommand('--name=everything') });
      });
    });

    it('after all of it everybody lives and serves, and no log holds a key', async () => {
      await assertServes(layout());
      assert.deepEqual(layout().pids(), pids);
      for (const pid of pids) assert.doesNotThrow(() => process.kill(pid, 0), `process ${pid} lives on`);
      const logs = await layout().logs();
      assert.ok(logs.length > 0);
      const { agentKey, adminKey } = layout();
      for (const word of [agentKey, adminKey, 'crv_nobody', 'crv_another', 'dXNlcjpwYXNzd29yZA', secret])
        assert.ok(!logs.includes(word), `${kind}: ${word.slice(0, 12)}… is in a log`);
      assert.doesNotMatch(logs, /uncaught|unhandled|failed inside/i);
    });
  },
);

describe('a first start over a file that makes no sense', () => {
  it('says so, and is ready all the same', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cruvero-e2e-hostile-'));
    const config = join(folder, 'cruvero.json');
    await writeFile(config, '{"mcpServers": {"half": ');
    await using program = startProgram({
      file: 'apps/all-in-one/src/main.ts',
      env: { CRUVERO_DATA_DIR: folder, CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0', CRUVERO_CONFIG: config },
    });
    const [, url = ''] = await program.says(/^ready (\S+)$/m);
    const [, agentKey = ''] = await program.says(/^agent-key (\S+)$/m);
    assert.match(program.stderr(), /cruvero\.json is not valid JSON.*line 1/);
    assert.deepEqual([...(await listedServers({ url, agentKey }))], []);
    await writeFile(config, JSON.stringify({ mcpServers: { mended: legacyCommand() } }));
    await until('the mended file is served', async () =>
      (await listedServers({ url, agentKey })).has('mended'),
    );
    program.signal('SIGTERM');
    assert.equal(await program.ended(), 0);
    await rm(folder, { recursive: true, force: true });
  });
});
