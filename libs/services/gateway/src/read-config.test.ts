/** Tests of the gateway's settings: their defaults, their bounds, and that all problems are told at once. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isProblems, readConfig, type Env } from '@cruvero/chassis';
import {
  describeGatewaySettings,
  gatewayVersion,
  readGatewaySettings,
  type GatewaySettings,
} from './read-config.ts';

function settings(env: Env): GatewaySettings {
  const read = readConfig(env, readGatewaySettings);
  return isProblems(read) ? assert.fail(read.map(({ problem }) => problem).join('\n')) : read;
}

function problems(env: Env): readonly string[] {
  const read = readConfig(env, readGatewaySettings);
  return isProblems(read) ? read.map(({ name }) => name) : [];
}

describe('the settings of the gateway', () => {
  it('need not be told: it listens on loopback and lets nobody in without a key', () => {
    const read = settings({});
    assert.deepEqual(read.listen, { host: '127.0.0.1', port: 8080 });
    assert.equal(read.auth, 'apikey');
    assert.deepEqual([read.allowedHosts, read.allowedOrigins], [[], []]);
    assert.equal(read.version, gatewayVersion);
    assert.partialDeepStrictEqual(read, {
      gatewayId: 'gw-1',
      tenantId: 'default',
      subjectPrefix: 'cruvero',
      dataDir: '.cruvero',
      connectionsMax: 100,
      drainMs: 15_000,
      link: { timeoutMs: 30_000, answerBytesMax: 32 << 20 },
      retry: { retriesMax: 3, backoffMs: 1_000, backoffMsMax: 15_000 },
      breaker: { failuresMax: 5, pauseMsMax: 30_000 },
      callDeadlineMs: 300_000,
      bodyBytesMax: 4 << 20,
      sessionsMax: 20_000,
      sessionIdleMs: 3_600_000,
      streamsMax: 10_000,
      streamAgeMs: 900_000,
      listAgeMs: 60_000,
      callsMax: 5_000,
    });
  });

  it('are each read under their own name', () => {
    const read = settings({
      CRUVERO_MCPGW_LISTEN_ADDR: '0.0.0.0:0',
      CRUVERO_MCP_HTTP_TIMEOUT: '2s',
      CRUVERO_MCP_GATEWAY_AUTH: 'none',
      CRUVERO_MCPGW_ALLOWED_HOSTS: 'mcp.example.com, other.example.com:8443',
      CRUVERO_MCPGW_ALLOWED_ORIGINS: 'https://app.example.com',
      CRUVERO_MCPGW_GATEWAY_ID: 'edge_2',
      CRUVERO_MCP_RETRY_MAX: '0',
      CRUVERO_MCPGW_BODY_MAX: '64KiB',
      CRUVERO_MCPGW_CALLS_MAX: '7',
      CRUVERO_MCPGW_CIRCUIT_THRESHOLD: '9',
      CRUVERO_MCPGW_STREAMS_MAX: '3',
    });
    assert.partialDeepStrictEqual(read, {
      listen: { host: '0.0.0.0', port: 0 },
      link: { timeoutMs: 2_000 },
      auth: 'none',
      allowedHosts: ['mcp.example.com', 'other.example.com:8443'],
      allowedOrigins: ['https://app.example.com'],
      gatewayId: 'edge_2',
      retry: { retriesMax: 0 },
      bodyBytesMax: 65_536,
      callsMax: 7,
      breaker: { failuresMax: 9 },
      streamsMax: 3,
    });
  });

  it('tell all their problems at once, each by the name of its setting', () => {
    const wrong = {
      CRUVERO_MCPGW_LISTEN_ADDR: 'nowhere',
      CRUVERO_MCP_HTTP_TIMEOUT: '1ms',
      CRUVERO_MCP_HTTP_MAX_CONNS: '0',
      CRUVERO_MCPGW_SHUTDOWN_TIMEOUT: 'soon',
      CRUVERO_MCPGW_GATEWAY_ID: 'a.b',
      CRUVERO_MCP_GATEWAY_AUTH: 'maybe',
      CRUVERO_MCPGW_ALLOWED_HOSTS: 'https://not-a-host/',
      CRUVERO_MCPGW_ALLOWED_ORIGINS: '*',
      CRUVERO_MCPGW_ANSWER_MAX: '1',
      CRUVERO_MCP_RETRY_MAX: '11',
      CRUVERO_MCP_RETRY_BACKOFF: '-1s',
      CRUVERO_MCPGW_CIRCUIT_THRESHOLD: '1.5',
      CRUVERO_MCPGW_CIRCUIT_TIMEOUT: '1s',
      CRUVERO_MCPGW_CALL_DEADLINE: '2d',
      CRUVERO_MCPGW_BODY_MAX: '1TiB',
      CRUVERO_MCPGW_SESSIONS_MAX: '',
      CRUVERO_MCPGW_SESSION_IDLE: '1ms',
      CRUVERO_MCPGW_STREAMS_MAX: 'x',
      CRUVERO_MCPGW_STREAM_AGE: '1ms',
      CRUVERO_MCPGW_LIST_AGE: '1ms',
      CRUVERO_MCPGW_CALLS_MAX: '0',
    };
    const expected = Object.keys(wrong).filter((name) => name !== 'CRUVERO_MCPGW_SESSIONS_MAX');
    assert.deepEqual([...problems(wrong)].sort(), expected.sort(), 'an empty one counts as not set');
  });

  it('document themselves: name, default and a sentence each', () => {
    const described = describeGatewaySettings();
    assert.ok(described.length >= 20);
    const secrets = new Set(['CRUVERO_MCPGW_SEAL_KEY']);
    for (const { name, help, required, secret, orElse } of described) {
      assert.match(name, /^CRUVERO_[A-Z_]+$/);
      assert.match(help, /[.]$/);
      assert.deepEqual([required, secret], [false, secrets.has(name)], name);
      if (!secret) assert.notEqual(orElse, undefined, name);
    }
    assert.equal(new Set(described.map(({ name }) => name)).size, described.length);
  });
});
