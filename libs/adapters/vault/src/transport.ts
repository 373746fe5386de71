/** How node-vault's requests travel: one bounded exchange each, no redirects, nothing of the environment. */

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';

export interface TransportOptions {
  /** For the whole exchange. */
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
  /** PEM of further certificate authorities. */
  readonly ca?: string;
}

/** As node-vault hands it over. */
export interface VaultExchange {
  readonly method: string;
  readonly uri: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/** As node-vault reads it. `retryAfterS` is ours: node-vault passes bodies on, but no headers. */
export interface VaultAnswered {
  readonly statusCode: number;
  readonly body: unknown;
  readonly request: { readonly path: string };
}

/** Nothing came back that could be read. The words hold no header, no body and no address. */
export class VaultUnreachable extends Error {
  override readonly name = 'VaultUnreachable';
  /** False where it may be about one engine: no reason to ask nothing else either. */
  readonly isWhole: boolean;

  constructor(words: string, isWhole = true) {
    super(words);
    this.isWhole = isWhole;
  }
}

export function transport(options: TransportOptions): (asked: VaultExchange) => Promise<VaultAnswered> {
  return (asked) => {
    const { promise, resolve, reject } = Promise.withResolvers<VaultAnswered>();
    const url = new URL(asked.uri);
    const body =
      typeof asked.json === 'object' && asked.json !== null ? JSON.stringify(asked.json) : undefined;
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const signal = AbortSignal.timeout(options.timeoutMs);
    const request = send(url, {
      method: asked.method,
      headers: {
        ...asked.headers,
        accept: 'application/json',
        'x-vault-request': 'true',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
      signal,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    });
    request.on(
      'response',
      (response) => void read(response, url, options.answerBytesMax).then(resolve, reject),
    );
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(new VaultUnreachable(words(error, options, signal))),
    );
    request.end(body);
    return promise;
  };
}

function words(error: NodeJS.ErrnoException, { timeoutMs }: TransportOptions, signal: AbortSignal): string {
  if (signal.aborted) return `it did not answer within ${timeoutMs} ms`;
  return `it cannot be reached (${String(error.code)})`;
}

async function read(response: IncomingMessage, url: URL, bytesMax: number): Promise<VaultAnswered> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes > bytesMax) break;
    }
  } catch {
    throw new VaultUnreachable('the connection broke in the middle of its answer');
  }
  if (bytes > bytesMax) throw new VaultUnreachable(`its answer is larger than ${bytesMax} bytes`);
  const statusCode = Number(response.statusCode);
  const retryAfterS = Number(response.headers['retry-after'] ?? 0);
  const body = parsed(Buffer.concat(pieces).toString(), statusCode);
  return {
    statusCode,
    body: retryAfterS > 0 ? { ...body, retryAfterS } : body,
    request: { path: url.pathname },
  };
}

function parsed(text: string, statusCode: number): object {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below: a proxy's page, not Vault.
  }
  if (statusCode >= 400) return {};
  throw new VaultUnreachable('it answered something that is not JSON');
}
