/** A client of either era on plain HTTP: it shows status, headers and messages exactly as they came. */

import {
  encodeHeaderValue,
  isJsonObject,
  isSseProblem,
  SseParser,
  type Json,
  type JsonObject,
} from '@cruvero/core';
import { probe, probeSse, type ProbeResponse, type SseProbe } from '@cruvero/testkit';

export type Era = 'legacy' | 'modern';
export const eras: readonly Era[] = ['legacy', 'modern'];

export interface Answered {
  readonly status: number;
  readonly response: ProbeResponse;
  /** The answer itself. */
  readonly message: JsonObject;
  /** `result`, or an empty object. */
  readonly result: JsonObject;
  readonly error: { readonly code: number; readonly message: string; readonly data?: Json } | undefined;
  /** What came before the answer. */
  readonly notes: readonly JsonObject[];
}

export interface Extra {
  readonly meta?: JsonObject;
  readonly headers?: readonly (readonly [string, string])[];
  readonly id?: string | number;
}

const nameOf: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

const parse = (text: string): JsonObject => {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value)) throw new Error(`not a JSON object: ${text.slice(0, 100)}`);
  return value;
};

/** Messages of a body, whether JSON or a stream of events. */
export function messagesOf(response: ProbeResponse): readonly JsonObject[] {
  if (!response.header('content-type')?.startsWith('text/event-stream'))
    return response.body === '' ? [] : [parse(response.body)];
  const events = new SseParser(64 << 20).feed(response.body);
  if (isSseProblem(events)) throw new Error(events.problem);
  // Events without data only say where to resume.
  return events.flatMap(({ data }) => (data === '' ? [] : [parse(data)]));
}

export class Client {
  readonly era: Era;
  readonly url: string;
  readonly #key: string | undefined;
  readonly #capabilities: JsonObject;
  session: string | undefined;
  /** InitializeResult or DiscoverResult. */
  face: JsonObject = {};
  #ids = 0;

  constructor(era: Era, url: string, key: string | undefined, capabilities: JsonObject = {}) {
    this.era = era;
    this.url = url;
    this.#key = key;
    this.#capabilities = capabilities;
  }

  /** Begins as a client of its era does. */
  async open(): Promise<this> {
    if (this.era === 'modern') {
      this.face = (await this.call('server/discover')).result;
      return this;
    }
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: this.#capabilities,
      clientInfo: { name: 'test', version: '1' },
    };
    const answered = await this.call('initialize', params);
    this.session = answered.response.header('mcp-session-id');
    this.face = answered.result;
    await this.notify('notifications/initialized');
    return this;
  }

  headers(method: string, params: JsonObject, extra: Extra = {}): (readonly [string, string])[] {
    const headers: (readonly [string, string])[] = [
      ['content-type', 'application/json'],
      ['accept', 'application/json, text/event-stream'],
    ];
    if (this.#key !== undefined) headers.push(['authorization', `Bearer ${this.#key}`]);
    if (this.era === 'legacy') {
      if (this.session !== undefined)
        headers.push(['mcp-session-id', this.session], ['mcp-protocol-version', '2025-11-25']);
    } else {
      headers.push(['mcp-protocol-version', '2026-07-28'], ['mcp-method', method]);
      const name = params[nameOf[method] ?? ''];
      if (typeof name === 'string') headers.push(['mcp-name', encodeHeaderValue(name)]);
    }
    return [...headers, ...(extra.headers ?? [])];
  }

  params(params: JsonObject, extra: Extra = {}): JsonObject {
    const own = isJsonObject(params['_meta']) ? params['_meta'] : {};
    if (this.era === 'legacy') return extra.meta ? { ...params, _meta: { ...own, ...extra.meta } } : params;
    const envelope = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': this.#capabilities,
    };
    return { ...params, _meta: { ...own, ...envelope, ...extra.meta } };
  }

  /** The body of a request, for tests that send it in their own way. */
  body(method: string, params: JsonObject = {}, extra: Extra = {}): string {
    const id = extra.id ?? (this.#ids += 1);
    return JSON.stringify({ jsonrpc: '2.0', id, method, params: this.params(params, extra) });
  }

  async call(method: string, params: JsonObject = {}, extra: Extra = {}): Promise<Answered> {
    const response = await probe(this.url, {
      headers: this.headers(method, params, extra),
      body: this.body(method, params, extra),
      timeoutMs: 20_000,
    });
    const messages = messagesOf(response);
    const message = messages.at(-1) ?? {};
    const { result, error } = message;
    return {
      status: response.status,
      response,
      message,
      result: isJsonObject(result) ? result : {},
      error: isJsonObject(error) ? (error as unknown as Answered['error']) : undefined,
      notes: messages.slice(0, -1),
    };
  }

  notify(method: string, params: JsonObject = {}): Promise<ProbeResponse> {
    const body = JSON.stringify({ jsonrpc: '2.0', method, params: this.params(params) });
    return probe(this.url, { headers: this.headers(method, params), body });
  }

  /** Opens the stream on which a client of this era hears of changes. */
  listen(
    notifications: JsonObject = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
    },
  ): Promise<SseProbe> {
    // probeSse says that it accepts event streams; a second line adds JSON.
    const besides = (name: string): boolean =>
      name !== 'accept' && (this.era === 'modern' || name !== 'content-type');
    const method = 'subscriptions/listen';
    const headers = this.headers(method, {}).filter(([name]) => besides(name));
    if (this.era === 'legacy') return probeSse(this.url, { headers });
    const body = this.body(method, { notifications }, { id: 'listen' });
    return probeSse(this.url, { headers: [...headers, ['accept', 'application/json']], body });
  }
}
