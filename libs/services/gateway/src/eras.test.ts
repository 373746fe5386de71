/** Clients of both eras, at both doors, before real servers of every era and transport: what they get is what the server says. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import {
  startDualServer,
  startLegacyServer,
  startLegacySseServer,
  startModernServer,
  type FixtureServer,
} from '@cruvero/testkit';
import { Client, eras, type Era } from './client.fixture.ts';
import { keys, stage, type Stage } from './gateway.fixture.ts';

const starts = {
  legacy: () => startLegacyServer({ toolsPerPage: 5 }),
  'legacy-json': () => startLegacyServer({ json: true }),
  modern: () => startModernServer({ toolsPerPage: 4 }),
  'modern-stream': () => startModernServer({ responseMode: 'sse' }),
  dual: () => startDualServer(),
  sse: () => startLegacySseServer(),
} as const;
type Kind = keyof typeof starts;
const kinds = Object.keys(starts) as readonly Kind[];

const servers = new Map<Kind, FixtureServer>();
let gateway: Stage;

before(async () => {
  for (const kind of kinds) servers.set(kind, await starts[kind]());
  gateway = await stage({
    servers: [...servers].map(([name, { url, transport }]) => ({ name, endpoint: url, transport })),
  });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  for (const server of servers.values()) await server.close();
});

const fixture = (kind: Kind): FixtureServer => servers.get(kind) ?? assert.fail();

/** What a modern answer has beside a legacy one: removed, so that both can be compared with what the server says. */
function plain(result: JsonObject): JsonObject {
  const { resultType: _type, ttlMs: _ttl, cacheScope: _scope, _meta, ...rest } = result;
  const { 'io.modelcontextprotocol/serverInfo': _info, ...meta } = isJsonObject(_meta) ? _meta : {};
  return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta };
}

/** The answer of the server itself, asked without any wire. */
async function direct(kind: Kind, method: string, params: JsonObject = {}): Promise<JsonObject> {
  const nobody = { headers: {}, signal: new AbortController().signal, notify: async () => undefined };
  return fixture(kind).catalogue.answer(method, params, nobody);
}

async function all(kind: Kind, method: string, list: string): Promise<readonly JsonObject[]> {
  const items: JsonObject[] = [];
  let cursor: Json | undefined;
  do {
    const page = await direct(kind, method, cursor === undefined ? {} : { cursor });
    items.push(...(page[list] as readonly JsonObject[]));
    cursor = page['nextCursor'];
  } while (cursor !== undefined);
  return items;
}

const lists: readonly [method: string, list: string, key: string][] = [
  ['tools/list', 'tools', 'name'],
  ['resources/list', 'resources', 'uri'],
  ['resources/templates/list', 'resourceTemplates', 'uriTemplate'],
  ['prompts/list', 'prompts', 'name'],
];

const client = (era: Era, path: string): Promise<Client> =>
  new Client(era, gateway.url + path, keys.alice).open();

describe('the aggregate', () => {
  for (const era of eras) {
    it(`shows a ${era} client itself, and every server by name`, async () => {
      const { face } = await client(era, '/mcp');
      assert.partialDeepStrictEqual(face['capabilities'], { tools: { listChanged: true }, completions: {} });
      assert.match(
        String(face['instructions']),
        /Servers: dual, legacy, legacy-json, modern, modern-stream, sse/,
      );
    });

    for (const [method, list, key] of lists) {
      it(`lists for a ${era} client all ${list} of all servers, each as its server writes it but for its name`, async () => {
        const answered = await (await client(era, '/mcp')).call(method);
        const listed = answered.result[list] as readonly JsonObject[];
        const expected: JsonObject[] = [];
        for (const kind of [...kinds].sort()) {
          for (const item of await all(kind, method, list)) {
            const exposed =
              key === 'name' ? `mcp.${kind}.${String(item[key])}` : `mcp://${kind}/${String(item[key])}`;
            expected.push({ ...item, [key]: exposed });
          }
        }
        assert.deepEqual(listed, expected);
        assert.equal(answered.result['nextCursor'], undefined);
        assert.equal(answered.result['_meta'], undefined, 'nobody is missing');
        if (era === 'modern') {
          assert.partialDeepStrictEqual(answered.result, {
            resultType: 'complete',
            ttlMs: 0,
            cacheScope: 'private',
          });
        } else assert.deepEqual(Object.keys(answered.result), [list]);
      });
    }
  }
});

for (const kind of kinds) {
  for (const era of eras) {
    describe(`a ${era} client before a server of kind ${kind}`, () => {
      it('finds at its own door the server itself', async () => {
        const { face } = await client(era, `/servers/${kind}/mcp`);
        assert.partialDeepStrictEqual(face, {
          instructions: 'Instructions of fixture.',
          capabilities: { tools: { listChanged: true }, completions: {} },
        });
        const info = isJsonObject(face['_meta'])
          ? face['_meta']['io.modelcontextprotocol/serverInfo']
          : face['serverInfo'];
        assert.deepEqual(info, { name: 'fixture', version: '1.2.3' });
      });

      it('reads at its own door the lists page by page, as the server gives them', async () => {
        const own = await client(era, `/servers/${kind}/mcp`);
        for (const [method, list] of lists) {
          const listed: Json[] = [];
          let cursor: Json | undefined;
          do {
            const { result } = await own.call(method, cursor === undefined ? {} : { cursor });
            assert.deepEqual(
              plain(result),
              await direct(kind, method, cursor === undefined ? {} : { cursor }),
            );
            listed.push(...(result[list] as readonly Json[]));
            cursor = result['nextCursor'];
          } while (cursor !== undefined);
          assert.deepEqual(listed, await all(kind, method, list));
        }
      });

      it('calls tools at both doors, and gets every field, known or not', async () => {
        const [aggregate, own] = [await client(era, '/mcp'), await client(era, `/servers/${kind}/mcp`)];
        const calls: readonly [string, JsonObject][] = [
          ['echo', { text: 'ä – 漢 – 🎉 – "\u2028"' }],
          ['add', { a: 1.5, b: -3 }],
          ['fail', { text: 'no' }],
          ['with-image', {}],
          ['big', { bytes: 300_000 }],
        ];
        for (const [name, args] of calls) {
          const expected = await direct(kind, 'tools/call', { name, arguments: args });
          const there = await own.call('tools/call', { name, arguments: args });
          const here = await aggregate.call('tools/call', { name: `mcp.${kind}.${name}`, arguments: args });
          assert.equal(here.status, 200);
          assert.deepEqual(plain(there.result), expected);
          assert.deepEqual(plain(here.result), expected);
          if (era === 'modern') assert.equal(here.result['resultType'], 'complete');
          else assert.equal(here.result['resultType'], undefined);
        }
      });

      it('finds resources inside results under URIs that lead back', async () => {
        const aggregate = await client(era, '/mcp');
        const { result } = await aggregate.call('tools/call', {
          name: `mcp.${kind}.with-link`,
          arguments: {},
        });
        const expected = await direct(kind, 'tools/call', { name: 'with-link', arguments: {} });
        const exposed = JSON.stringify(expected).replaceAll('fixture://', `mcp://${kind}/fixture://`);
        assert.deepEqual(plain(result), JSON.parse(exposed));
      });

      it('reads resources at both doors', async () => {
        const [aggregate, own] = [await client(era, '/mcp'), await client(era, `/servers/${kind}/mcp`)];
        for (const uri of ['fixture://notes/welcome', 'fixture://pictures/dot', 'fixture://people/ada']) {
          const expected = await direct(kind, 'resources/read', { uri });
          assert.deepEqual(plain((await own.call('resources/read', { uri })).result), expected);
          const exposed = `mcp://${kind}/${uri}`;
          const here = plain((await aggregate.call('resources/read', { uri: exposed })).result);
          assert.deepEqual(here, JSON.parse(JSON.stringify(expected).replaceAll(uri, exposed)));
        }
      });

      it('gets prompts and completions at both doors', async () => {
        const [aggregate, own] = [await client(era, '/mcp'), await client(era, `/servers/${kind}/mcp`)];
        const prompt = { name: 'review', arguments: { language: 'rust', tone: 'kind' } };
        const expected = await direct(kind, 'prompts/get', prompt);
        assert.deepEqual(plain((await own.call('prompts/get', prompt)).result), expected);
        const named = { ...prompt, name: `mcp.${kind}.review` };
        assert.deepEqual(plain((await aggregate.call('prompts/get', named)).result), expected);
        const refs = [
          [
            { type: 'ref/prompt', name: 'review' },
            { type: 'ref/prompt', name: `mcp.${kind}.review` },
            { name: 'language', value: 'ja' },
          ],
          [
            { type: 'ref/resource', uri: 'fixture://people/{name}' },
            { type: 'ref/resource', uri: `mcp://${kind}/fixture://people/{name}` },
            { name: 'name', value: 'a' },
          ],
        ] as const;
        for (const [ref, exposed, argument] of refs) {
          const completion = await direct(kind, 'completion/complete', { ref, argument });
          assert.deepEqual(
            plain((await own.call('completion/complete', { ref, argument })).result),
            completion,
          );
          const here = await aggregate.call('completion/complete', { ref: exposed, argument });
          assert.deepEqual(plain(here.result), completion);
        }
      });

      it('gets the errors of the server as they are', async () => {
        const own = await client(era, `/servers/${kind}/mcp`);
        for (const [method, params] of [
          ['tools/call', { name: 'nothing', arguments: {} }],
          ['resources/read', { uri: 'fixture://nothing' }],
          ['prompts/get', { name: 'nothing' }],
        ] as const) {
          const { error, result } = await own.call(method, params);
          assert.deepEqual(result, {});
          assert.equal(error?.code, -32602);
          assert.match(error?.message ?? '', /Unknown (tool|resource|prompt): "/);
        }
      });

      it('learns of a method that the server does not know in the way of its era', async () => {
        const own = await client(era, `/servers/${kind}/mcp`);
        const { status, error } = await own.call('vendor/nothing');
        assert.equal(error?.code, -32601);
        assert.equal(status, era === 'modern' ? 404 : 200);
      });

      it('hears of the progress of its call, under its own token and before the answer', async () => {
        for (const path of ['/mcp', `/servers/${kind}/mcp`]) {
          const one = await client(era, path);
          const name = path === '/mcp' ? `mcp.${kind}.slow` : 'slow';
          const answered = await one.call(
            'tools/call',
            { name, arguments: { ms: 20, steps: 3 } },
            { meta: { progressToken: 'tök"en' } },
          );
          assert.deepEqual(
            plain(answered.result)['content'],
            (await direct(kind, 'tools/call', { name: 'slow', arguments: { ms: 20 } }))['content'],
          );
          assert.deepEqual(
            answered.notes.map(({ method, params }) => [method, params]),
            kind === 'legacy-json'
              ? []
              : [1, 2, 3].map((progress) => [
                  'notifications/progress',
                  { progressToken: 'tök"en', progress, total: 3, message: `${progress} of 3` },
                ]),
          );
        }
      });
    });
  }
}
