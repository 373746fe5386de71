/** Code execution seen from the gateway: away it is refused with the reason, and it learns who is who without names. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { paramsFrom, readServerName, readTenantId, type Fault, type Principal } from '@cruvero/core';
import { metaFor, refuseWithoutCodeExec } from './code-exec.ts';
import type { Permitted, Routed } from './pipeline.ts';

const unknown: Fault = { fault: 'unknown_tool', name: 'x', hint: 'y' };

/** Only what the function looks at. `here`: servers of tenants. */
function call(
  name: string,
  door: Permitted['door'] = { door: 'aggregate', names: 'canonical' },
  here: readonly (readonly [tenant: string, server: string])[] = [['a', 'other']],
): Permitted {
  const message = { params: paramsFrom(JSON.stringify({ name })) };
  const servers = new Map(
    here.map(([tenant, each]) => [`${tenant}/${each}`, { ...server(each), tenantId: readTenantId(tenant) }]),
  );
  return { message, door, principal: principal('a', 'ann'), snapshot: { servers } } as unknown as Permitted;
}

const server = (name: string) => ({ name: readServerName(name) ?? assert.fail() }) as Routed['server'];
const principal = (tenant: string, name: string): Principal => ({
  tenantId: readTenantId(tenant) ?? assert.fail(),
  name,
  scopes: [],
  profile: 'default',
});

describe('calls to code execution while it is away', () => {
  it('are refused for that reason, however the tool is named', () => {
    for (const name of ['mcp.code-exec.python_exec', 'mcp_code-exec_bash_exec', 'python_exec', 'bash_exec']) {
      const fault = refuseWithoutCodeExec(call(name), unknown);
      assert.ok(fault.fault === 'upstream_unavailable' && fault.neverLeft, name);
      assert.match(fault.detail, /nothing was executed/);
    }
    const door = { door: 'server', name: readServerName('code-exec') ?? assert.fail() } as const;
    const fault = refuseWithoutCodeExec(call('anything', door), {
      fault: 'unknown_server',
      server: 'code-exec',
      known: [],
    });
    assert.equal(fault.fault, 'upstream_unavailable');
  });

  it('and no others', () => {
    assert.equal(refuseWithoutCodeExec(call('mcp.other.python_exec'), unknown), unknown);
    const door = { door: 'aggregate', names: 'canonical' } as const;
    assert.equal(refuseWithoutCodeExec(call('python_exec', door, [['a', 'code-exec']]), unknown), unknown);
    const ofOthers = refuseWithoutCodeExec(call('python_exec', door, [['b', 'code-exec']]), unknown);
    assert.equal(ofOthers.fault, 'upstream_unavailable', 'another tenant has one');
    const other: Fault = { fault: 'forbidden', detail: 'no' };
    assert.equal(refuseWithoutCodeExec(call('python_exec'), other), other);
  });
});

describe('the name of a caller', () => {
  const meta = { 'cruvero.dev/caller': 'somebody else', other: 1 };
  const spoken = { era: 'modern', meta } as unknown as Routed['spoken'];
  const told = (tenant: string, who: string, to = 'code-exec') =>
    metaFor({ server: server(to), principal: principal(tenant, who), spoken });

  it('is the same for the same caller of a tenant, and nobody can give another', () => {
    assert.deepEqual(told('a', 'ann'), told('a', 'ann'));
    assert.notDeepEqual(told('a', 'ann'), told('b', 'ann'));
    assert.notDeepEqual(told('a', 'ann'), told('a', 'ben'));
    assert.doesNotMatch(JSON.stringify(told('a', 'ann')), /"ann|somebody/);
    assert.equal(told('a', 'ann')?.['other'], 1);
  });

  it('goes to that server only', () => {
    assert.equal(told('a', 'ann', 'other'), spoken.meta);
  });
});
