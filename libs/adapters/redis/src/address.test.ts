/** Redis URLs: what is read from them, what is refused, and that nothing secret is shown. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { readRedisUrl } from './address.ts';

function read(url: string) {
  const address = readRedisUrl(url);
  assert.ok(!('problem' in address), url);
  return address;
}

describe('Redis URL', () => {
  it('gives host, port, database and encryption, with defaults', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['redis://cache:7000/2', 'redis://cache:7000/2'],
      ['cache:7000', 'redis://cache:7000/0'],
      ['cache', 'redis://cache:6379/0'],
      ['rediss://cache/', 'rediss://cache:6379/0'],
    ];
    for (const [url, shown] of cases) assert.equal(read(url).shown, shown);
    assert.equal(read('redis://[::1]:7000').host, '::1');
    assert.equal(read('rediss://cache').encrypted, true);
  });

  it('takes credentials out of it and shows none', () => {
    const address = read('redis://ann:p%40ss@cache');
    assert.deepEqual([address.user, address.password?.reveal()], ['ann', 'p@ss']);
    assert.equal(read('redis://:only@cache').password?.reveal(), 'only');
    assert.doesNotMatch(JSON.stringify(address), /p@ss|p%40ss/);
    const refused = readRedisUrl('http://ann:secret@cache');
    assert.ok('problem' in refused && !refused.problem.includes('secret'));
  });

  it('is refused with a sentence where it is none', () => {
    for (const url of [
      '',
      'http://cache',
      'redis://',
      'redis://cache:99999',
      'redis://cache:0',
      'redis://cache/x',
    ]) {
      assert.ok('problem' in readRedisUrl(url), url);
    }
  });
});
