/** Reads a request's body whole, within a bound. */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Fault } from '@cruvero/core';

/**
 * Never rejects. What is too large is not kept, but read to its end (or to the listener's time for one request): a connection
 * closed on somebody who still sends takes the answer with it.
 */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<string | Fault> {
  const tooLarge: Fault = { fault: 'body_too_large', bytesMax };
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.resolve(tooLarge);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= bytesMax) return void chunks.push(chunk);
      request.off('data', onData);
      request.resume();
      resolve(tooLarge);
    };
    request.on('data', onData);
    request.once('end', () => resolve(decode(chunks)));
    request.once('error', () => resolve({ fault: 'cancelled' }));
    request.once('close', () => resolve({ fault: 'cancelled' }));
  });
}

function decode(chunks: readonly Buffer[]): string | Fault {
  const first = chunks[0];
  const whole = chunks.length === 1 && first ? first : Buffer.concat(chunks);
  return isUtf8(whole)
    ? whole.toString('utf8')
    : { fault: 'bad_json', detail: 'the body is not valid UTF-8' };
}

/** `application/json` with any parameters; letters in any case. */
export function isJsonType(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json[ \t]*(?:;|$)/i.test(contentType);
}

export interface Accepts {
  readonly json: boolean;
  readonly sse: boolean;
}

/** No Accept header at all accepts JSON: simple tools send none. */
export function readAccept(accept: string | undefined): Accepts {
  if (accept === undefined) return { json: true, sse: false };
  const lower = accept.toLowerCase();
  const any = lower.includes('*/*');
  return {
    json: any || lower.includes('application/json') || lower.includes('application/*'),
    sse: any || lower.includes('text/event-stream') || lower.includes('text/*'),
  };
}
