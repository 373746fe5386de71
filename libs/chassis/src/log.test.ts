/** Log lines: what stands in them, what does not, and where they go. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { textLine } from './log-text.ts';
import { createLog, type LogFormat, type LogLevel } from './log.ts';
import { redacted } from './redact.ts';

function capture(format: LogFormat = 'json', level: LogLevel = 'debug') {
  const lines: string[] = [];
  const log = createLog({
    level,
    format,
    service: 'gateway',
    destination: { write: (line) => void lines.push(line) },
  });
  return { log, lines, parsed: (): unknown[] => lines.map((line): unknown => JSON.parse(line)) };
}

describe('JSON lines', () => {
  test('are one line each, with level, ISO time, service, message and fields', () => {
    const { log, lines, parsed } = capture();
    log.info('listening', { url: 'http://127.0.0.1:8080', nested: { a: [1, 'two'] } });
    assert.match(lines[0] ?? '', /^\{.*\}\n$/);
    const [line] = parsed();
    assert.partialDeepStrictEqual(line, {
      level: 'info',
      service: 'gateway',
      msg: 'listening',
      url: 'http://127.0.0.1:8080',
      nested: { a: [1, 'two'] },
    });
    const { time } = line as { time: string };
    assert.equal(new Date(time).toISOString(), time);
  });

  test('below the level are not written', () => {
    const { log, lines } = capture('json', 'warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
      ['c', 'd'],
    );
  });

  test('carry the fields of with(), which later fields may replace, each name once', () => {
    const { log, lines, parsed } = capture();
    log.with({ server: 'a', instance: 1 }).with({ instance: 2 }).info('x', { server: 'b' });
    assert.partialDeepStrictEqual(parsed()[0], { server: 'b', instance: 2 });
    assert.equal(lines[0]?.match(/"server"/g)?.length, 1);
  });

  test('do not let a field replace what the line says of itself', () => {
    const { log, lines, parsed } = capture();
    log.warn('real', { level: 'info', msg: 'forged', time: 0, service: 'other' });
    assert.partialDeepStrictEqual(parsed()[0], {
      level: 'warn',
      msg: 'real',
      service: 'gateway',
      level_: 'info',
      msg_: 'forged',
      time_: 0,
      service_: 'other',
    });
    assert.equal(lines[0]?.match(/"level"/g)?.length, 1);
  });

  test('hold no secret, neither of a field, nor of with(), nor of the message', () => {
    const { log, lines, parsed } = capture();
    log
      .with({ apiKey: 'hunter2' })
      .error('cannot reach redis://:hunter2@host', { headers: { cookie: 'hunter2' }, Token: 'hunter2' });
    assert.ok(!lines.join('').includes('hunter2'));
    assert.partialDeepStrictEqual(parsed()[0], {
      apiKey: redacted,
      headers: { cookie: redacted },
      Token: redacted,
    });
  });

  test('take per cent signs in the message as they are', () => {
    const { log, parsed } = capture();
    log.info('100%s %d %j', { a: 1 });
    assert.partialDeepStrictEqual(parsed()[0], { msg: '100%s %d %j' });
  });

  test('stay one line of valid JSON whatever is logged', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string(), fc.anything()),
        (message, fields) => {
          const { log, lines } = capture();
          log.info(message, fields);
          assert.equal(lines.length, 1);
          assert.equal(lines[0]?.split('\n').length, 2);
          assert.equal((JSON.parse(lines[0] ?? '') as { level: string }).level, 'info');
        },
      ),
    );
  });
});

describe('text lines', () => {
  test('are short, with quotes only where they are needed', () => {
    const { log, lines } = capture('text');
    log.info('listening', { url: 'http://a/', note: 'two words', count: 3, list: [1] });
    assert.match(
      lines[0] ?? '',
      /^\d\d:\d\d:\d\d\.\d{3} info {2}gateway {2}listening url=http:\/\/a\/ note="two words" count=3 list=\[1\]\n$/,
    );
  });

  test('show the message of an error in the line and its frames below', () => {
    const { log, lines } = capture('text');
    log.error('failed', { error: new Error('no way') });
    const [head, ...frames] = (lines[0] ?? '').trimEnd().split('\n');
    assert.match(head ?? '', /ERROR gateway {2}failed error="no way"$/);
    assert.ok(frames.length > 0 && frames.every((frame) => frame.startsWith('    at ')));
  });

  test('cannot be forged or move the cursor', () => {
    const { log, lines } = capture('text');
    log.info('a\n10:00:00.000 ERROR gateway  forged', { x: '\u001b[2Jwiped', 'na\rme': '\u202egnp.exe' });
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.split('\n').length, 2);
    assert.ok(!/[\u001b\r\u202e]/.test(lines[0] ?? ''));
  });

  test('pass on what is no JSON', () => {
    assert.equal(textLine('odd\n'), 'odd\n');
  });
});

test('without a destination lines go to standard error, and are there even if it is killed', () => {
  const url = new URL('./log.ts', import.meta.url).href;
  const program = `
    const { createLog } = await import(${JSON.stringify(url)});
    const log = createLog({ level: 'info', format: 'json', service: 's' });
    for (let i = 0; i < 500; i += 1) log.info('line ' + i);
    process.kill(process.pid, 'SIGKILL');`;
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(ran.stdout, '');
  assert.equal(ran.stderr.trimEnd().split('\n').length, 500);
});
