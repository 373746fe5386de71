/** The settings of the bridge. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isProblems, readConfig } from '@cruvero/chassis';
import { stdioBridgeSettings } from './read-config.ts';

describe('the settings of the stdio bridge', () => {
  it('have the documented defaults', () => {
    const config = readConfig({}, stdioBridgeSettings('machine-1'));
    assert.ok(!isProblems(config));
    assert.deepEqual(config, {
      listen: { host: '127.0.0.1', port: 8083 },
      serversPath: 'cruvero.json',
      bridge: {
        bridgeId: 'machine-1',
        tenantId: 'default',
        subjectPrefix: 'cruvero',
        heartbeatIntervalMs: 30_000,
        requestTimeoutMs: 300_000,
        bodyBytesMax: 4 << 20,
        allowedHosts: [],
        allowedOrigins: [],
        bounds: { ownChildrenMax: 8 },
      },
    });
  });

  it('are refused all at once, each with its name', () => {
    const problems = readConfig(
      {
        CRUVERO_STDIO_BRIDGE_LISTEN_ADDR: 'nowhere',
        CRUVERO_STDIO_BRIDGE_PUBLIC_URL: 'ftp://x',
        CRUVERO_MCP_HEARTBEAT_INTERVAL: '1ms',
        CRUVERO_STDIO_BRIDGE_ALLOWED_HOSTS: 'https://x/',
        CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX: '-1',
      },
      stdioBridgeSettings('machine-1'),
    );
    assert.ok(isProblems(problems));
    assert.deepEqual(problems.map(({ name }) => name).sort(), [
      'CRUVERO_MCP_HEARTBEAT_INTERVAL',
      'CRUVERO_STDIO_BRIDGE_ALLOWED_HOSTS',
      'CRUVERO_STDIO_BRIDGE_LISTEN_ADDR',
      'CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX',
      'CRUVERO_STDIO_BRIDGE_PUBLIC_URL',
    ]);
  });
});
