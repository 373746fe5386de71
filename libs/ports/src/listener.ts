/** Where HTTP comes in: a bound address and a handler in Node's own terms. */

import type { IncomingMessage, ServerResponse } from 'node:http';

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Listening {
  /** With the port that was really bound. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Stops accepting, lets running requests end, closes what is left after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface Listener {
  /** Rejects with a sentence that names the address when it cannot be bound. */
  listen(handler: HttpHandler): Promise<Listening>;
}
