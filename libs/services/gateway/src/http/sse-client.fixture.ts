/** A client of HTTP+SSE on plain HTTP: it shows statuses and messages exactly as they came. */

import assert from 'node:assert/strict';
import type { Json, JsonObject } from '@cruvero/core';
import { probe, probeSse, type ProbeResponse, type SseProbe } from '@cruvero/testkit';
import { keys } from '../gateway.fixture.ts';

type Header = readonly [string, string];
export const bearer = (name: keyof typeof keys): Header => ['authorization', `Bearer ${keys[name]}`];

export class SseClient implements AsyncDisposable {
  readonly stream: SseProbe;
  /** Where to POST. */
  readonly url: string;
  readonly #key: Header;
  /** Messages that came while another one was waited for. */
  readonly seen: JsonObject[] = [];

  constructor(stream: SseProbe, url: string, key: Header) {
    this.stream = stream;
    this.url = url;
    this.#key = key;
  }

  /** Opens the stream and waits for its first event. */
  static async open(url: string, path = '/sse', name: keyof typeof keys = 'alice'): Promise<SseClient> {
    const stream = await probeSse(url + path, { headers: [bearer(name)] });
    assert.equal(stream.status, 200);
    const event = await stream.next();
    assert.equal(event?.event, 'endpoint');
    return new SseClient(stream, url + (event?.data ?? ''), bearer(name));
  }

  async initialize(protocolVersion = '2024-11-05', capabilities: JsonObject = {}): Promise<JsonObject> {
    const params = { protocolVersion, capabilities, clientInfo: { name: 'test', version: '1' } };
    const answer = await this.ask('init', 'initialize', params);
    assert.equal((await this.post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
    return answer;
  }

  /** A body that is no text is sent as JSON. */
  post(
    body: JsonObject | string,
    headers: readonly Header[] = [['content-type', 'application/json'], this.#key],
  ) {
    return probe(this.url, { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  }

  request(id: Json, method: string, params: JsonObject = {}): Promise<ProbeResponse> {
    return this.post({ jsonrpc: '2.0', id, method, params });
  }

  call(id: Json, tool: string, args: JsonObject = {}, meta?: JsonObject): Promise<ProbeResponse> {
    return this.request(id, 'tools/call', { name: tool, arguments: args, ...(meta ? { _meta: meta } : {}) });
  }

  /** The answer that comes over the stream. */
  async ask(id: Json, method: string, params: JsonObject = {}): Promise<JsonObject> {
    const response = await this.request(id, method, params);
    assert.equal(response.status, 202, response.body);
    assert.equal(response.body, '');
    return this.answer(id);
  }

  answer(id: Json): Promise<JsonObject> {
    return this.message((message) => message['id'] === id && message['method'] === undefined);
  }

  note(method: string): Promise<JsonObject> {
    return this.message((message) => message['method'] === method);
  }

  async message(isIt: (message: JsonObject) => boolean): Promise<JsonObject> {
    for (;;) {
      const at = this.seen.findIndex(isIt);
      if (at >= 0) return this.seen.splice(at, 1)[0] ?? {};
      const event = await this.stream.next();
      if (!event) throw new Error(`the stream ended; seen: ${JSON.stringify(this.seen).slice(0, 500)}`);
      assert.equal(event.event, 'message');
      this.seen.push(JSON.parse(event.data) as JsonObject);
    }
  }

  /** Waits for the end of the stream. */
  async ended(): Promise<void> {
    while (await this.stream.next());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.close();
  }
}
