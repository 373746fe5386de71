/** The reader gathers all problems, keeps secrets to itself and describes what it read. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import {
  ConfigRefused,
  createReader,
  describeConfig,
  isProblems,
  orRefuse,
  readConfig,
} from './config-reader.ts';
import type { Reader } from './config-types.ts';
import { Secret } from './secret.ts';

const help = 'What it is for.';

const everything = (read: Reader) => ({
  name: read.text('APP_NAME', { help, orElse: 'app' }),
  motto: read.optionalText('APP_MOTTO', { help }),
  key: read.secret('APP_KEY', { help }),
  db: read.secretUrl('APP_DB_URL', { help, protocols: ['postgres'], optional: true }),
  workers: read.integer('APP_WORKERS', { help, orElse: 4, min: 1, max: 32 }),
  ratio: read.number('APP_RATIO', { help, orElse: 0.5, min: 0, max: 1 }),
  strict: read.boolean('APP_STRICT', { help, orElse: false }),
  drainMs: read.durationMs('APP_DRAIN', { help, orElse: 15_000, max: 120_000 }),
  bodyBytesMax: read.bytes('APP_BODY_MAX', { help, orElse: 4_194_304 }),
  port: read.port('APP_PORT', { help, orElse: 8080 }),
  listen: read.hostPort('APP_LISTEN', { help, orElse: { host: '127.0.0.1', port: 8080 } }),
  nats: read.url('APP_NATS_URL', { help, protocols: ['nats', 'tls'] }),
  level: read.oneOf('APP_LEVEL', ['low', 'high'], { help, orElse: 'low' }),
  hosts: read.list('APP_HOSTS', { help, orElse: [] }),
});

const least = { APP_KEY: 'k3y', APP_NATS_URL: 'nats://127.0.0.1:4222' };

function accepted(env: Record<string, string>) {
  const config = readConfig(env, everything);
  assert.ok(!isProblems(config), JSON.stringify(config));
  return config;
}

function refused(env: Record<string, string>): readonly string[] {
  const config = readConfig(env, everything);
  assert.ok(isProblems(config));
  return config.map((one) => one.problem);
}

describe('readConfig', () => {
  test('takes the defaults of whatever is not set', () => {
    const { key, ...rest } = accepted(least);
    assert.ok(key instanceof Secret);
    assert.equal(key.reveal(), 'k3y');
    assert.deepEqual(rest, {
      name: 'app',
      motto: undefined,
      db: undefined,
      workers: 4,
      ratio: 0.5,
      strict: false,
      drainMs: 15_000,
      bodyBytesMax: 4_194_304,
      port: 8080,
      listen: { host: '127.0.0.1', port: 8080 },
      nats: 'nats://127.0.0.1:4222',
      level: 'low',
      hosts: [],
    });
  });

  test('takes what is set, without the white space around it', () => {
    const config = accepted({
      ...least,
      APP_NAME: ' gate ',
      APP_DB_URL: 'postgres://u:pw@db/x',
      APP_WORKERS: '8',
      APP_STRICT: 'yes',
      APP_DRAIN: '1m',
      APP_LISTEN: ':0',
      APP_LEVEL: 'high',
      APP_HOSTS: 'a.example, b.example',
    });
    assert.equal(config.name, 'gate');
    assert.equal(config.db?.reveal(), 'postgres://u:pw@db/x');
    assert.equal(config.workers, 8);
    assert.equal(config.strict, true);
    assert.equal(config.drainMs, 60_000);
    assert.deepEqual(config.listen, { host: '', port: 0 });
    assert.equal(config.level, 'high');
    assert.deepEqual(config.hosts, ['a.example', 'b.example']);
  });

  test('treats an empty value as not set', () => {
    assert.equal(accepted({ ...least, APP_WORKERS: '', APP_NAME: '  ' }).workers, 4);
    assert.match(refused({ ...least, APP_KEY: '' })[0] ?? '', /^APP_KEY is not set/);
  });

  test('tells every problem at once, each with what would be right', () => {
    assert.deepEqual(
      refused({ APP_WORKERS: '99', APP_DRAIN: 'soon', APP_LEVEL: 'mid', APP_NATS_URL: 'http://x' }),
      [
        'APP_KEY is not set: What it is for (secret text).',
        'APP_WORKERS must be at most 32; it is "99".',
        'APP_DRAIN must be a duration, such as 250ms, 30s, 5m, 1h or 2d; it is "soon".',
        'APP_NATS_URL must be a URL that begins with nats:// or tls://; it is "http://x".',
        'APP_LEVEL must be one of low, high; it is "mid".',
      ],
    );
  });

  test('never repeats a secret, a password in a URL, or a long value', () => {
    const problems = refused({
      ...least,
      APP_DB_URL: 'mysql://root:hunter2@db',
      APP_NATS_URL: 'http://root:hunter2@nats',
      APP_WORKERS: 'x'.repeat(500),
    }).join('\n');
    assert.ok(!problems.includes('hunter2'), problems);
    assert.ok(!problems.includes('x'.repeat(61)));
  });

  test('does not repeat the value of a variable whose name says that it is secret', () => {
    const config = readConfig({ APP_TOKEN_TTL: 'abc', APP_ADMIN_PASSWORD: 'abc' }, (read) => ({
      a: read.integer('APP_ADMIN_PASSWORD', { help, orElse: 1 }),
      b: read.durationMs('APP_TOKEN_TTL', { help, orElse: 1 }),
    }));
    assert.ok(isProblems(config));
    assert.ok(!config[0]?.problem.includes('abc'));
    assert.ok(config[1]?.problem.includes('abc'));
  });

  test('lets a service add rules between settings', () => {
    const config = readConfig({ MIN: '5', MAX: '3' }, (read) => {
      const min = read.integer('MIN', { help });
      const max = read.integer('MAX', { help });
      if (min > max) read.refuse('MIN', 'must not be above MAX');
      return { min, max };
    });
    assert.deepEqual(config, [{ name: 'MIN', problem: 'MIN must not be above MAX.' }]);
  });

  test('gives a config or problems and never throws, whatever the environment holds', () => {
    const value = fc.oneof(fc.string(), fc.constantFrom('1', '30s', '4MiB', 'nats://a:1', 'high', ':80'));
    const names = describeConfig(everything).map((one) => one.name);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (env) => {
        const config = readConfig(env, everything);
        if (isProblems(config)) assert.ok(config.length > 0);
        else assert.equal(typeof config.workers, 'number');
      }),
    );
  });
});

describe('the description', () => {
  test('has a row for each setting, in the order of reading, whether it is set or not', () => {
    const rows = describeConfig(everything);
    assert.equal(rows.length, 14);
    assert.deepEqual(rows[0], {
      name: 'APP_NAME',
      type: 'text',
      orElse: 'app',
      required: false,
      secret: false,
      help,
    });
    const byName = new Map(rows.map((row) => [row.name, row]));
    assert.deepEqual(byName.get('APP_KEY'), {
      name: 'APP_KEY',
      type: 'secret text',
      orElse: undefined,
      required: true,
      secret: true,
      help,
    });
    assert.equal(byName.get('APP_WORKERS')?.type, 'integer, 1 to 32');
    assert.equal(byName.get('APP_DRAIN')?.type, 'duration, at most 2m');
    assert.equal(byName.get('APP_DRAIN')?.orElse, '15s');
    assert.equal(byName.get('APP_BODY_MAX')?.orElse, '4MiB');
    assert.equal(byName.get('APP_LISTEN')?.orElse, '127.0.0.1:8080');
    assert.equal(byName.get('APP_LEVEL')?.type, 'one of low, high');
    assert.equal(byName.get('APP_NATS_URL')?.type, 'URL, nats:// or tls://');
    assert.equal(byName.get('APP_MOTTO')?.required, false);
  });

  test('never shows the default of a secret', () => {
    const [row] = describeConfig((read) => read.secret('A_KEY', { help, orElse: new Secret('dev-only') }));
    assert.equal(row?.orElse, '[secret]');
  });

  test('has a setting once that several parts read, and its problem once', () => {
    const read = createReader({ A: 'x' });
    for (let part = 0; part < 2; part += 1) read.integer('A', { help, orElse: 1 });
    assert.equal(read.described.length, 1);
    assert.deepEqual(
      read.problems.map((one) => one.name),
      ['A'],
    );
  });

  test('a setting that two parts read in different ways is a bug and throws', () => {
    const read = createReader({});
    read.integer('A', { help, orElse: 1 });
    assert.throws(() => read.integer('A', { help, orElse: 2 }), /A is read in two ways/);
    assert.throws(() => read.text('A', { help, orElse: '1' }), /A is read in two ways/);
  });
});

test('the reader points at variables that look like a misspelt setting', () => {
  const read = createReader({ CRUVERO_LOG_LEVLE: 'debug', CRUVERO_OTHER_THING: 'x', LOG_LEVLE: 'x' });
  read.oneOf('CRUVERO_LOG_LEVEL', ['info', 'debug'], { help, orElse: 'info' });
  assert.deepEqual(
    read.misspelt().map((one) => [one.name, one.meant]),
    [['CRUVERO_LOG_LEVLE', 'CRUVERO_LOG_LEVEL']],
  );
});

test('orRefuse gives the config or throws all problems', () => {
  assert.deepEqual(orRefuse({ a: 1 }), { a: 1 });
  const problems = [
    { name: 'A', problem: 'A is bad.' },
    { name: 'B', problem: 'B is bad.' },
  ];
  assert.throws(
    () => orRefuse<{ a: number }>(problems),
    (error) =>
      error instanceof ConfigRefused &&
      error.problems.length === 2 &&
      error.message === 'A is bad. B is bad.',
  );
});
