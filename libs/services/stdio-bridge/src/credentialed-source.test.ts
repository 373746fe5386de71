/** Commands get their secrets, are left out where there is none, and are told anew when it changes. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretText, type Integration, type ServerName, type TenantId } from '@cruvero/core';
import type {
  ConfiguredServer,
  CredentialChange,
  CredentialFault,
  CredentialLease,
  ServersRead,
} from '@cruvero/ports';
import { settle } from '@cruvero/testkit';
import { credentialedSource } from './credentialed-source.ts';

const acme = 'acme' as TenantId;
const github = 'github' as Integration;
const none: CredentialFault = { fault: 'not_found', detail: 'no such secret', retryAfterMs: 0 };

const command = (name: string, secretRef?: string): ConfiguredServer => ({
  kind: 'command',
  name: name as ServerName,
  command: 'run',
  args: [],
  env: { LANG: 'C' },
  instances: 1,
  ...(secretRef === undefined
    ? {}
    : { credential: { secretRef: secretRef as Integration, variables: { TOKEN: 'token' } } }),
});

function stage(servers: readonly ConfiguredServer[], withBroker = true) {
  const state = {
    read: { servers, problems: ['p'] } as ServersRead,
    secrets: new Map<string, Readonly<Record<string, string>>>(),
    kept: new Map<string, number>(),
    gate: undefined as Promise<void> | undefined,
  };
  const watchers = new Set<(read: ServersRead) => void>();
  const listeners = new Set<(change: CredentialChange) => void>();
  const credentials = {
    lease: async (
      _tenant: TenantId,
      integration: Integration,
    ): Promise<CredentialLease | CredentialFault> => {
      const fields = state.secrets.get(integration);
      await state.gate;
      if (!fields) return none;
      const texts = Object.entries(fields).map(([name, text]) => [name, new SecretText(text)] as const);
      return { leaseId: 'l', provider: 'p', fields: new Map(texts) };
    },
    keep: (_tenant: TenantId, integration: Integration) => {
      const count = (by: number): void =>
        void state.kept.set(integration, (state.kept.get(integration) ?? 0) + by);
      count(1);
      return { [Symbol.dispose]: () => count(-1) };
    },
    onChange: (listener: (change: CredentialChange) => void) => {
      listeners.add(listener);
      return { close: async () => void listeners.delete(listener) };
    },
  };
  const source = credentialedSource({
    source: {
      read: async () => state.read,
      watch: (onChange) => {
        watchers.add(onChange);
        return { close: () => void watchers.delete(onChange) };
      },
    },
    credentials: withBroker ? credentials : undefined,
    tenantId: acme,
  });
  const told: ServersRead[] = [];
  const watching = source.watch((read) => told.push(read));
  const write = (read: ServersRead): void => {
    state.read = read;
    for (const watcher of watchers) watcher(read);
  };
  const change = (integration: string, tenantId = acme): void => {
    for (const listener of listeners)
      listener({ tenantId, integration: integration as Integration, change: 'other' });
  };
  return { state, source, told, watching, write, change, watchers, listeners };
}

const envOf = (read: ServersRead | undefined, name: string) => {
  const server = read?.servers.find((each) => each.name === name);
  return server?.kind === 'command' ? server.env : undefined;
};

describe('a configured command', () => {
  it('gets its secret in its environment, and others stay as they are', async () => {
    const url: ConfiguredServer = {
      kind: 'url',
      name: 'u' as ServerName,
      transport: 'http',
      url: 'http://a/',
    };
    const { state, source } = stage([
      command('plain'),
      command('gh', 'github'),
      command('gh2', 'github'),
      url,
    ]);
    state.secrets.set('github', { token: 't-1' });
    const read = await source.read();
    assert.deepEqual(envOf(read, 'gh'), { LANG: 'C', TOKEN: 't-1' });
    assert.deepEqual(read.servers[0], command('plain'));
    assert.deepEqual(read.servers[3], url);
    assert.deepEqual([read.problems, read.servers.some((each) => 'credential' in each)], [['p'], false]);
    assert.equal(state.kept.get('github'), 1);
  });

  it('is left out, and said, where there is none or none that fits', async () => {
    const { state, source } = stage([command('plain'), command('gh', 'github'), command('odd', 'odd')]);
    state.secrets.set('odd', { other: 'canary-7f3a' });
    const read = await source.read();
    assert.deepEqual(
      read.servers.map(({ name }) => name),
      ['plain'],
    );
    assert.match(read.problems.join(), /gh has no credential: no such secret/);
    assert.match(read.problems.join(), /odd has no credential: the secret has no field "token"/);
    assert.doesNotMatch(read.problems.join(), /canary/);
    const alone = await stage([command('gh', 'github')], false).source.read();
    assert.match(alone.problems.join(), /no credential broker/);
  });

  it('is told anew when its secret changes, and only then', async () => {
    const { state, source, told, change } = stage([command('gh', 'github')]);
    change('github');
    await source.read();
    state.secrets.set('github', { token: 't-1' });
    change('github');
    await settle();
    assert.deepEqual(envOf(told.at(-1), 'gh'), { LANG: 'C', TOKEN: 't-1' });
    const before = told.length;
    change('other');
    change('github', 'globex' as TenantId);
    await settle();
    assert.equal(told.length, before);
  });

  it('that is not wanted any more lets go of its secret; at the end all do', async () => {
    const { state, source, told, write, watching, change, watchers, listeners } = stage([
      command('gh', 'github'),
    ]);
    await source.read();
    write({ servers: [command('gl', 'gitlab')], problems: [] });
    await settle();
    assert.deepEqual(
      [...state.kept],
      [
        ['github', 0],
        ['gitlab', 1],
      ],
    );
    assert.equal(told.length, 1);
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    change('gitlab');
    change('gitlab');
    watching.close();
    gate.resolve();
    await settle();
    assert.deepEqual([told.length, watchers.size, listeners.size], [1, 0, 0]);
    source[Symbol.dispose]();
    assert.deepEqual([...state.kept.values()], [0, 0]);
    assert.equal(github, 'github');
  });

  it('is told as it was read last, whatever answer comes late', async () => {
    const { state, source, told, change } = stage([command('gh', 'github')]);
    await source.read();
    const gate = Promise.withResolvers<void>();
    state.gate = gate.promise;
    change('github');
    state.secrets.set('github', { token: 't-2' });
    change('github');
    gate.resolve();
    await settle();
    assert.deepEqual(
      told.map((read) => envOf(read, 'gh')),
      [{ LANG: 'C', TOKEN: 't-2' }],
    );
  });
});
