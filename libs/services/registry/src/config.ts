/** What the registry is told at start; names as in requirements §3 to §5. */

import { refuseHostEntry, refuseOriginEntry, subjectPrefixSetting, tenantSetting } from '@cruvero/chassis';
import type { Reader, Secret } from '@cruvero/chassis';
import type { AuthMode, TenantId } from '@cruvero/core';

/** `static`: configured servers only; `nats`: announced ones only; `both`. */
export type DiscoveryMode = 'static' | 'nats' | 'both';

export interface RegistryConfig {
  /** Tenant of configured servers and of events that name none. */
  readonly tenantId: TenantId;
  readonly version: string;
  readonly subjectPrefix: string;
  readonly discovery: DiscoveryMode;
  /**
   * True only where gateway and bridge live in this process too: children behind `inproc:` can then be
   * reached.
   */
  readonly acceptInproc: boolean;
  /** What gateways are told about how callers prove who they are. */
  readonly authMode: AuthMode;
  /** Given instead of made at first start. */
  readonly adminKey?: Secret;
  readonly agentKey?: Secret;
  /** Beside loopback names: Host headers and origins that REST answers to. */
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** True where the listener is bound to loopback: then its names are allowed. */
  readonly loopback: boolean;
}

/** Reads the settings; layouts say the rest (`acceptInproc`, `loopback`). */
export function registryConfig(read: Reader): Omit<RegistryConfig, 'acceptInproc' | 'loopback'> {
  const adminKey = read.secret('CRUVERO_ADMIN_API_KEY', {
    optional: true,
    help: 'API key with the scopes mcp and admin. Without it one is made at first start and printed once.',
  });
  const agentKey = read.secret('CRUVERO_API_KEY', {
    optional: true,
    help: 'API key with the scope mcp. Without it one is made at first start and printed once.',
  });
  refuseShortKey(read, 'CRUVERO_ADMIN_API_KEY', adminKey);
  refuseShortKey(read, 'CRUVERO_API_KEY', agentKey);
  return {
    tenantId: tenantSetting(read),
    version: '0.1.0',
    subjectPrefix: subjectPrefixSetting(read),
    discovery: read.oneOf('CRUVERO_MCP_DISCOVERY', ['static', 'nats', 'both'], {
      orElse: 'both',
      help: 'Which servers are taken in: those of the configuration file (static), those announced on NATS (nats), or both.',
    }),
    authMode: 'apikey',
    ...(adminKey === undefined ? {} : { adminKey }),
    ...(agentKey === undefined ? {} : { agentKey }),
    allowedHosts: read.list('CRUVERO_REGISTRY_ALLOWED_HOSTS', {
      orElse: [],
      refuseItem: refuseHostEntry,
      help: 'Host headers that the registry answers to, as host or host:port, beside its own address.',
    }),
    allowedOrigins: read.list('CRUVERO_REGISTRY_ALLOWED_ORIGINS', {
      orElse: [],
      refuseItem: refuseOriginEntry,
      help: 'Web pages that may call the registry, as https://host[:port].',
    }),
  };
}

const keyCharsMin = 16;

/** A key that a person can guess, a program guesses sooner. */
function refuseShortKey(read: Reader, name: string, key: Secret | undefined): void {
  if (key === undefined) return;
  if (key.reveal().length < keyCharsMin) read.refuse(name, `must have at least ${keyCharsMin} characters`);
  else if (!/^[\x21-\x7e]+$/.test(key.reveal()))
    read.refuse(name, 'must be printable ASCII without spaces, as it travels in a header');
}
