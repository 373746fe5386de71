/** Tests of how the words of a child are kept within bounds. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { BoundedText, Lines, Output } from './output.ts';

describe('BoundedText', () => {
  it('keeps everything while there is room', () => {
    const text = new BoundedText(4, 100);
    text.add('abc');
    text.add('defg');
    assert.equal(text.toString(), 'abcdefg');
  });

  it('drops the middle and says so', () => {
    const text = new BoundedText(3, 5);
    text.add('abc');
    for (const each of ['0123', '4567', '89xyz']) text.add(each);
    assert.equal(text.toString(), 'abc\n[…]\n89xyz');
  });
});

describe('Lines', () => {
  it('joins chunks, takes both line ends, and gives the rest at the end', () => {
    const got: string[] = [];
    const lines = new Lines((line) => got.push(line));
    for (const chunk of ['a', 'b\nc\r\n', '\nlast']) lines.add(chunk);
    assert.deepEqual(got, ['ab', 'c', '']);
    lines.end();
    assert.deepEqual(got, ['ab', 'c', '', 'last']);
  });

  it('breaks a line without end', () => {
    const got: string[] = [];
    const lines = new Lines((line) => got.push(line));
    lines.add('x'.repeat(300 * 1024));
    assert.equal(got.length, 1);
  });
});

describe('Output', () => {
  it('keeps what is meant for people out of the log file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cruvero-output-'));
    const logFile = join(folder, 'a.log');
    const output = new Output({ logFile, logStdout: 'json' });
    const heard: string[] = [];
    output.onStdoutLine((line) => heard.push(line));
    output.fromStdout.add('key: not-for-the-log\n{"msg":"a record"}\n');
    output.fromStderr.add('a warning\n');
    output.end();
    assert.equal(await readFile(logFile, 'utf8'), '{"msg":"a record"}\na warning\n');
    assert.equal((await stat(logFile)).mode & 0o777, 0o600);
    assert.equal(output.stdout(), 'key: not-for-the-log\n{"msg":"a record"}\n');
    assert.deepEqual(heard, ['key: not-for-the-log', '{"msg":"a record"}']);
    assert.equal(output.logTail(1), 'a warning');
    await rm(folder, { recursive: true });
  });
});
