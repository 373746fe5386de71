/** A secret that is in Vault: its server is shown it, nobody else sees it, and an outage of Vault ends with the outage. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, it } from 'node:test';
import { startLegacyServer, type FixtureServer } from '@cruvero/testkit';
import { api } from '../harness/api.fixture.ts';
import { foundIn, type Place } from '../harness/canary.fixture.ts';
import { startGuarded, type GuardedServer } from '../harness/guarded.fixture.ts';
import { layoutKinds, type LayoutKind } from '../harness/layout.fixture.ts';
import { leavingsOf, listenToBus, tracedCalls, type BusEar } from '../harness/leavings.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { toolNames } from '../harness/raw.fixture.ts';
import { startTraceReceiver, type TraceReceiver } from '../harness/trace-receiver.fixture.ts';
import { until } from '../harness/until.fixture.ts';
import { startStoryVault, type StoryVault } from '../harness/vault.fixture.ts';

/** The broker goes the same way in both; what is away differs. */
const outages = { embedded: 'away', apart: 'sealed' } as const;
const leaseMs = 1_500;
const canary = (name: string): string => `canary-${name}+/${randomBytes(12).toString('hex')}`;

interface Neighbours {
  readonly vault: StoryVault;
  readonly guarded: GuardedServer;
  readonly open: FixtureServer;
  readonly receiver: TraceReceiver;
}

const secrets = { vaulted: canary('vaulted'), pasted: canary('pasted') };
const around = new Map<LayoutKind, Neighbours>();
const near = (kind: LayoutKind): Neighbours =>
  around.get(kind) ?? assert.fail('the neighbours did not start');

before(async () => {
  for (const kind of layoutKinds) {
    const [vault, guarded] = [await startStoryVault(), await startGuarded()];
    guarded.owners.set(`Bearer ${secrets.vaulted}`, 'vaulted');
    await vault.store('vaulted', { token: secrets.vaulted });
    const [open, receiver] = [await startLegacyServer(), await startTraceReceiver()];
    around.set(kind, { vault, guarded, open, receiver });
  }
});
after(async () => {
  for (const { vault, guarded, open, receiver } of around.values()) {
    await Promise.all([vault, guarded, receiver].map((one) => one[Symbol.asyncDispose]()));
    await open.close();
  }
});

overLayouts(
  'credentials in Vault',
  (kind) => ({
    servers: {
      vaulted: { url: near(kind).guarded.url, credential: { secretRef: 'vaulted' } },
      open: { url: near(kind).open.url },
    },
    env: {
      ...near(kind).vault.env,
      CRUVERO_CREDENTIAL_LEASE: `${leaseMs}ms`,
      // What is read is read for a lease.
      CRUVERO_CREDENTIAL_RECHECK: '1h',
      CRUVERO_LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: near(kind).receiver.url,
    },
    awaits: ['open'],
  }),
  (layout, kind) => {
    const { answers, call, traces } = tracedCalls(layout, () => near(kind).receiver);
    const adminAnswers: Place[] = [];
    let bus: BusEar | undefined;

    before(async () => void (bus = await listenToBus(layout())));

    const put = async (name: string, token: string) => {
      const path = `/admin/api/v1/credentials/${name}`;
      const answer = await api(layout().registryUrl, layout().adminKey, 'PUT', path, { fields: { token } });
      adminAnswers.push({ where: `answer to PUT ${name}`, text: JSON.stringify(answer.body ?? '') });
      return answer;
    };
    const whoami = async (): Promise<string> => {
      const { result, error } = await call('mcp.vaulted.whoami');
      return result
        ? ((result['content'] as { readonly text: string }[])[0]?.text ?? '')
        : `error: ${error?.code ?? 0} ${error?.message ?? ''}`;
    };

    it('is shown to its server, by a broker that logged in with its AppRole', async () => {
      await until('it is listed', async () => (await toolNames(layout())).includes('mcp.vaulted.whoami'));
      assert.equal(await whoami(), 'vaulted');
      assert.equal(near(kind).vault.logins(), 1);
    });

    it('cannot be written where Vault lets the broker read only, and that is said', async () => {
      const { status, body } = await put('pasted', secrets.pasted);
      assert.equal(status, 503, JSON.stringify(body));
      assert.match(JSON.stringify(body), /policies do not let the broker do this/);
    });

    it(`goes on to the end of its lease while Vault is ${outages[kind]}; then this server alone fails`, async () => {
      const { vault } = near(kind);
      const pids = layout().pids();
      const readsBefore = vault.reads('vaulted');
      await until('the lease is renewed', async () => {
        assert.equal(await whoami(), 'vaulted');
        return vault.reads('vaulted') > readsBefore;
      });
      const renewedMs = performance.now();
      await vault.become(outages[kind]);
      let servedMs = 0;
      const failure = await until('calls fail', async () => {
        const { result } = await call('mcp.open.with-image');
        assert.ok(result, 'the other server is served all the time');
        const said = await whoami();
        if (said.startsWith('error')) return said;
        servedMs = performance.now() - renewedMs;
        return false;
      });
      const failedMs = performance.now() - renewedMs;
      assert.match(failure, /^error: -31056 .*Vault/);
      assert.doesNotMatch(failure, /\d+\.\d+\.\d+\.\d+/);
      assert.ok(servedMs > leaseMs * 0.7, `served for ${servedMs} ms, failed after ${failedMs} ms`);
      assert.ok(failedMs < leaseMs + 3_000, `failed after ${failedMs} ms`);
      await vault.become('active');
      await until('it is served again', async () => (await whoami()) === 'vaulted');
      assert.deepEqual(layout().pids(), pids);
    });

    it('stands in nothing that the run leaves, nor does what the broker logs in with', async () => {
      await bus?.stop();
      assert.equal((bus?.heard.length ?? 0) > 0, layout().natsUrl !== undefined);
      const places = [...answers, ...adminAnswers, ...(bus?.heard ?? []), await traces()];
      places.push(...(await leavingsOf(layout())));
      const wanted = [...Object.values(secrets), ...near(kind).vault.ownSecrets()];
      assert.ok(
        wanted.length >= 5,
        'two canaries, the secret id, the token of the broker and of the operator',
      );
      assert.deepEqual(foundIn(places, wanted), []);
      // Where its server is spoken of, its secret could be.
      const always = ['logs', 'traces', 'answer of', 'metrics of', '/admin/'];
      for (const start of kind === 'apart' ? [...always, 'rows of', 'bus '] : always)
        assert.ok(
          places.some(({ where, text }) => where.startsWith(start) && text.includes('vaulted')),
          `the search has looked into ${start}`,
        );
    });
  },
);
