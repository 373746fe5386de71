/** A secret is pasted once and forgotten: its server is shown it, nobody else ever sees it, and taken back it is gone at once. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { api } from '../harness/api.fixture.ts';
import { foundIn, type Place } from '../harness/canary.fixture.ts';
import { clientKinds, connect } from '../harness/clients.fixture.ts';
import { startGuarded, type GuardedServer } from '../harness/guarded.fixture.ts';
import { leavingsOf, listenToBus, tracedCalls, type BusEar } from '../harness/leavings.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { toolNames } from '../harness/raw.fixture.ts';
import { startTraceReceiver, type TraceReceiver } from '../harness/trace-receiver.fixture.ts';
import { until } from '../harness/until.fixture.ts';

const credentials = '/admin/api/v1/credentials';
const childFile = fileURLToPath(new URL('../harness/env-child.fixture.ts', import.meta.url));
/** Of the provider that is asked last. */
const fromEnvironment = `canary-env+/${randomBytes(12).toString('hex')}`;
const canary = (name: string): string => `canary-${name}+/${randomBytes(12).toString('hex')}`;

for (const kind of ['embedded', 'apart'] as const) {
  const servers: Partial<Record<'bearer' | 'keyed' | 'basic', GuardedServer>> = {};
  const guarded = (name: 'bearer' | 'keyed' | 'basic'): GuardedServer => servers[name] ?? assert.fail(name);
  let receiver: TraceReceiver | undefined;
  const spans = (): TraceReceiver => receiver ?? assert.fail('no receiver of traces');
  before(async () => {
    receiver = await startTraceReceiver();
    for (const name of ['bearer', 'basic'] as const) servers[name] = await startGuarded();
    servers.keyed = await startGuarded('x-api-key');
  });
  after(() =>
    Promise.all([...Object.values(servers), spans()].map((server) => server[Symbol.asyncDispose]())),
  );

  overLayouts(
    'credentials',
    () => ({
      servers: {
        bearer: { url: guarded('bearer').url, credential: { secretRef: 'bearer' } },
        keyed: {
          url: guarded('keyed').url,
          credential: { secretRef: 'keyed', scheme: 'header', header: 'X-Api-Key', field: 'key' },
        },
        basic: { url: guarded('basic').url, credential: { secretRef: 'basic', scheme: 'basic' } },
        child: {
          command: process.execPath,
          args: [childFile],
          credential: { secretRef: 'child', env: { CHILD_TOKEN: 'token' } },
        },
        keyless: { url: guarded('bearer').url, credential: { secretRef: 'elsewhere' } },
      },
      env: {
        CRUVERO_CREDENTIAL_ENV: 'default/elsewhere.token=ELSEWHERE_TOKEN',
        ELSEWHERE_TOKEN: fromEnvironment,
        CRUVERO_LOG_LEVEL: 'debug',
        OTEL_EXPORTER_OTLP_ENDPOINT: spans().url,
      },
      awaits: [],
    }),
    (layout) => {
      const secrets = {
        bearer: canary('bearer'),
        keyed: canary('keyed'),
        password: canary('password'),
        child: canary('child'),
        rotated: canary('rotated'),
      };
      const adminAnswers: Place[] = [];
      const { answers, call, traces } = tracedCalls(layout, spans);
      let bus: BusEar | undefined;

      const admin = async (method: string, name: string, body?: object) => {
        const answer = await api(
          layout().registryUrl,
          layout().adminKey,
          method,
          `${credentials}/${name}`,
          body,
        );
        adminAnswers.push({ where: `answer to ${method} ${name}`, text: JSON.stringify(answer.body ?? '') });
        return answer;
      };
      const said = async (name: string): Promise<string> => {
        const { result, error } = await call(name);
        return result
          ? ((result['content'] as { readonly text: string }[])[0]?.text ?? '')
          : `error: ${error?.message ?? ''}`;
      };
      const lists = (name: string) =>
        until(`${name} is listed`, async () => (await toolNames(layout())).includes(name), 30_000);

      before(async () => void (bus = await listenToBus(layout())));

      it('once pasted into the admin API it is shown to its server, and to no other', async () => {
        guarded('bearer').owners.set(`Bearer ${secrets.bearer}`, 'bearer');
        guarded('bearer').owners.set(`Bearer ${fromEnvironment}`, 'elsewhere');
        guarded('keyed').owners.set(secrets.keyed, 'keyed');
        const basic = Buffer.from(`ann:${secrets.password}`).toString('base64');
        guarded('basic').owners.set(`Basic ${basic}`, 'basic');
        const bodies = {
          bearer: { token: secrets.bearer },
          keyed: { key: secrets.keyed },
          basic: { username: 'ann', password: secrets.password },
          child: { token: secrets.child },
        };
        for (const [name, fields] of Object.entries(bodies)) {
          const { status, body } = await admin('PUT', name, { fields });
          assert.equal(status, 200, JSON.stringify(body));
          assert.deepEqual(body, { integration: name, tenant_id: 'default', provider: 'file', still_in: [] });
        }
        for (const name of ['bearer', 'keyed', 'basic', 'keyless']) await lists(`mcp.${name}.whoami`);
        await lists('mcp.child.digest');
        for (const name of ['bearer', 'keyed', 'basic']) assert.equal(await said(`mcp.${name}.whoami`), name);
        assert.equal(await said('mcp.keyless.whoami'), 'elsewhere', 'the environment is asked last');
        const digest = createHash('sha256').update(secrets.child).digest('hex');
        assert.equal(await said('mcp.child.digest'), digest);
      });

      for (const client of clientKinds) {
        it(`a ${client} client calls as ever, and nothing of its own goes on`, async () => {
          await using open = await connect(client, layout());
          const { content } = await open.call('mcp.bearer.whoami');
          assert.deepEqual(content, [{ type: 'text', text: 'bearer' }]);
          const headers = [...guarded('bearer').seen].join('\n') + [...guarded('keyed').seen].join('\n');
          assert.doesNotMatch(headers, /^(authorization|cookie|x-vault-token|x-api-key):/im);
          assert.ok(!headers.includes(layout().agentKey));
        });
      }

      it("what the caller sends of its own stays here, whatever its server's way is", async () => {
        const response = await fetch(`${layout().url}/mcp`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            authorization: `Bearer ${layout().agentKey}`,
            cookie: 'session=downstream-cookie',
            'x-vault-token': 'downstream-vault',
            'proxy-authorization': 'Basic downstream-proxy',
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': 'tools/call',
            'mcp-name': 'mcp.keyed.whoami',
          },
          body: JSON.stringify({
            jsonrpc: '2.0',
            id: 1,
            method: 'tools/call',
            params: {
              name: 'mcp.keyed.whoami',
              arguments: {},
              _meta: {
                'io.modelcontextprotocol/protocolVersion': '2026-07-28',
                'io.modelcontextprotocol/clientCapabilities': {},
              },
            },
          }),
        });
        assert.match(await response.text(), /keyed/);
        for (const name of ['bearer', 'keyed', 'basic'] as const)
          for (const line of guarded(name).seen) assert.doesNotMatch(line, /downstream/, line);
      });

      it('rotated it is used from the next calls on, without a restart; a child is started anew', async () => {
        const pids = layout().pids();
        guarded('bearer').owners.delete(`Bearer ${secrets.bearer}`);
        guarded('bearer').owners.set(`Bearer ${secrets.rotated}`, 'rotated');
        assert.equal((await admin('PUT', 'bearer', { fields: { token: secrets.rotated } })).status, 200);
        await until(
          'the new one is used',
          async () => (await said('mcp.bearer.whoami')) === 'rotated',
          2_000,
        );
        assert.equal((await admin('PUT', 'child', { fields: { token: secrets.rotated } })).status, 200);
        const digest = createHash('sha256').update(secrets.rotated).digest('hex');
        await until('the new child answers', async () => (await said('mcp.child.digest')) === digest, 20_000);
        assert.deepEqual(layout().pids(), pids);
      });

      it('deleted it is gone: within a second the next call fails, for that server alone', async () => {
        const gone = await admin('DELETE', 'keyed');
        assert.equal(gone.status, 200, JSON.stringify(gone.body));
        const startMs = performance.now();
        await until(
          'the next call fails',
          async () => (await said('mcp.keyed.whoami')).startsWith('error'),
          1_000,
        );
        const tookMs = performance.now() - startMs;
        assert.ok(tookMs < 1_000, `${tookMs} ms`);
        const { error } = await call('mcp.keyed.whoami');
        assert.equal(error?.code, -31056);
        assert.match(error.message, /no secret of this name is stored/);
        assert.equal(await said('mcp.basic.whoami'), 'basic');
        assert.equal((await admin('DELETE', 'keyed')).status, 404);
        assert.equal((await admin('DELETE', 'child')).status, 200);
        const childMs = performance.now();
        await until(
          'the child is gone',
          async () => (await said('mcp.child.digest')).startsWith('error'),
          2_000,
        );
        // A call that meets the child on its way out makes one more attempt, half a second later.
        assert.ok(performance.now() - childMs < 2_000, `${performance.now() - childMs} ms`);
      });

      it('refuses names that are more than names, and shows no way to read one', async () => {
        for (const name of ['*', '..%2Fx', 'a.b', 'A'])
          assert.equal((await admin('PUT', name, { fields: { token: 'x' } })).status, 400, name);
        assert.equal((await admin('GET', 'bearer')).status, 405);
        const agent = await api(layout().registryUrl, layout().agentKey, 'PUT', `${credentials}/bearer`, {
          fields: { token: 'x' },
        });
        assert.equal(agent.status, 403);
      });

      it('stands in nothing that the run leaves: no log, message, trace, answer, metric, row, command line or file', async () => {
        await bus?.stop();
        assert.equal((bus?.heard.length ?? 0) > 0, layout().natsUrl !== undefined);
        const places = [...answers, ...adminAnswers, ...(bus?.heard ?? []), await traces()];
        places.push(...(await leavingsOf(layout())));
        assert.ok(places.length > 20);
        assert.deepEqual(foundIn(places, [...Object.values(secrets), fromEnvironment]), []);
        const control = foundIn(
          [{ where: 'x', text: `a${Buffer.from(`Bearer ${secrets.bearer}`).toString('base64')}` }],
          [secrets.bearer],
        );
        assert.ok(control.length > 0, 'the search itself works');
      });
    },
    [kind],
  );
}
