/** Every rule for a value: what it takes, what it refuses, and that it never throws. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import {
  isRefusal,
  parseBoolean,
  parseBytes,
  parseDurationMs,
  parseHostPort,
  parseInteger,
  parseList,
  parseNumber,
  parseOneOf,
  parsePort,
  parseUrl,
  showBytes,
  showDurationMs,
  showHostPort,
} from './config-values.ts';

const wrong = (value: unknown): string => {
  assert.ok(isRefusal(value), `not refused: ${JSON.stringify(value)}`);
  return value.wrong;
};

describe('numbers', () => {
  test('whole numbers are decimal, safe and within their bounds', () => {
    assert.equal(parseInteger('42', {}), 42);
    assert.equal(parseInteger('-7', {}), -7);
    assert.equal(parseInteger('3', { min: 3, max: 3 }), 3);
    for (const text of ['', '1.5', '0x10', '1e3', 'ten', '9007199254740993', 'Infinity', '1 2']) {
      assert.match(wrong(parseInteger(text, {})), /whole number/);
    }
    assert.equal(wrong(parseInteger('2', { min: 3 })), 'must be at least 3');
    assert.equal(wrong(parseInteger('4', { max: 3 })), 'must be at most 3');
  });

  test('decimal numbers are finite and within their bounds', () => {
    assert.equal(parseNumber('0.25', {}), 0.25);
    assert.equal(parseNumber('.5', {}), 0.5);
    assert.equal(parseNumber('-1e3', {}), -1000);
    for (const text of ['NaN', 'Infinity', '1e999', '0x1', '1,5', '.']) wrong(parseNumber(text, {}));
    assert.equal(wrong(parseNumber('1.1', { max: 1 })), 'must be at most 1');
  });

  test('ports go from 0 to 65535', () => {
    assert.equal(parsePort('0', {}), 0);
    assert.equal(parsePort('65535', {}), 65_535);
    for (const text of ['65536', '-1', '80.0', 'http', '000080']) wrong(parsePort(text, {}));
    assert.equal(wrong(parsePort('0', { min: 1 })), 'must be at least 1');
  });
});

test('yes and no have several words in any case', () => {
  for (const text of ['true', 'TRUE', '1', 'yes', 'On']) assert.equal(parseBoolean(text), true);
  for (const text of ['false', '0', 'No', 'off']) assert.equal(parseBoolean(text), false);
  for (const text of ['', 'maybe', '2', 'truee'])
    assert.equal(wrong(parseBoolean(text)), 'must be true or false');
});

describe('durations', () => {
  test('take units, rows of units, fractions and plain milliseconds', () => {
    const table = {
      '250ms': 250,
      '30s': 30_000,
      '5m': 300_000,
      '1h': 3_600_000,
      '2d': 172_800_000,
      '1h30m': 5_400_000,
      '1.5s': 1_500,
      '1500': 1_500,
      '0': 0,
    };
    for (const [text, ms] of Object.entries(table)) assert.equal(parseDurationMs(text, {}), ms, text);
  });

  test('refuse what is none', () => {
    for (const text of ['', 's', '-5s', '5 s', '5S', '1w', '1h 30m', '1e3', '99999999999999999d', '.5s']) {
      assert.match(wrong(parseDurationMs(text, {})), /must be a duration, such as/, text);
    }
  });

  test('say their bounds in readable units', () => {
    assert.equal(wrong(parseDurationMs('1ms', { min: 1_000 })), 'must be at least 1s');
    assert.equal(wrong(parseDurationMs('1d', { max: 5_400_000 })), 'must be at most 90m');
  });

  test('are read back as they are shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (ms) => {
        assert.equal(parseDurationMs(showDurationMs(ms), {}), ms);
      }),
    );
  });
});

describe('sizes', () => {
  test('take binary and decimal units, fractions and plain bytes', () => {
    const table = {
      '4MiB': 4_194_304,
      '4mb': 4_000_000,
      '1.5KiB': 1_536,
      '512': 512,
      '10B': 10,
      '2 GiB': 2_147_483_648,
    };
    for (const [text, bytes] of Object.entries(table)) assert.equal(parseBytes(text, {}), bytes, text);
  });

  test('refuse what is none, and what is no whole number of bytes', () => {
    for (const text of ['', 'MiB', '-1', '1.5', '4 M iB', '4MiBs', '99999999TiB', '1e3', '4ib', '4m']) {
      assert.match(wrong(parseBytes(text, {})), /must be a size, such as/, text);
    }
    assert.equal(wrong(parseBytes('5MiB', { max: 4_194_304 })), 'must be at most 4MiB');
  });

  test('are read back as they are shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) =>
        assert.equal(parseBytes(showBytes(bytes), {}), bytes),
      ),
    );
  });
});

describe('host and port', () => {
  test('take names, addresses and every interface', () => {
    assert.deepEqual(parseHostPort('127.0.0.1:8080'), { host: '127.0.0.1', port: 8080 });
    assert.deepEqual(parseHostPort(':8080'), { host: '', port: 8080 });
    assert.deepEqual(parseHostPort('[::1]:8080'), { host: '::1', port: 8080 });
    assert.deepEqual(parseHostPort('my_service.local:0'), { host: 'my_service.local', port: 0 });
  });

  test('refuse the rest, and say how it is written', () => {
    const bad = [
      'localhost',
      'a b:1',
      'a:70000',
      'a:',
      '1.2.3:80',
      '300.1.1.1:80',
      '[zz]:80',
      '[fe80::1%eth0]:80',
      'http://a:80',
      'a@b:80',
      '[]:80',
      '-a:80',
      'a..b:80',
    ];
    for (const text of bad) assert.match(wrong(parseHostPort(text)), /must be host:port/, text);
    assert.match(wrong(parseHostPort('8080')), /for every interface write :8080/);
    assert.match(wrong(parseHostPort('fe80::1')), /brackets/);
  });

  test('are read back as they are shown', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant(''), fc.domain());
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65_535 }), (name, port) => {
        const one = { host: name, port };
        assert.deepEqual(parseHostPort(showHostPort(one)), one);
      }),
    );
  });
});

test('URLs must be absolute, with a host and one of the protocols, and stay as they are written', () => {
  const rule = { protocols: ['nats', 'tls'] };
  assert.equal(parseUrl('nats://127.0.0.1:4222', rule), 'nats://127.0.0.1:4222');
  assert.match(wrong(parseUrl('http://a', rule)), /nats:\/\/ or tls:\/\//);
  for (const text of ['', 'a', '/x', 'nats://', 'nats:', 'nats://a b', 'nats://a\n'])
    wrong(parseUrl(text, rule));
});

test('one of a list is taken exactly as written there', () => {
  assert.equal(parseOneOf('b', ['a', 'b']), 'b');
  assert.equal(wrong(parseOneOf('B', ['a', 'b'])), 'must be one of a, b');
});

describe('lists', () => {
  test('are split at commas and trimmed, and empty items are dropped', () => {
    assert.deepEqual(parseList(' a, b ,,c,'), ['a', 'b', 'c']);
    assert.deepEqual(parseList(','), []);
  });

  test('name the bad item by its place, and have an end', () => {
    const refuseX = (item: string) => (item === 'x' ? 'must not be x' : undefined);
    assert.equal(wrong(parseList('a,x', refuseX)), 'has a bad item 2: it must not be x');
    assert.match(wrong(parseList('a,'.repeat(5_000))), /at most 1000 items/);
  });
});

test('no rule throws, whatever the text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.webUrl(), fc.ipV6()), (text) => {
      parseInteger(text, {});
      parseNumber(text, {});
      parseBoolean(text);
      parseDurationMs(text, {});
      parseBytes(text, {});
      parsePort(text, {});
      parseHostPort(text);
      parseUrl(text, { protocols: ['http'] });
      parseList(text);
      parseOneOf(text, ['a']);
    }),
  );
});
