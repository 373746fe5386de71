/** Rows to routes: what appears, what does not, and that the order of the rows never matters. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { InstanceId, ServerName, TenantId } from '../model/ids.ts';
import { defaultTenant } from '../model/ids.ts';
import type { InstanceRecord, ServerRecord } from '../model/server.ts';
import { healthStatuses, serverStatuses, transports } from '../model/server.ts';
import { compileServers } from './compile.ts';

const server = (changes: Partial<ServerRecord> = {}): ServerRecord => ({
  id: '1',
  tenantId: defaultTenant,
  name: 'weather' as ServerName,
  transport: 'http',
  debug: false,
  source: 'nats',
  status: 'active',
  toolCount: 0,
  healthStatus: 'healthy',
  createdAtMs: 0,
  updatedAtMs: 0,
  ...changes,
});

const instance = (changes: Partial<InstanceRecord> = {}): InstanceRecord => ({
  tenantId: defaultTenant,
  serverName: 'weather' as ServerName,
  instanceId: 'a' as InstanceId,
  transport: 'http',
  endpoint: 'http://127.0.0.1:1/mcp',
  weight: 1,
  tags: [],
  metadata: {},
  healthStatus: 'healthy',
  lastSeenMs: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
  ...changes,
});

const compiled = (servers: ServerRecord[], instances: InstanceRecord[], tenant = defaultTenant) =>
  compileServers({ servers, instances }, tenant);

describe('compileServers', () => {
  it('gives tools as announced, instances with their health, and no field that is not there', () => {
    const tools = [{ name: 'forecast', inputSchema: {} }];
    const rows = [instance({ healthStatus: 'stale', heartbeatIntervalMs: 500, capabilitiesHash: 'h' })];
    assert.deepEqual(compiled([server({ tools, version: '2' })], rows), [
      {
        tenantId: 'default',
        name: 'weather',
        version: '2',
        capabilitiesHash: 'h',
        strategy: 'round_robin',
        instances: [
          {
            instanceId: 'a',
            transport: 'http',
            endpoint: 'http://127.0.0.1:1/mcp',
            weight: 1,
            tags: [],
            health: 'stale',
            heartbeatIntervalMs: 500,
          },
        ],
        tools,
      },
    ]);
  });

  it('shows servers by status', () => {
    const shown = serverStatuses.filter((status) => compiled([server({ status })], [instance()]).length > 0);
    assert.deepEqual(shown, ['pending', 'active']);
  });

  it('shows instances by transport and health, and needs an endpoint', () => {
    const byTransport = transports.filter(
      (transport) => compiled([server()], [instance({ transport })]).length > 0,
    );
    assert.deepEqual(byTransport, ['http', 'sse', 'inproc']);
    const byHealth = healthStatuses.filter(
      (healthStatus) => compiled([server()], [instance({ healthStatus })]).length > 0,
    );
    assert.deepEqual(byHealth, ['healthy', 'degraded', 'unhealthy', 'stale', 'unknown']);
    const { endpoint: _endpoint, ...nowhere } = instance();
    assert.deepEqual(compiled([server()], [nowhere, instance({ endpoint: '' })]), []);
    assert.deepEqual(compiled([server()], []), []);
  });

  it('keeps equal names of two tenants apart, and shows a tenant its own only', () => {
    const acme = 'acme' as TenantId;
    const servers = [server(), server({ tenantId: acme })];
    const instances = [instance(), instance({ tenantId: acme, endpoint: 'http://acme/mcp' })];
    assert.deepEqual(
      compiled(servers, instances).map((s) => [s.tenantId, s.instances[0]?.endpoint]),
      [
        ['acme', 'http://acme/mcp'],
        ['default', 'http://127.0.0.1:1/mcp'],
      ],
    );
    assert.deepEqual(
      compiled(servers, instances, acme).map((s) => s.tenantId),
      ['acme'],
    );
    assert.deepEqual(compiled(servers, instances, 'other' as TenantId), []);
  });

  it('takes the strategy from metadata where it is a known one', () => {
    const of = (metadata: InstanceRecord['metadata']) =>
      compiled([server()], [instance({ metadata })])[0]?.strategy;
    assert.equal(of({ load_balancer: 'LEAST_CONNECTIONS' }), 'least_connections');
    assert.equal(of({ strategy: 'ip_hash' }), 'ip_hash');
    assert.equal(of({ strategy: 'fastest' }), 'round_robin');
    assert.equal(of({ strategy: { a: 1 } }), 'round_robin');
  });

  it('names both hashes while two versions run', () => {
    const rows = [
      instance({ instanceId: 'b' as InstanceId, capabilitiesHash: 'new' }),
      instance({ capabilitiesHash: 'old' }),
      instance({ instanceId: 'c' as InstanceId, capabilitiesHash: 'new' }),
    ];
    assert.equal(compiled([server()], rows)[0]?.capabilitiesHash, 'new+old');
  });

  it('gives the same for rows in any order, and does not change them', () => {
    const names = ['a', 'b', 'c_d', 'c-d', 'c'] as ServerName[];
    const servers = names.flatMap((name) => [
      server({ name }),
      server({ name, tenantId: 'acme' as TenantId }),
    ]);
    const instances = servers.flatMap(({ tenantId, name }) =>
      ['1', '2', '10'].map((id) => instance({ tenantId, serverName: name, instanceId: id as InstanceId })),
    );
    const expected = compiled(servers, instances);
    const shuffled = <T>(rows: T[]) => fc.shuffledSubarray(rows, { minLength: rows.length });
    fc.assert(
      fc.property(shuffled(servers), shuffled(instances), (s, i) => {
        const before = JSON.stringify([s, i]);
        assert.deepEqual(compiled(s, i), expected);
        assert.equal(JSON.stringify([s, i]), before);
      }),
    );
  });
});
