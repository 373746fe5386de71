/** Rows that the server store's suite writes. */

import type { ApiKey, InstanceId, PolicyProfile, ServerName, TenantId, VirtualServer } from '@cruvero/core';
import type { InstanceDraft, ServerDraft, VirtualDraft, VirtualSource } from '../server-store.ts';

export const tenantA = 'tenant-a' as TenantId;
export const tenantB = 'tenant-b' as TenantId;
export const weather = 'weather' as ServerName;
export const first = 'weather-1' as InstanceId;

export const draftOf = (changes: Partial<ServerDraft> = {}): ServerDraft => ({
  tenantId: tenantA,
  name: weather,
  transport: 'http',
  endpoint: 'http://127.0.0.1:8089/mcp',
  debug: false,
  source: 'nats',
  status: 'pending',
  toolCount: 1,
  tools: [{ name: 'forecast', inputSchema: { zulu: 1, alpha: 2 } }],
  healthStatus: 'unknown',
  lastSeenMs: 1_800_000_000_123,
  ...changes,
});

export const instanceOf = (changes: Partial<InstanceDraft> = {}): InstanceDraft => ({
  tenantId: tenantA,
  serverName: weather,
  instanceId: first,
  transport: 'http',
  endpoint: 'http://127.0.0.1:8089/mcp',
  weight: 1,
  tags: [],
  metadata: {},
  healthStatus: 'unknown',
  lastSeenMs: 1_800_000_000_123,
  ...changes,
});

export const apiKey = (keyId: string, digit: string): ApiKey => ({
  keyId,
  sha256: digit.repeat(64),
  tenantId: tenantA,
  principal: 'agent',
  scopes: ['mcp'],
  profile: 'default',
});

export const profile: PolicyProfile = {
  name: 'default',
  rateLimit: 0.5,
  rateBurst: 2,
  enforcementMode: 'enforce',
};

export const dev = 'dev' as ServerName;

export const virtualOf = (
  changes: Partial<VirtualServer> = {},
  source: VirtualSource = 'api',
): VirtualDraft => ({
  virtual: { tenantId: tenantA, name: dev, names: 'bare', members: [{ server: weather }], ...changes },
  source,
});
