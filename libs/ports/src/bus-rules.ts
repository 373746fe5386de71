/** What every Bus adapter keeps alike: the shape of subjects, the sizes, the pauses before a message comes again. */

/** Most bytes of a body as JSON text; the default bound of a NATS server, and the least that one must take. */
export const messageBytesMax = 1 << 20;
/** Most bytes of a value kept by key. */
export const valueBytesMax = 512 << 10;
/** The same message id within this time is stored once. */
export const duplicateWindowMs = 120_000;
/** Longest subject, filter, stream name or key. */
export const subjectLengthMax = 512;

const token = /^[^\s.*>\u0000-\u001f\u007f]+$/;
const bucketName = /^[A-Za-z0-9_-]{1,128}$/;
const keyName = /^[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]+)*$/;
const streamName = /^[A-Za-z0-9_-]{1,255}$/;

/** True for a subject that can be published to: tokens between dots, no wildcard, no space. */
export function isSubject(text: string): boolean {
  return text.length <= subjectLengthMax && text.split('.').every((part) => token.test(part));
}

/** True for a subject that can be listened to: `*` may stand for one token, `>` for the rest. */
export function isSubjectPattern(text: string): boolean {
  if (text.length > subjectLengthMax) return false;
  const parts = text.split('.');
  return parts.every(
    (part, i) => part === '*' || (part === '>' && i === parts.length - 1) || token.test(part),
  );
}

export const isBucketName = (text: string): boolean => bucketName.test(text);
export const isKeyName = (text: string): boolean => text.length <= subjectLengthMax && keyName.test(text);
/** Also the shape of a durable name. */
export const isStreamName = (text: string): boolean => streamName.test(text);

/** Whether a message on `subject` reaches a listener on `pattern`. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const parts = subject.split('.');
  for (const [i, want] of wanted.entries()) {
    if (want === '>') return parts.length > i;
    if (i >= parts.length || (want !== '*' && want !== parts[i])) return false;
  }
  return wanted.length === parts.length;
}

/** Pause before a message whose handler threw comes again: 100 ms, doubling, at most `ackWaitMs`. */
export function redeliveryPauseMs(deliveryCount: number, ackWaitMs: number): number {
  return Math.min(ackWaitMs, 100 * 2 ** Math.min(30, Math.max(0, deliveryCount - 1)));
}
