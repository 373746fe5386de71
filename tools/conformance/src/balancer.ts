/** A round-robin HTTP proxy over two replicas, which can say when nothing is on its way. */

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';

export interface Balancer extends AsyncDisposable {
  /** Without a path. */
  readonly origin: string;
  /** Requests that went to each replica, in the replicas' order. */
  readonly counts: readonly number[];
  /**
   * Runs `work` once, between two requests: after `requests` more of them were answered, when no POST is on its way. New
   * requests wait until it is done.
   */
  between(requests: number, work: () => Promise<void>): void;
}

interface Break {
  remaining: number;
  readonly work: () => Promise<void>;
}

const bodyBytesMax = 16 * 1024 * 1024;

/** Every request goes to the next replica; to the other one where the connection is refused. */
export async function startBalancer(origins: readonly string[]): Promise<Balancer> {
  const counts = origins.map(() => 0);
  let next = 0;
  let posts = 0;
  let planned: Break | undefined;
  let pause: Promise<void> | undefined;

  const takeBreak = (): void => {
    if (!planned || planned.remaining > 0 || posts > 0) return;
    const { work } = planned;
    planned = undefined;
    pause = work().finally(() => (pause = undefined));
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    while (pause) await pause.catch(() => undefined);
    const isPost = request.method === 'POST';
    if (isPost) {
      posts += 1;
      if (planned) planned.remaining -= 1;
      response.once('close', () => {
        posts -= 1;
        takeBreak();
      });
    }
    const first = next;
    next += 1;
    for (let tries = 0; tries < origins.length; tries += 1) {
      const at = (first + tries) % origins.length;
      const isReached = await forward(origins[at] ?? '', request, body, response);
      if (!isReached) continue;
      counts[at] = (counts[at] ?? 0) + 1;
      return;
    }
    response.writeHead(502).end();
  };

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    counts,
    between: (requests, work) => {
      planned = { remaining: requests, work };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** False where nobody took the connection, so that another one may be tried. */
function forward(
  origin: string,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { method, headers, url = '/' } = request;
  // A connection of its own: a kept one to a killed replica would fail in the middle of a request.
  const target = { method: method ?? 'GET', headers, agent: false } as const;
  const upstream = httpRequest(new URL(url, origin), target, (answer) => {
    resolve(true);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  });
  upstream.once('error', (error) => {
    const isRefused = 'code' in error && error.code === 'ECONNREFUSED';
    if (!isRefused) response.destroy();
    resolve(!isRefused);
  });
  response.once('close', () => upstream.destroy());
  upstream.end(body);
  return promise;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bodyBytesMax) throw new Error('too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
