/** Deny wins, the allow list bounds, patterns mean what they say. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PolicyProfile } from '../model/policy.ts';
import { filtersTools, matchesPattern, permitTool } from './authorize.ts';

const profile = (given: Partial<PolicyProfile>): PolicyProfile => ({
  name: 'p',
  rateLimit: 1,
  rateBurst: 1,
  enforcementMode: 'enforce',
  ...given,
});

describe('patterns', () => {
  const table: readonly [string, string, boolean][] = [
    ['a.b', 'a.b', true],
    ['a.b', 'aXb', false],
    ['*', 'anything', true],
    ['mcp.files.*', 'mcp.files.read', true],
    ['mcp.files.*', 'mcp.files2.read', false],
    ['*.read', 'mcp.files.read', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'acb', false],
    ['ab*ba', 'aba', false],
    ['*a*a*', 'a', false],
    ['', '', true],
    ['a*', 'b', false],
  ];
  for (const [pattern, name, matches] of table) {
    it(`${JSON.stringify(pattern)} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(name)}`, () =>
      assert.equal(matchesPattern(pattern, name), matches));
  }

  it('agree with a regular expression, for any pattern', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replace(/\*+/g, '.*')}$`);
        assert.equal(matchesPattern(pattern, name), expression.test(name));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('permitTool', () => {
  it('lets everything pass where there is no list', () => {
    assert.deepEqual(permitTool(profile({}), 'mcp.a.b'), { allowed: true });
    assert.deepEqual(permitTool(profile({ toolAllowlist: [] }), 'mcp.a.b'), { allowed: true });
  });
  it('lets the deny list win', () => {
    const denied = permitTool(
      profile({ toolAllowlist: ['mcp.a.*'], toolDenylist: ['mcp.a.drop'] }),
      'mcp.a.drop',
    );
    assert.deepEqual(denied, { allowed: false, reason: 'denylist' });
  });
  it('refuses what the allow list does not name', () => {
    const refused = permitTool(profile({ toolAllowlist: ['mcp.a.*'] }), 'mcp.b.x');
    assert.deepEqual(refused, { allowed: false, reason: 'allowlist' });
    assert.deepEqual(permitTool(profile({ toolAllowlist: ['mcp.a.*'] }), 'mcp.a.x'), { allowed: true });
  });
  it('knows which profiles hide something', () => {
    assert.equal(filtersTools(profile({})), false);
    assert.equal(filtersTools(profile({ toolDenylist: ['x'] })), true);
    assert.equal(filtersTools(profile({ toolAllowlist: ['x'] })), true);
  });
});
