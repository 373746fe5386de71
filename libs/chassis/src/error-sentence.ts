/** Says in one sentence what an error is about, for the person who started the program. */

import { redactText } from './redact.ts';

const depthMax = 5;

/** Without a stack and on one line; looks into errors that only wrap others. */
export function errorSentence(error: unknown): string {
  const sentence = redactText(innermost(error, 0)).replace(/\s+/g, ' ').trim();
  if (sentence === '') return 'It failed without saying why.';
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

function innermost(error: unknown, depth: number): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : '';
  if (depth >= depthMax) return error.message;
  // a scope that failed and whose closing failed too: the first failure is what matters
  if (error instanceof SuppressedError) return innermost(error.suppressed, depth + 1);
  if (error.message !== '') return error.message;
  // a connection refused on every address of a name has its message in its parts only
  if (error instanceof AggregateError) {
    const parts = error.errors.slice(0, 3).map((part: unknown) => innermost(part, depth + 1));
    return parts.filter((part) => part !== '').join('; ');
  }
  return error.cause === undefined ? error.name : innermost(error.cause, depth + 1);
}
