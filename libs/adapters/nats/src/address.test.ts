/** NATS URLs: what is read from them, what is refused, and that nothing secret is shown. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { readNatsUrl } from './address.ts';
import { errorWords } from './options.ts';

function read(url: string) {
  const address = readNatsUrl(url);
  assert.ok(!('problem' in address), url);
  return address;
}

describe('NATS URL', () => {
  it('gives servers, encryption and a text to show', () => {
    const cases: readonly (readonly [string, readonly string[], string])[] = [
      ['nats://localhost:4222', ['localhost:4222'], 'nats://localhost:4222'],
      ['nats://localhost', ['localhost:4222'], 'nats://localhost:4222'],
      ['localhost:4333', ['localhost:4333'], 'nats://localhost:4333'],
      ['nats://a:1, b:2', ['a:1', 'b:2'], 'nats://a:1,nats://b:2'],
      ['tls://nats.example:443/', ['nats.example:443'], 'tls://nats.example:443'],
      ['nats://[::1]:4222', ['[::1]:4222'], 'nats://[::1]:4222'],
    ];
    for (const [url, servers, shown] of cases) {
      const address = read(url);
      assert.deepEqual(
        [address.servers, address.shown, address.encrypted],
        [servers, shown, url.startsWith('tls')],
      );
      assert.deepEqual([address.user, address.password, address.token], [undefined, undefined, undefined]);
    }
  });

  it('takes user and password, or a token, out of it', () => {
    const pair = read('nats://ann:p%40ss%2Fword@host:4222');
    assert.deepEqual(
      [pair.user?.reveal(), pair.password?.reveal(), pair.token],
      ['ann', 'p@ss/word', undefined],
    );
    const token = read('nats://s3cret@host');
    assert.deepEqual([token.user, token.password, token.token?.reveal()], [undefined, undefined, 's3cret']);
  });

  it('never shows a credential, nor repeats a URL that it refuses', () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9%@:/?#-]{8,24}$/).map((text) => `zq${text}`);
    fc.assert(
      fc.property(word, word, (user, password) => {
        const address = readNatsUrl(
          `nats://${encodeURIComponent(user)}:${encodeURIComponent(password)}@host:4222`,
        );
        assert.ok(!('problem' in address));
        assert.equal(address.password?.reveal(), password);
        for (const shown of [JSON.stringify(address), address.shown]) {
          assert.ok(!shown.includes(user) && !shown.includes(password));
        }
        assert.ok(!errorWords(new Error(`bad ${password}`), address).includes(password));
        const refused = readNatsUrl(
          `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@host`,
        );
        assert.ok('problem' in refused && !refused.problem.includes(password));
      }),
      { verbose: true },
    );
  });

  it('is refused with a sentence where it is none', () => {
    for (const url of [
      '',
      'http://host',
      'nats://',
      'nats://host:99999',
      'nats://host:0',
      'nats://host/x',
      'a:1,,b:2',
    ]) {
      const refused = readNatsUrl(url);
      assert.ok('problem' in refused && refused.problem.startsWith('a NATS URL'), url);
    }
    assert.ok('problem' in readNatsUrl(Array(17).fill('a').join(',')));
  });
});
