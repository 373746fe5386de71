/** A fetch that makes a connection of its own for each request, so that a round robin has something to turn. */

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

const withoutBody: ReadonlySet<number> = new Set([202, 204, 304]);

/** For what MCP clients send: text bodies, no redirects. */
export async function fetchOnOwnConnection(input: string | URL, init: RequestInit = {}): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = httpRequest(new URL(input), {
    method: init.method ?? 'GET',
    headers: Object.fromEntries(new Headers(init.headers)),
    agent: false,
    ...(init.signal ? { signal: init.signal } : {}),
  });
  sent.once('response', resolve);
  sent.once('error', reject);
  sent.end(typeof init.body === 'string' ? init.body : undefined);
  const answer = await promise;
  // A broken connection is for whoever reads the body to notice.
  answer.on('error', () => undefined);
  const status = answer.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headersDistinct))
    for (const one of value ?? []) headers.append(name, one);
  if (withoutBody.has(status)) {
    answer.resume();
    return new Response(null, { status, headers });
  }
  return new Response(Readable.toWeb(answer) as ReadableStream, { status, headers });
}
