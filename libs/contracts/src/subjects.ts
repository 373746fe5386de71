/** Every NATS subject and stream, by name. Nobody writes a subject as a literal elsewhere. */

import type { GatewayId } from '@cruvero/core';

export const defaultSubjectPrefix = 'cruvero';

/** Subjects of server life (requirements 155-161). `prefix` is CRUVERO_EVENTS_SUBJECT_PREFIX. */
export const lifecycleSubjects = (prefix: string) =>
  ({
    announce: `${prefix}.mcp.announce`,
    heartbeat: `${prefix}.mcp.heartbeat`,
    deregister: `${prefix}.mcp.deregister`,
    /** What the health monitor concludes. */
    verdict: `${prefix}.mcp.verdict`,
    all: `${prefix}.mcp.>`,
  }) as const;

/** What the registry tells the world about its rows (requirements 171-172). */
export const registrySubjects = (prefix: string) =>
  ({
    sync: `${prefix}.events.mcp.registry_sync`,
    all: `${prefix}.events.>`,
  }) as const;

export type ConfigScope = 'policy' | 'servers' | 'server_settings' | 'auth';
export const configScopes: readonly ConfigScope[] = ['servers', 'server_settings', 'policy', 'auth'];

export type GatewayEventType =
  | 'server.registered'
  | 'server.deregistered'
  | 'server.health_changed'
  | 'server.capabilities_changed'
  | 'policy.violated'
  | 'config.applied'
  | 'config.rejected'
  | 'gateway.health';

/** Fixed, not under the prefix (requirement 175). Event types contain dots: listen with `>`. */
export const gatewaySubjects = {
  event: (gatewayId: GatewayId, type: GatewayEventType) => `mcpgw.${gatewayId}.events.${type}`,
  events: (gatewayId: GatewayId | '*') => `mcpgw.${gatewayId}.events.>`,
  config: (gatewayId: GatewayId, scope: ConfigScope) => `mcpgw.${gatewayId}.config.${scope}`,
  /** Also matches the gateway's own `config.request`; consumers skip that one. */
  configs: (gatewayId: GatewayId) => `mcpgw.${gatewayId}.config.*`,
  configRequest: (gatewayId: GatewayId | '*') => `mcpgw.${gatewayId}.config.request`,
  all: 'mcpgw.>',
} as const;

/** Between replicas of one gateway; under no stream, since requests are answered here. */
export const replicaSubjects = (prefix: string) =>
  ({
    /** Asks a replica to go on with a call that waits there. */
    resume: (gatewayId: string) => `${prefix}.replicas.${gatewayId}.resume`,
    /** What concerns one replica: answers of clients, parts of outcomes. */
    tell: (gatewayId: string) => `${prefix}.replicas.${gatewayId}.tell`,
    /** What concerns all: sessions that ended, requests that were cancelled. */
    sessions: `${prefix}.replicas.sessions`,
  }) as const;

/** Between the credential broker and those who ask it; under no stream, so that nothing of it is kept. */
export const credentialSubjects = (prefix: string) =>
  ({
    ask: `${prefix}.credentials.ask`,
    /** To that one broker, of several, whose key of this run it is (`x` of its public key). */
    askOf: (key: string) => `${prefix}.credentials.ask.${key}`,
    /** To everybody: what they hold for a tenant and an integration is not to be used any more. */
    revoked: `${prefix}.credentials.revoked`,
    /** Who got what, without the secret; in the events stream. */
    audit: `${prefix}.events.credentials.audit`,
  }) as const;

const hourMs = 3_600_000;

/**
 * Streams as in the public manual, but on file: an acknowledged announcement must outlive the server that took it
 * (docs/adr/0006-streams-on-file.md).
 */
export const streams = (prefix: string) => {
  const upper = prefix.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
  return {
    mcp: { name: `${upper}_MCP`, subjects: [`${prefix}.mcp.>`], ageMaxMs: hourMs, bytesMax: 256 << 20 },
    gateways: { name: 'CRUVERO_MCPGW', subjects: ['mcpgw.>'], ageMaxMs: 24 * hourMs, bytesMax: 256 << 20 },
    events: {
      name: `${upper}_EVENTS`,
      subjects: [`${prefix}.events.>`],
      ageMaxMs: 72 * hourMs,
      bytesMax: 256 << 20,
    },
  } as const;
};

/** Bucket of configuration that does not fit in one message. */
export const configBucket = 'cruvero_config';
