/** The gateway's settings from the environment; the names are the checklist's (requirements §2, §5, §8, §10). */

import { defaultBreaker, readGatewayId, type AuthMode, type GatewayId } from '@cruvero/core';
import {
  describeConfig,
  refuseHostEntry,
  refuseOriginEntry,
  subjectPrefixSetting,
  tenantSetting,
  type Described,
  type HostPort,
  type Reader,
  type Secret,
} from '@cruvero/chassis';
import { defaultBounds } from '@cruvero/upstream';
import type { GatewayConfig } from './config.ts';
import { readSealKeys } from './seal.ts';

export const gatewayVersion = '0.1.0';

export interface GatewaySettings extends GatewayConfig {
  readonly listen: HostPort;
  /** Folder for what must outlive the process. */
  readonly dataDir: string;
  readonly connectionsMax: number;
}

export function readGatewaySettings(read: Reader): GatewaySettings {
  const listen = read.hostPort('CRUVERO_MCPGW_LISTEN_ADDR', {
    orElse: { host: '127.0.0.1', port: 8080 },
    help: 'Address of the gateway. Port 0 takes any free port.',
  });
  const timeoutMs = read.durationMs('CRUVERO_MCP_HTTP_TIMEOUT', {
    orElse: 30_000,
    min: 100,
    max: 3_600_000,
    help: 'How long a server may take to answer, or to send the next event of a stream.',
  });
  return {
    listen,
    dataDir: read.text('CRUVERO_DATA_DIR', {
      orElse: '.cruvero',
      help: 'Folder for state that outlives the process.',
    }),
    connectionsMax: read.integer('CRUVERO_MCP_HTTP_MAX_CONNS', {
      orElse: 100,
      min: 1,
      max: 10_000,
      help: 'Connections to one server at most.',
    }),
    drainMs: read.durationMs('CRUVERO_MCPGW_SHUTDOWN_TIMEOUT', {
      orElse: 15_000,
      max: 120_000,
      help: 'How long running calls may take to end at shutdown.',
    }),
    ...identity(read),
    ...access(read),
    subjectPrefix: subjectPrefixSetting(read),
    link: { ...defaultBounds, timeoutMs, answerBytesMax: answerBytes(read) },
    ...reliability(read),
    ...bounds(read),
    ...dialogue(read),
  };
}

function identity(read: Reader) {
  const gatewayId = read.text('CRUVERO_MCPGW_GATEWAY_ID', {
    orElse: 'gw-1',
    help: 'Name of this gateway on the bus: letters, digits, - and _. Replicas need different names.',
  });
  if (!readGatewayId(gatewayId))
    read.refuse('CRUVERO_MCPGW_GATEWAY_ID', 'must be 1 to 63 letters, digits, - or _ (no dots)');
  return { gatewayId: gatewayId as GatewayId, tenantId: tenantSetting(read), version: gatewayVersion };
}

function access(read: Reader) {
  const auth: AuthMode = read.oneOf('CRUVERO_MCP_GATEWAY_AUTH', ['apikey', 'none'], {
    orElse: 'apikey',
    help: 'How callers prove who they are. none lets everybody in and must be said explicitly.',
  });
  return {
    auth,
    allowedHosts: read.list('CRUVERO_MCPGW_ALLOWED_HOSTS', {
      orElse: [],
      refuseItem: refuseHostEntry,
      help: 'Host headers answered besides the own address and, on loopback, its names.',
    }),
    allowedOrigins: read.list('CRUVERO_MCPGW_ALLOWED_ORIGINS', {
      orElse: [],
      refuseItem: refuseOriginEntry,
      help: 'Origins of web pages that may call.',
    }),
  };
}

function answerBytes(read: Reader): number {
  return read.bytes('CRUVERO_MCPGW_ANSWER_MAX', {
    orElse: 32 << 20,
    min: 1_024,
    max: 512 << 20,
    help: 'Largest answer taken from a server.',
  });
}

function reliability(read: Reader) {
  return {
    retry: {
      retriesMax: read.integer('CRUVERO_MCP_RETRY_MAX', {
        orElse: 3,
        min: 0,
        max: 10,
        help: 'Attempts besides the first, for what may be tried again.',
      }),
      backoffMs: read.durationMs('CRUVERO_MCP_RETRY_BACKOFF', {
        orElse: 1_000,
        min: 1,
        max: 60_000,
        help: 'Pause before the first retry; doubled each time, with jitter.',
      }),
      backoffMsMax: 15_000,
    },
    breaker: {
      ...defaultBreaker,
      failuresMax: read.integer('CRUVERO_MCPGW_CIRCUIT_THRESHOLD', {
        orElse: 5,
        min: 1,
        max: 1_000,
        help: 'Failures in a row after which an instance is given a pause.',
      }),
      pauseMsMax: read.durationMs('CRUVERO_MCPGW_CIRCUIT_TIMEOUT', {
        orElse: 30_000,
        min: 5_000,
        max: 600_000,
        help: 'Longest pause of a failing instance.',
      }),
    },
    callDeadlineMs: read.durationMs('CRUVERO_MCPGW_CALL_DEADLINE', {
      orElse: 300_000,
      min: 100,
      max: 86_400_000,
      help: 'For one call, retries included.',
    }),
  };
}

function bounds(read: Reader) {
  return {
    bodyBytesMax: read.bytes('CRUVERO_MCPGW_BODY_MAX', {
      orElse: 4 << 20,
      min: 1_024,
      max: 256 << 20,
      help: 'Largest request body.',
    }),
    sessionsMax: read.integer('CRUVERO_MCPGW_SESSIONS_MAX', {
      orElse: 20_000,
      min: 1,
      max: 1_000_000,
      help: 'Sessions of clients held in memory; beyond it the one idle longest is forgotten, and revived by its id.',
    }),
    sessionsPerPrincipalMax: read.integer('CRUVERO_MCPGW_SESSIONS_PER_PRINCIPAL_MAX', {
      orElse: 10_000,
      min: 1,
      max: 1_000_000,
      help: 'Sessions of one principal held in memory; beyond it its own that is idle longest is forgotten, and revived by its id.',
    }),
    sessionIdleMs: read.durationMs('CRUVERO_MCPGW_SESSION_IDLE', {
      orElse: 3_600_000,
      min: 1_000,
      help: 'A session without requests and stream ends after so long.',
    }),
    streamsMax: read.integer('CRUVERO_MCPGW_STREAMS_MAX', {
      orElse: 10_000,
      min: 1,
      max: 1_000_000,
      help: 'Open event streams to clients.',
    }),
    streamAgeMs: read.durationMs('CRUVERO_MCPGW_STREAM_AGE', {
      orElse: 900_000,
      min: 1_000,
      help: 'A stream is closed after so long; clients open a new one.',
    }),
    listAgeMs: read.durationMs('CRUVERO_MCPGW_LIST_AGE', {
      orElse: 60_000,
      min: 1_000,
      help: 'Lists of servers are asked again after so long.',
    }),
    callsMax: read.integer('CRUVERO_MCPGW_CALLS_MAX', {
      orElse: 5_000,
      min: 1,
      max: 1_000_000,
      help: 'Calls under way at once.',
    }),
    codeExecRequired: read.boolean('CRUVERO_CODE_EXEC_MCP_REQUIRED', {
      orElse: false,
      help: 'Calls to the tools of the server code-exec are refused, with the reason, while it is away; nothing else takes its place.',
    }),
  };
}

function dialogue(read: Reader) {
  return {
    questionMs: read.durationMs('CRUVERO_MCPGW_QUESTION_TIMEOUT', {
      orElse: 600_000,
      min: 1_000,
      max: 3_600_000,
      help: 'How long a client may take to answer what a server asks in the middle of a call; so long a call waits for its caller to come back (2026-07-28).',
    }),
    parkedMax: read.integer('CRUVERO_MCPGW_PARKED_MAX', {
      orElse: 1_000,
      min: 1,
      max: 100_000,
      help: 'Calls that wait for answers of their callers (2026-07-28).',
    }),
    parkedPerPrincipalMax: read.integer('CRUVERO_MCPGW_PARKED_PER_PRINCIPAL_MAX', {
      orElse: 64,
      min: 1,
      max: 100_000,
      help: 'Calls of one principal that wait for its answers (2026-07-28).',
    }),
    nameStyle: read.oneOf('CRUVERO_MCPGW_NAME_STYLE', ['canonical', 'safe'], {
      orElse: 'canonical',
      help: 'Names on /mcp, /sse and /mcp/v1: mcp.<server>.<tool>, or [A-Za-z0-9_-]{1,64} for clients that take no dots. ?names=… on the URL overrides it.',
    }),
    sealKeys: sealKeys(read),
  };
}

function sealKeys(read: Reader): Secret | undefined {
  const name = 'CRUVERO_MCPGW_SEAL_KEY';
  const keys = read.secret(name, {
    optional: true,
    help: 'Keys of 32 bytes in base64 (`openssl rand -base64 32`), separated by commas, the same for all replicas: the first seals session ids, requestState and task ids, all of them open. Without it the gateway makes its own and keeps it in CRUVERO_DATA_DIR.',
  });
  if (keys && !readSealKeys(keys.reveal()))
    read.refuse(name, 'must be keys of 32 bytes in base64, separated by commas');
  return keys;
}

/** For the documentation. */
export const describeGatewaySettings = (): readonly Described[] => describeConfig(readGatewaySettings);
