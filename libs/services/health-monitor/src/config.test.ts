/** The monitor's settings: their defaults, and that wrong ones are refused together. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isProblems, readConfig } from '@cruvero/chassis';
import { healthMonitorConfig } from './config.ts';

describe('the settings of the health monitor', () => {
  it('have the documented defaults', () => {
    const config = readConfig({}, healthMonitorConfig);
    assert.ok(!isProblems(config));
    assert.equal(config.monitorId, 'health-monitor');
    assert.equal(config.subjectPrefix, 'cruvero');
    assert.equal(config.probeIntervalMs, 30_000);
    assert.equal(config.probeTimeoutMs, 5_000);
    assert.deepEqual(config.policy, {
      probes: { failuresMax: 3, successesMin: 2 },
      assumedIntervalMs: 30_000,
      staleThresholdMs: undefined,
    });
  });

  it('are refused all at once, each with its name', () => {
    const problems = readConfig(
      {
        CRUVERO_MCP_HEARTBEAT_INTERVAL: '0s',
        CRUVERO_MCP_STALE_THRESHOLD: 'soon',
        CRUVERO_EVENTS_SUBJECT_PREFIX: 'a.>',
        CRUVERO_MCPGW_TENANT_ID: 'a b',
        CRUVERO_HEALTH_MONITOR_ID: 'a.b',
      },
      healthMonitorConfig,
    );
    assert.ok(isProblems(problems));
    assert.deepEqual(problems.map((one) => one.name).sort(), [
      'CRUVERO_EVENTS_SUBJECT_PREFIX',
      'CRUVERO_HEALTH_MONITOR_ID',
      'CRUVERO_MCPGW_TENANT_ID',
      'CRUVERO_MCP_HEARTBEAT_INTERVAL',
      'CRUVERO_MCP_STALE_THRESHOLD',
    ]);
  });
});
