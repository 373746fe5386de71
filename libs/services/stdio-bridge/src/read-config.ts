/** The bridge's settings from the environment; names as in requirements §4. */

import {
  refuseHostEntry,
  refuseOriginEntry,
  subjectPrefixSetting,
  tenantSetting,
  type HostPort,
  type Reader,
} from '@cruvero/chassis';
import { defaultBridgeBounds } from './bounds.ts';
import type { StdioBridgeConfig } from './bridge.ts';

const dayMs = 86_400_000;

export interface StdioBridgeSettings {
  readonly bridge: StdioBridgeConfig;
  readonly listen: HostPort;
  /** Path of cruvero.json. */
  readonly serversPath: string;
}

/** `host` names this machine; it is part of instance ids, so that two bridges on one bus do not take each other's. */
export const stdioBridgeSettings =
  (host: string) =>
  (read: Reader): StdioBridgeSettings => {
    const listen = read.hostPort('CRUVERO_STDIO_BRIDGE_LISTEN_ADDR', {
      orElse: { host: '127.0.0.1', port: 8083 },
      help: 'Address at which the bridge serves its children over HTTP, and its status. Port 0 takes any free port.',
    });
    const publicUrl = readPublicUrl(read);
    return {
      listen,
      serversPath: read.text('CRUVERO_CONFIG', {
        orElse: 'cruvero.json',
        help: 'File of servers in the mcpServers shape; read again when it changes.',
      }),
      bridge: {
        bridgeId: read.text('CRUVERO_STDIO_BRIDGE_ID', {
          orElse: host,
          help: 'Part of every instance id: different for each bridge, the same again after a restart. Default: the host name.',
        }),
        tenantId: tenantSetting(read),
        subjectPrefix: subjectPrefixSetting(read),
        heartbeatIntervalMs: read.durationMs('CRUVERO_MCP_HEARTBEAT_INTERVAL', {
          orElse: 30_000,
          min: 100,
          max: dayMs,
          help: 'How often each instance sends a heartbeat.',
        }),
        ...(publicUrl === undefined ? {} : { publicUrl }),
        ...readHttp(read),
        bounds: {
          ownChildrenMax: ownChildrenSetting(read),
        },
      },
    };
  };

/** Read wherever the bridge runs, as a process of its own or inside another. */
export function ownChildrenSetting(read: Reader): number {
  return read.integer(ownChildrenName, {
    orElse: defaultBridgeBounds.ownChildrenMax,
    ...ownChildrenRange,
    help: 'Processes of one stdio server for clients that it can ask (sampling, elicitation, roots), one for each session. The one idle longest makes room; while all are busy, further such sessions are refused. 0: there are none, and nobody is asked.',
  });
}

export const ownChildrenName = 'CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX';
export const ownChildrenRange = { min: 0, max: 1_000 } as const;

function readPublicUrl(read: Reader): string | undefined {
  const name = 'CRUVERO_STDIO_BRIDGE_PUBLIC_URL';
  const url = read.url(name, {
    protocols: ['http', 'https'],
    optional: true,
    help: 'How gateways reach this bridge, where that is not the address it is bound to.',
  });
  const unwanted = url !== undefined && /[?#]/.test(url);
  if (unwanted) read.refuse(name, 'must have no query and no fragment: paths are put behind it');
  return url;
}

function readHttp(read: Reader) {
  return {
    requestTimeoutMs: read.durationMs('CRUVERO_STDIO_BRIDGE_REQUEST_TIMEOUT', {
      orElse: 300_000,
      min: 100,
      max: dayMs,
      help: 'How long a call over HTTP waits for the first word of its answer.',
    }),
    bodyBytesMax: read.bytes('CRUVERO_STDIO_BRIDGE_BODY_MAX', {
      orElse: 4 << 20,
      min: 1_024,
      max: 64 << 20,
      help: 'Largest body of one request.',
    }),
    allowedHosts: read.list('CRUVERO_STDIO_BRIDGE_ALLOWED_HOSTS', {
      orElse: [],
      refuseItem: refuseHostEntry,
      help: 'Host headers that the bridge answers to, as host or host:port, beside its own address.',
    }),
    allowedOrigins: read.list('CRUVERO_STDIO_BRIDGE_ALLOWED_ORIGINS', {
      orElse: [],
      refuseItem: refuseOriginEntry,
      help: 'Web pages that may call the bridge, as https://host[:port].',
    }),
  };
}
