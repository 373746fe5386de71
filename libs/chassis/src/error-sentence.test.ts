/** One sentence of an error, also where it is wrapped. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorSentence } from './error-sentence.ts';

test('an error becomes one sentence on one line, without a password', () => {
  assert.equal(errorSentence(new Error('Port 80 is taken')), 'Port 80 is taken.');
  assert.equal(errorSentence(new Error('What?\n  now')), 'What? now.');
  assert.equal(errorSentence(new Error('Done!')), 'Done!');
  assert.equal(errorSentence('only text'), 'only text.');
  assert.ok(!errorSentence(new Error('no nats://a:hunter2@b')).includes('hunter2'));
});

test('errors that say nothing themselves are looked into', () => {
  assert.equal(
    errorSentence(new AggregateError([new Error('refused ::1'), new Error('refused 127.0.0.1')])),
    'refused ::1; refused 127.0.0.1.',
  );
  assert.equal(errorSentence(new SuppressedError(new Error('close failed'), new Error('first'))), 'first.');
  assert.equal(errorSentence(new Error('', { cause: new Error('deep') })), 'deep.');
  assert.equal(errorSentence(new TypeError('')), 'TypeError.');
  assert.equal(errorSentence(undefined), 'It failed without saying why.');
});

test('an error that is its own cause has an end', () => {
  const error = new Error('');
  error.cause = error;
  assert.equal(typeof errorSentence(error), 'string');
});
