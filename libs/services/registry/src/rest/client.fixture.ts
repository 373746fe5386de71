/** For tests: a caller of the registry's REST interface over real HTTP. */

import type { Json, JsonObject } from '@cruvero/core';
import { isJsonObject } from '@cruvero/core';
import { probe } from '@cruvero/testkit';
import type { ProbeRequest } from '@cruvero/testkit';
import { adminKey } from '../world.fixture.ts';
import type { World } from '../world.fixture.ts';

export interface Answer {
  readonly status: number;
  readonly body: JsonObject;
  header(name: string): string | undefined;
}

export class Client {
  readonly #url: string;
  readonly key: string;

  constructor(url: string, key = adminKey) {
    this.#url = url;
    this.key = key;
  }

  async raw(path: string, request: ProbeRequest = {}): Promise<Answer> {
    const answer = await probe(this.#url, { path, ...request });
    const parsed: unknown = answer.body === '' ? {} : JSON.parse(answer.body);
    return {
      status: answer.status,
      body: isJsonObject(parsed) ? parsed : {},
      header: (name) => answer.header(name),
    };
  }

  send(method: string, path: string, body?: Json): Promise<Answer> {
    const headers: [string, string][] = [['authorization', `Bearer ${this.key}`]];
    if (body !== undefined) headers.push(['content-type', 'application/json']);
    return this.raw(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  }
  get = (path: string) => this.send('GET', path);
  post = (path: string, body: Json) => this.send('POST', path, body);
  put = (path: string, body: Json) => this.send('PUT', path, body);
  delete = (path: string) => this.send('DELETE', path);
}

export const admin = '/admin/api/v1';
export const mesh = '/api/v1/mesh/v2';
export const http = { transport: 'http', endpoint: 'http://127.0.0.1:9000/mcp' };
export const codeOf = (answer: Answer): Json | undefined =>
  isJsonObject(answer.body['error']) ? answer.body['error']['code'] : undefined;
export const messageOf = (answer: Answer): string =>
  isJsonObject(answer.body['error']) ? String(answer.body['error']['message']) : '';
export const items = (answer: Answer): JsonObject[] =>
  Array.isArray(answer.body['items']) ? answer.body['items'] : [];

export async function open(world: World): Promise<Client> {
  const registry = await world.start();
  return new Client(registry.listening?.url ?? '');
}
