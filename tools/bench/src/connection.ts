/** One kept connection of undici, one request at a time, without what its convenient interfaces cost. */

import { Client, type Dispatcher } from 'undici';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const answerWithinMs = 60_000;
const nothing = Buffer.alloc(0);

export class Connection {
  readonly #client: Client;

  constructor(url: string) {
    const bounds = { headersTimeout: answerWithinMs, bodyTimeout: answerWithinMs };
    this.#client = new Client(url, { pipelining: 1, ...bounds });
  }

  /** Rejects where the connection breaks. */
  request(
    method: 'POST' | 'DELETE',
    path: string,
    headers: Record<string, string>,
    body: string | null,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#client.dispatch({ path, method, headers, body }, collect(resolve, reject));
    });
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }
}

function collect(
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void,
): Dispatcher.DispatchHandler {
  let answer: Omit<Answer, 'body'> = { status: 0, headers: {} };
  const chunks: Buffer[] = [];
  return {
    // undici asks for it.
    onRequestStart: () => undefined,
    onResponseStart: (_controller, status, headers) => {
      answer = { status, headers };
    },
    onResponseData: (_controller, chunk) => void chunks.push(chunk),
    onResponseEnd: () => {
      const whole = chunks.length > 1 ? Buffer.concat(chunks) : (chunks[0] ?? nothing);
      resolve({ ...answer, body: whole });
    },
    onResponseError: (_controller, error) => reject(error),
  };
}
