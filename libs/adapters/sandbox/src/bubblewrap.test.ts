/** The bubblewrap sandbox: its port's contract with and without cgroups, and what it finds out about the machine. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSandboxRefusal } from '@cruvero/ports';
import { sandboxContract } from '@cruvero/ports/contracts/sandbox';
import { bubblewrapSandbox } from './bubblewrap.ts';

sandboxContract('bubblewrapSandbox', () => bubblewrapSandbox());
sandboxContract('bubblewrapSandbox without cgroups', () => bubblewrapSandbox({ cgroups: false }));

describe('the measure of the boundary', () => {
  it('says what this machine offers', async () => {
    await using sandbox = bubblewrapSandbox();
    const boundary = await sandbox.measure();
    assert.ok(!isSandboxRefusal(boundary), JSON.stringify(boundary));
    assert.match(boundary.by, /^bubblewrap 0\.[0-9]+/);
    assert.deepEqual(boundary.network, ['lo']);
    assert.equal(boundary.ownUid, process.getuid?.() === 0);
    assert.equal(boundary.remarks.length > 0, !boundary.ownUid || boundary.cgroup === 'none');
  });

  it('says what is weaker without cgroups', async () => {
    await using sandbox = bubblewrapSandbox({ cgroups: false });
    const boundary = await sandbox.measure();
    assert.ok(!isSandboxRefusal(boundary), JSON.stringify(boundary));
    assert.equal(boundary.cgroup, 'none');
    assert.deepEqual(boundary.limits, { memory: 'sampled', processes: 'namespace', cpu: 'none' });
    assert.match(boundary.remarks.join(' '), /no cgroups/);
  });

  it('refuses in a sentence where a program is missing', async () => {
    await using sandbox = bubblewrapSandbox({ bwrapPath: '/nowhere/bwrap' });
    const refusal = await sandbox.measure();
    assert.ok(isSandboxRefusal(refusal));
    assert.match(refusal.refused, /bwrap is missing\. Install bubblewrap/);
    await using python = bubblewrapSandbox({ pythonPath: '/usr/bin/no-python' });
    const second = await python.measure();
    assert.ok(isSandboxRefusal(second) && second.refused.includes('/usr/bin/no-python'));
  });

  it('refuses with the words of a launcher that cannot make the boundary', async () => {
    await using sandbox = bubblewrapSandbox({ bwrapPath: '/bin/false' });
    const refusal = await sandbox.measure();
    assert.ok(isSandboxRefusal(refusal));
    assert.match(refusal.refused, /cannot be made on this machine: bubblewrap ended with 1/);
  });

  it('refuses a launcher that makes no boundary at all', async () => {
    await using sandbox = bubblewrapSandbox({ bwrapPath: '/usr/bin/env' });
    assert.ok(isSandboxRefusal(await sandbox.measure()));
  });
});
