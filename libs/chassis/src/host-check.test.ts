/** Host and Origin: a table of what is let in and what is not, and properties over odd texts. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import {
  type AllowedNames,
  hostAllowed,
  isLoopbackHost,
  originAllowed,
  refuseHostEntry,
  refuseOriginEntry,
  soleHeader,
} from './host-check.ts';

const loopback: AllowedNames = { names: [], loopback: true };
const open: AllowedNames = {
  names: ['mcp.example.com', 'edge.example.com:8443', '[2001:db8::1]:80'],
  loopback: false,
};

describe('hostAllowed', () => {
  const table: readonly (readonly [string | undefined, AllowedNames, boolean])[] = [
    ['localhost', loopback, true],
    ['localhost:8080', loopback, true],
    ['LOCALHOST:8080', loopback, true],
    ['127.0.0.1:8080', loopback, true],
    ['[::1]', loopback, true],
    ['[::1]:8080', loopback, true],
    ['localhost:8080', open, false],
    ['127.0.0.1', open, false],
    ['[::1]:80', open, false],
    ['mcp.example.com', open, true],
    ['MCP.Example.COM', open, true],
    ['mcp.example.com:1234', open, true],
    ['edge.example.com:8443', open, true],
    ['edge.example.com:08443', open, true],
    ['edge.example.com:8444', open, false],
    ['edge.example.com', open, false],
    ['[2001:db8::1]:80', open, true],
    ['[2001:DB8::1]:80', open, true],
    ['evil.com', open, false],
    ['mcp.example.com.evil.com', open, false],
    ['evilmcp.example.com', open, false],
    ['sub.mcp.example.com', open, false],
    [undefined, loopback, false],
    ['', loopback, false],
    [':8080', loopback, false],
    ['localhost:', loopback, false],
    ['localhost:99999', loopback, false],
    ['localhost:80:80', loopback, false],
    ['localhost:-1', loopback, false],
    ['localhost:0x50', loopback, false],
    ['localhost.', loopback, false],
    ['.localhost', loopback, false],
    ['localhost..evil.com', loopback, false],
    ['a@localhost', loopback, false],
    ['localhost@evil.com', loopback, false],
    ['evil.com#localhost', loopback, false],
    ['evil.com/localhost', loopback, false],
    ['evil.com?localhost', loopback, false],
    ['evil.com\\localhost', loopback, false],
    ['localhost, evil.com', loopback, false],
    ['localhost,localhost', loopback, false],
    ['localhost evil.com', loopback, false],
    [' localhost', loopback, false],
    ['localhost\n', loopback, false],
    ['localhost\u0000', loopback, false],
    ['http://localhost', loopback, false],
    ['[::1', loopback, false],
    ['::1', loopback, false],
    ['[::1%lo0]', loopback, false],
    ['[fe80::1%25eth0]:80', loopback, false],
    ['[::1]evil.com', loopback, false],
    ['[::1].evil.com', loopback, false],
    ['[localhost]', loopback, false],
    ['0.0.0.0', loopback, false],
    ['127.0.0.2', loopback, false],
    ['127.1', loopback, false],
    ['2130706433', loopback, false],
    ['0x7f.0.0.1', loopback, false],
    ['localhost.evil.com', loopback, false],
    ['\u017focalhost', loopback, false],
    ['loca\u2113host', loopback, false],
    ['*', { names: ['*'], loopback: false }, false],
    ['anything.example', { names: ['*'], loopback: false }, false],
  ];
  for (const [header, allowed, expected] of table) {
    test(`${expected ? 'lets in' : 'refuses'} ${JSON.stringify(header)} where ${allowed.loopback ? 'loopback' : allowed.names.join(' ')} is allowed`, () => {
      assert.equal(hostAllowed(header, allowed), expected);
    });
  }

  test('lets the address of the connection in, in either family, and no other', () => {
    const at = (ownAddress: string): AllowedNames => ({ names: [], loopback: false, ownAddress });
    assert.equal(hostAllowed('10.1.2.3:9090', at('10.1.2.3')), true);
    assert.equal(hostAllowed('10.1.2.3:9090', at('::ffff:10.1.2.3')), true);
    assert.equal(hostAllowed('[2001:db8::5]:9090', at('2001:db8::5')), true);
    assert.equal(hostAllowed('10.1.2.4:9090', at('10.1.2.3')), false);
    assert.equal(hostAllowed('evil.com', at('10.1.2.3')), false);
  });

  test('lets in exactly the listed names, at any port, in any case', () => {
    const name = fc.domain();
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 1, maxLength: 5 }),
        name,
        fc.integer({ min: 0, max: 65_535 }),
        (names, other, port) => {
          const allowed = { names, loopback: false };
          for (const one of names) assert.ok(hostAllowed(`${one.toUpperCase()}:${port}`, allowed));
          assert.equal(
            hostAllowed(`${other}:${port}`, allowed),
            names.some((one) => one.toLowerCase() === other.toLowerCase()),
          );
        },
      ),
    );
  });

  test('lets in no text that hides an allowed name among others', () => {
    const around = fc.string({
      unit: fc.constantFrom('a', '.', ':', '@', '#', '/', '?', ',', ' ', '[', ']', '%', '8', '\\', '\t'),
      minLength: 1,
      maxLength: 6,
    });
    const plain = /^localhost:\d{1,5}$/;
    fc.assert(
      fc.property(around, around, fc.boolean(), fc.boolean(), (before, after, left, right) => {
        const header = `${left ? before : ''}localhost${right ? after : ''}`;
        const expected = header === 'localhost' || (plain.test(header) && Number(header.slice(10)) <= 65_535);
        assert.equal(hostAllowed(header, loopback), expected, header);
      }),
      { numRuns: 2_000 },
    );
  });

  test('never throws and takes time in proportion to the header', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => void hostAllowed(header, open)));
    const before = performance.now();
    for (const piece of ['a.', 'a-', '[', ':', '1:']) hostAllowed(piece.repeat(100_000), open);
    assert.ok(performance.now() - before < 500);
  });
});

describe('originAllowed', () => {
  const named = {
    names: ['https://app.example.com', 'http://dev.example.com:3000', 'vscode-webview://abc'],
    loopback: false,
  };
  const table: readonly (readonly [string | undefined, Pick<AllowedNames, 'names' | 'loopback'>, boolean])[] =
    [
      [undefined, named, true],
      ['https://app.example.com', named, true],
      ['HTTPS://APP.example.com', named, true],
      ['https://app.example.com:443', named, true],
      ['http://dev.example.com:3000', named, true],
      ['vscode-webview://abc', named, true],
      ['http://app.example.com', named, false],
      ['https://app.example.com:444', named, false],
      ['https://app.example.com.evil.com', named, false],
      ['https://evil.com', named, false],
      ['https://app.example.com/', named, false],
      ['https://app.example.com/x', named, false],
      ['https://u@app.example.com', named, false],
      ['https://app.example.com https://evil.com', named, false],
      ['https://app.example.com, https://evil.com', named, false],
      ['null', named, false],
      ['', named, false],
      ['app.example.com', named, false],
      ['http://dev.example.com', named, false],
      ['http://localhost:3000', named, false],
      ['http://localhost:3000', loopback, true],
      ['https://127.0.0.1', loopback, true],
      ['http://[::1]:6274', loopback, true],
      ['ftp://localhost', loopback, false],
      ['http://localhost.evil.com', loopback, false],
      ['http://evil.com#localhost', loopback, false],
      ['http://localhost:3000@evil.com', loopback, false],
      ['null', { names: ['null', '*'], loopback: true }, false],
      ['https://evil.com', { names: ['*'], loopback: false }, false],
    ];
  for (const [header, allowed, expected] of table) {
    test(`${expected ? 'lets in' : 'refuses'} ${JSON.stringify(header)} where ${allowed.loopback ? 'loopback' : 'the list'} is allowed`, () => {
      assert.equal(originAllowed(header, allowed), expected);
    });
  }

  test('judges whatever a browser would send as the browser does', () => {
    fc.assert(
      fc.property(
        fc.webUrl({ validSchemes: ['http', 'https'] }),
        fc.webUrl({ validSchemes: ['http', 'https'] }),
        (a, b) => {
          const [one, other] = [new URL(a).origin, new URL(b).origin];
          assert.ok(originAllowed(one, { names: [one], loopback: false }));
          assert.equal(originAllowed(other, { names: [one], loopback: false }), one === other);
        },
      ),
    );
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => void originAllowed(header, named)));
  });
});

test('a listener is bound to loopback only at the loopback addresses', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) assert.ok(isLoopbackHost(host), host);
  for (const host of [
    '',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'localhost.evil.com',
    '127.0.0.1.evil.com',
  ])
    assert.ok(!isLoopbackHost(host), host);
});

test('a header sent twice names no host', () => {
  assert.equal(soleHeader(['Host', 'a', 'X', 'y'], 'host'), 'a');
  assert.equal(soleHeader(['X', 'y'], 'host'), undefined);
  const twice = soleHeader(['Host', 'localhost', 'hOST', 'evil.com'], 'host');
  assert.equal(twice, 'localhost, evil.com');
  assert.equal(hostAllowed(twice, loopback), false);
});

test('entries of the lists are judged when the config is read', () => {
  for (const entry of ['mcp.example.com', 'a:80', '[::1]:80'])
    assert.equal(refuseHostEntry(entry), undefined);
  for (const entry of ['*', 'https://a', 'a/b', '*.example.com'])
    assert.match(refuseHostEntry(entry) ?? '', /^must be a host/);
  for (const entry of ['https://a.example', 'vscode-webview://x'])
    assert.equal(refuseOriginEntry(entry), undefined);
  for (const entry of ['*', 'a.example', 'https://a/', 'null'])
    assert.match(refuseOriginEntry(entry) ?? '', /^must be an origin/);
});
