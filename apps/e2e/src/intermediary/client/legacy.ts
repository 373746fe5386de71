/** A caller of 2025-11-25: `initialize`, a session, and answers to what the server asks in the middle of a call. */

import assert from 'node:assert/strict';
import type { Json, JsonObject } from '@cruvero/core';
import { Incoming } from './incoming.ts';
import { answersAll } from './modern.ts';

export type Answerer = (method: string, params: Json) => JsonObject | undefined;

export interface LegacyOptions {
  readonly credentials: Readonly<Record<string, string>>;
  readonly capabilities?: JsonObject;
  /** Answers what the server asks; undefined leaves it unanswered. */
  readonly answer?: Answerer;
  readonly version?: string;
}

export interface AskOptions {
  readonly id?: Json;
  readonly progressToken?: Json;
  readonly meta?: JsonObject;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where it is sent, other than where the session was made. */
  readonly at?: string;
  readonly argumentsText?: string;
}

const version = '2025-11-25';
const marker = 'the arguments stand here';

export class LegacyClient {
  readonly url: string;
  readonly sessionId: string;
  readonly initialized: JsonObject;
  /** Answers to the server's questions go there, where it is not the URL of the session. */
  answersAt: string | undefined;
  /** Everything that the server asked. */
  readonly questions: JsonObject[] = [];
  readonly #options: LegacyOptions;
  #ids = 0;

  private constructor(url: string, sessionId: string, initialized: JsonObject, options: LegacyOptions) {
    this.url = url;
    this.sessionId = sessionId;
    this.initialized = initialized;
    this.#options = options;
  }

  static async open(url: string, options: LegacyOptions): Promise<LegacyClient> {
    const params = {
      protocolVersion: options.version ?? version,
      capabilities: options.capabilities ?? { ...answersAll, roots: { listChanged: true } },
      clientInfo: { name: 'intermediary-suite', version: '1.0.0' },
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
    const headers = { ...plain, ...options.credentials };
    const opened = await Incoming.open({ url, headers, body });
    const { result, error } = await opened.final();
    assert.ok(result, `initialize was refused: ${opened.status} ${JSON.stringify(error)}`);
    const sessionId = opened.header('mcp-session-id') ?? assert.fail('initialize made no session');
    const client = new LegacyClient(url, sessionId, result as JsonObject, options);
    await client.notify('notifications/initialized');
    return client;
  }

  /** Headers of every request of this session. */
  headers(credentials = this.#options.credentials): Readonly<Record<string, string>> {
    return { ...plain, 'mcp-protocol-version': version, 'mcp-session-id': this.sessionId, ...credentials };
  }

  /** Resolves when the answer has begun. */
  start(
    method: string,
    params: JsonObject = {},
    options: AskOptions = {},
    abort?: AbortController,
  ): Promise<Incoming> {
    const { id = (this.#ids += 1), progressToken, meta, argumentsText } = options;
    const own = { ...meta, ...(progressToken === undefined ? {} : { progressToken }) };
    const marked = argumentsText === undefined ? params : { ...params, arguments: marker };
    const all = Object.keys(own).length === 0 ? marked : { ...marked, _meta: own };
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: all });
    return this.#post(
      argumentsText === undefined ? body : body.replace(JSON.stringify(marker), () => argumentsText),
      options.at ?? this.url,
      options.headers,
      abort,
    );
  }

  /** Waits for the whole answer, result or error. */
  async ask(method: string, params: JsonObject = {}, options: AskOptions = {}) {
    const incoming = await this.start(method, params, options);
    return { status: incoming.status, message: await incoming.final(), incoming };
  }

  async notify(method: string, params: JsonObject = {}, at = this.url): Promise<number> {
    const sent = await this.#post(JSON.stringify({ jsonrpc: '2.0', method, params }), at);
    await sent.end();
    return sent.status;
  }

  /** The session's own stream. */
  async listen(at = this.url, lastEventId?: string): Promise<Incoming> {
    const headers = { ...this.headers(), accept: 'text/event-stream' };
    const resumed = lastEventId === undefined ? headers : { ...headers, 'last-event-id': lastEventId };
    return Incoming.open({ url: at, method: 'GET', headers: resumed }, (message) => this.#heard(message));
  }

  async end(at = this.url): Promise<number> {
    const ended = await Incoming.open({ url: at, method: 'DELETE', headers: this.headers() });
    return ended.status;
  }

  #post(
    body: string,
    url: string,
    headers: Readonly<Record<string, string>> = {},
    abort?: AbortController,
  ): Promise<Incoming> {
    const outgoing = { url, headers: { ...this.headers(), ...headers }, body };
    return Incoming.open(outgoing, (message) => this.#heard(message), abort);
  }

  #heard(message: JsonObject): void {
    const { id, method, params } = message;
    if (typeof method !== 'string' || id === undefined) return;
    this.questions.push(message);
    const result = method === 'ping' ? {} : this.#options.answer?.(method, params ?? null);
    if (result !== undefined) void this.reply(id, result);
  }

  /** Answers a question of the server. */
  async reply(id: Json, result: JsonObject, at = this.answersAt ?? this.url): Promise<number> {
    const sent = await this.#post(JSON.stringify({ jsonrpc: '2.0', id, result }), at);
    await sent.end();
    return sent.status;
  }
}

const plain = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
