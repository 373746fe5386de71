/** The list of hosts: what an entry may look like, and that nothing else matches it. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isAllowedHost, readAllowedHost, readHostAndPort, sayAllowedHost } from './sandbox-network.ts';

const list = ['pypi.org:443', '*.example.com:443', '127.0.0.1:8080', '[::1]:9000'].map((text) => {
  const entry = readAllowedHost(text);
  return 'problem' in entry ? assert.fail(text) : entry;
});

const matches = (text: string): boolean => {
  const read = readHostAndPort(text);
  return read !== undefined && isAllowedHost(list, read);
};

describe('the list of allowed hosts', () => {
  it('matches a host however its name is written, at its port only', () => {
    for (const text of ['pypi.org:443', 'PyPI.org:443', 'pypi.org.:443', '[0:0:0:0:0:0:0:1]:9000'])
      assert.ok(matches(text), text);
    for (const text of [
      'pypi.org:80',
      'pypi.org',
      'files.pypi.org:443',
      'pypi.org.evil.net:443',
      '[::1]:9001',
    ])
      assert.ok(!matches(text), text);
  });

  it('matches names below a domain, and neither the domain itself nor names that only end alike', () => {
    assert.ok(matches('a.example.com:443') && matches('a.b.example.com:443'));
    for (const text of ['example.com:443', 'evilexample.com:443', '.example.com:443', 'a..example.com:443'])
      assert.ok(!matches(text), text);
  });

  it('takes no other notation of a listed address', () => {
    assert.ok(matches('127.0.0.1:8080'));
    for (const host of [
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '[::ffff:127.0.0.1]',
      '127.0.0.1.x',
    ])
      assert.ok(!matches(`${host}:8080`), host);
  });

  it('refuses what is no host and port', () => {
    const wrong = [
      '',
      ':443',
      'a',
      'a:0',
      'a:65536',
      'a:+1',
      'a:1:2',
      'http://a:1',
      'a/b:1',
      'a b:1',
      'a@b:1',
    ];
    for (const text of [
      ...wrong,
      '::1:80',
      '[::1%lo]:80',
      '[a]:80',
      '*.com:443',
      '*:443',
      '*.1.2.3.4:80',
      '1.2:80',
    ])
      assert.ok('problem' in readAllowedHost(text), text);
  });

  it('says entries as they are written', () => {
    assert.deepEqual(list.map(sayAllowedHost), [
      'pypi.org:443',
      '*.example.com:443',
      '127.0.0.1:8080',
      '[::1]:9000',
    ]);
  });
});
