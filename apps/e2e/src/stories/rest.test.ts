/** Operators and programs over REST: servers written down, services of the mesh, tools by HTTP, the document, the metrics. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startLegacyServer, startModernServer, type FixtureServer } from '@cruvero/testkit';
import {
  api,
  assertDocumented,
  operationsOf,
  withoutReferences,
  type ApiAnswer,
  type OpenApi,
} from '../harness/api.fixture.ts';
import { connect, type StoryClient } from '../harness/clients.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { until } from '../harness/until.fixture.ts';

let first: FixtureServer;
let second: FixtureServer;
before(async () => {
  first = await startLegacyServer({ serverName: 'first' });
  second = await startModernServer({ serverName: 'second' });
});
after(() => Promise.all([first.close(), second.close()]));

const servers = '/admin/api/v1/servers';
const mesh = '/api/v1/mesh/v2';

overLayouts(
  'REST',
  () => ({ servers: { steady: { url: first.url } } }),
  (layout) => {
    let document: OpenApi;
    let client: StoryClient;
    before(async () => {
      document = (await api(layout().registryUrl, '', 'GET', '/openapi.json')).body as OpenApi;
      client = await connect('modern', layout());
    });
    after(() => client[Symbol.asyncDispose]());

    /** To the registry, as an admin; every answer is as the document says. */
    async function admin(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
      const answer = await api(layout().registryUrl, layout().adminKey, method, path, body);
      assertDocumented(document, method, path, answer);
      return answer;
    }
    const facade = (method: string, path: string, body?: unknown): Promise<ApiAnswer> =>
      api(layout().url, layout().adminKey, method, `/api/v1/mcp${path}`, body);
    const statusOf = async (name: string): Promise<unknown> =>
      ((await admin('GET', `${servers}/${name}`)).body as { readonly status?: string }).status;

    /** Makes the change, and waits until the connected client was told and sees it. */
    async function seen(
      server: string,
      isThere: boolean,
      change: () => Promise<ApiAnswer>,
    ): Promise<ApiAnswer> {
      const told = client.count('tools');
      const answer = await change();
      await client.told('tools', told);
      await until(`${server} is ${isThere ? '' : 'not '}listed`, async () => {
        return (await client.tools()).includes(`mcp.${server}.echo`) === isThere;
      });
      return answer;
    }
    const whoAnswers = async (server: string): Promise<unknown> => {
      const { _meta: meta } = await client.call(`mcp.${server}.add`, { a: 1, b: 2 });
      return (meta as Record<string, unknown> | undefined)?.['fixture.test/server'];
    };

    describe('the admin API', () => {
      const draft = (endpoint: string) => ({ transport: 'http', endpoint });

      it('brings a server that is posted to connected clients', async () => {
        const made = await seen('posted', true, () =>
          admin('POST', servers, { name: 'posted', ...draft(first.url) }),
        );
        assert.equal(made.status, 201);
        assert.equal(made.header('location'), `${servers}/posted`);
        assert.equal(await whoAnswers('posted'), 'first');
        await until('it is active', async () => (await statusOf('posted')) === 'active');
        const again = await admin('POST', servers, { name: 'posted', ...draft(first.url) });
        assert.equal(again.status, 409);
      });

      it('puts it somewhere else', async () => {
        const put = await admin('PUT', `${servers}/posted`, draft(second.url));
        assert.equal(put.status, 200);
        await until('the other server answers', async () => (await whoAnswers('posted')) === 'second');
      });

      it('lists servers with their state, page by page', async () => {
        const page = await admin('GET', `${servers}?limit=1`);
        const {
          items,
          total,
          next_cursor: cursor,
        } = page.body as {
          readonly items: readonly { readonly name: string; readonly source: string }[];
          readonly total: number;
          readonly next_cursor: string;
        };
        assert.deepEqual([items.map(({ name, source }) => [name, source]), total], [[['posted', 'api']], 2]);
        const next = await admin('GET', `${servers}?limit=1&cursor=${cursor}`);
        const rest = next.body as {
          readonly items: readonly { readonly name: string }[];
          readonly next_cursor: null;
        };
        assert.deepEqual([rest.items.map(({ name }) => name), rest.next_cursor], [['steady'], null]);
        const found = (await admin('GET', `${servers}?q=post`)).body as { readonly total: number };
        assert.equal(found.total, 1);
      });

      it('takes a server out of service, and forgets one', async () => {
        const out = await seen('posted', false, () =>
          admin('POST', `${servers}/posted/deregister`, { reason: 'a story' }),
        );
        assert.equal(out.status, 200);
        assert.equal(await statusOf('posted'), 'deregistered');
        const back = await seen('posted', true, () => admin('PUT', `${servers}/posted`, draft(second.url)));
        assert.equal(back.status, 200);
        const gone = await seen('posted', false, () => admin('DELETE', `${servers}/posted`));
        assert.equal(gone.status, 204);
        assert.equal((await admin('GET', `${servers}/posted`)).status, 404);
        assert.equal((await admin('DELETE', `${servers}/posted`)).status, 404);
      });

      it('shows which gateways have applied the newest configuration', async () => {
        await until('the gateway has applied the revision', async () => {
          const { items, revision } = (await admin('GET', '/admin/api/v1/gateways')).body as {
            readonly items: readonly { gateway_id: string; applied_versions: Record<string, number> }[];
            readonly revision: number;
          };
          const own = items.find(({ gateway_id: id }) => id === 'gw-1');
          return own && Object.values(own.applied_versions).some((version) => version === revision);
        });
      });

      it('asks for the scope admin', async () => {
        const answer = await api(layout().registryUrl, layout().agentKey, 'GET', servers);
        assertDocumented(document, 'GET', servers, answer);
        assert.equal(answer.status, 403);
      });
    });

    describe('the mesh facade', () => {
      interface Services {
        readonly services: readonly { readonly id: string; readonly name: string; readonly port: number }[];
        readonly count: number;
      }
      const services = async (query: string): Promise<Services> =>
        (await admin('GET', `${mesh}/services${query}`)).body as Services;
      let id = '';

      it('registers an instance by address and port, whose tools come', async () => {
        const made = await seen('meshed', true, () =>
          admin('POST', `${mesh}/register`, {
            service_name: 'mcp-meshed',
            address: '127.0.0.1',
            port: second.port,
            tags: ['story'],
            metadata: { region: 'here' },
          }),
        );
        id = (made.body as { readonly service_id: string }).service_id;
        assert.equal(made.status, 200);
        assert.equal(await whoAnswers('meshed'), 'second');
      });

      it('honours ?name= in the list of services', async () => {
        assert.deepEqual((await services('')).services.map(({ name }) => name).sort(), [
          'mcp-meshed',
          'mcp-steady',
        ]);
        for (const name of ['mcp-meshed', 'meshed']) {
          const { services: found, count } = await services(`?name=${name}`);
          assert.deepEqual([found.map((each) => [each.id, each.port]), count], [[[id, second.port]], 1]);
        }
        assert.deepEqual(await services('?name=mcp-nobody'), { services: [], count: 0 });
      });

      it('discovers the instances of one service with their state', async () => {
        const healthy = await until('the monitor says healthy', async () => {
          const { body } = await admin('GET', `${mesh}/discover/mcp-meshed?use_cache=true`);
          const found = body as {
            readonly healthy: number;
            readonly total: number;
            readonly instances: readonly object[];
          };
          return found.healthy === 1 && found;
        });
        assert.equal(healthy.total, 1);
        assert.deepEqual(healthy.instances, [
          {
            id,
            address: `127.0.0.1:${second.port}`,
            state: 'HEALTHY',
            tags: ['story'],
            metadata: { mcp_server: 'meshed', region: 'here' },
          },
        ]);
      });

      it('deregisters it, and its tools go', async () => {
        const gone = await seen('meshed', false, () => admin('DELETE', `${mesh}/deregister/${id}`));
        assert.equal(gone.status, 200);
        assert.equal((await services('?name=meshed')).count, 0);
        assert.equal((await admin('DELETE', `${mesh}/deregister/${id}`)).status, 404);
      });
    });

    describe('tools over REST', () => {
      for (const service of ['/steady', '/services/steady', '/services/mcp-steady']) {
        it(`calls a tool, or any method, at ${service}/execute`, async () => {
          const called = await facade('POST', `${service}/execute`, {
            command: 'add',
            params: { a: 2, b: 3 },
          });
          assert.equal(called.status, 200);
          const { service: name, success, result } = called.body as Record<string, unknown>;
          assert.deepEqual([name, success], ['steady', true]);
          assert.deepEqual((result as { structuredContent: unknown }).structuredContent, {
            sum: 5,
            'x-fixture-structured': 'kept',
          });
          const listed = await facade('POST', `${service}/execute`, { command: 'tools/list' });
          assert.match(JSON.stringify(listed.body), /"name":"echo"/);
        });

        it(`tells states and offers at ${service}`, async () => {
          const { body, status } = await facade('GET', `${service}/status`);
          assert.equal(status, 200);
          const { details, ...counts } = body as { readonly details: readonly { readonly state: string }[] };
          assert.deepEqual(counts, { service: 'steady', instances: 1, healthy: 1 });
          assert.deepEqual(
            details.map(({ state }) => state),
            ['HEALTHY'],
          );
          const offers = (await facade('GET', `${service}/capabilities`)).body as {
            readonly tools: readonly string[];
          };
          assert.deepEqual(offers.tools, first.catalogue.toolNames);
        });
      }

      it('says what is wrong with a command, and ends one that takes too long', async () => {
        const refused = await facade('POST', '/steady/execute', { command: 'no-such-tool' });
        assert.ok(refused.status === 404 || refused.status === 422, JSON.stringify(refused));
        const missing = await facade('POST', '/steady/execute', { params: {} });
        assert.deepEqual(
          [missing.status, (missing.body as { error: { code: string } }).error.code],
          [400, 'bad_params'],
        );
        const slow = await facade('POST', '/steady/execute', {
          command: 'slow',
          params: { ms: 20_000 },
          timeout: 0.3,
        });
        assert.equal(slow.status, 504);
        const nobody = await facade('GET', '/nobody/status');
        assert.deepEqual(
          [nobody.status, (nobody.body as { error: { code: string } }).error.code],
          [404, 'unknown_server'],
        );
      });

      it('sums the fleet up', async () => {
        for (const path of ['/status', '/health']) {
          const { summary } = (await facade('GET', path)).body as { readonly summary: object };
          assert.deepEqual(summary, { total: 1, healthy: 1, unhealthy: 0 });
        }
        assert.deepEqual((await facade('GET', '/services')).body, ['steady']);
      });
    });

    it('serves an OpenAPI document that holds together', () => {
      assert.match(document.openapi, /^3\.1\.\d+$/);
      assert.ok(document.info.title !== '' && document.info.version !== '');
      withoutReferences(document.paths, document);
      const operations = operationsOf(document);
      const ids = operations.map(({ operation }) => operation.operationId);
      assert.equal(new Set(ids).size, ids.length, 'each operation has an id of its own');
      for (const { path, method, operation } of operations) {
        const inPath = operation.parameters.filter((each) => each.in === 'path').map(({ name }) => name);
        assert.deepEqual(
          [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
          inPath,
          `${method} ${path}`,
        );
        const statuses = Object.keys(operation.responses);
        assert.ok(
          statuses.some((status) => status.startsWith('2')) && statuses.includes('401'),
          `${method} ${path}`,
        );
        assert.ok(
          operation.summary !== '' &&
            Object.values(operation.responses).every((each) => each.description !== ''),
        );
      }
      for (const path of [
        servers,
        `${servers}/{name}`,
        `${mesh}/register`,
        `${mesh}/discover/{service}`,
        '/admin/api/v1/api-keys',
      ]) {
        assert.ok(path in document.paths, `${path} is documented`);
      }
    });

    it('has metrics and states on every service', async (t) => {
      for (const [name, url] of Object.entries(layout().statusUrls)) {
        const metrics = await fetch(`${url}/metrics`);
        const text = await metrics.text();
        assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
        const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
        assert.ok(samples.length > 5, `${name} has ${samples.length} samples`);
        for (const sample of samples)
          assert.match(sample, /^[a-z_:][a-z0-9_:]*(\{.*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$/i);
        for (const path of ['/healthz', '/readyz'])
          assert.equal((await fetch(url + path)).status, 200, `${name}${path}`);
        t.diagnostic(`${name}: ${samples.length} samples`);
      }
      const text = await (await fetch(`${layout().url}/metrics`)).text();
      assert.match(text, /^mcpgw_tool_calls_total\{[^}]*backend="steady"[^}]*\} [1-9]/m);
    });
  },
);
