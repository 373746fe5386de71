/** One MCP client of the load: a connection, in the legacy era a session, and calls whose answers are checked. */

import { problemOf, problemOfStream, type Expected } from './check-answer.ts';
import { Connection, type Answer } from './connection.ts';
import type { Load, Target } from './orders.ts';
import { contentOf, progressCount } from './payloads.ts';

const envelope =
  '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}';
const versions = { modern: '2026-07-28', legacy: '2025-11-25' } as const;
const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 'initialize',
  method: 'initialize',
  params: {
    protocolVersion: versions.legacy,
    capabilities: {},
    clientInfo: { name: 'bench', version: '1.0.0' },
  },
});
const initialized = '{"jsonrpc":"2.0","method":"notifications/initialized"}';

export class Caller {
  readonly #connection: Connection;
  readonly #target: Target;
  readonly #load: Load;
  readonly #path: string;
  readonly #headers: Record<string, string>;
  readonly #listed: Buffer | undefined;
  #turn: number;

  /** `lane` is its number among the callers of a load. */
  constructor(target: Target, load: Load, lane: number) {
    this.#connection = new Connection(target.url);
    this.#target = target;
    this.#load = load;
    this.#path = target.paths[load.era];
    this.#turn = lane;
    this.#listed = load.listed === undefined ? undefined : Buffer.from(load.listed);
    this.#headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': versions[load.era],
      ...target.headers,
      ...(load.era === 'modern' ? { 'mcp-method': load.method } : {}),
    };
  }

  /** A legacy caller opens its session. @throws when there is none to be had. */
  async open(): Promise<void> {
    if (this.#load.era === 'modern') return;
    const { 'mcp-protocol-version': _version, 'mcp-session-id': _session, ...plain } = this.#headers;
    const answer = await this.#post(initialize, plain);
    const session = answer.headers['mcp-session-id'];
    if (answer.status !== 200 || typeof session !== 'string') {
      throw new Error(`initialize was answered ${answer.status}: ${answer.body.toString('utf8', 0, 200)}`);
    }
    this.#headers['mcp-session-id'] = session;
    const confirmed = await this.#post(initialized, this.#headers);
    if (confirmed.status !== 202)
      throw new Error(`notifications/initialized was answered ${confirmed.status}`);
  }

  /** @returns what is wrong with the answer, or undefined. The id is unique in a run. */
  async call(id: number): Promise<string | undefined> {
    const { era, method, tool } = this.#load;
    const token = `token-${id}`;
    const progress = tool === 'stream' ? `"progressToken":"${token}"` : '';
    const meta = [era === 'modern' ? envelope : '', progress].filter((text) => text !== '').join(',');
    const metaMember = meta === '' ? '' : `"_meta":{${meta}}`;
    let headers = this.#headers;
    let params = metaMember;
    if (method === 'tools/call') {
      const name = `${this.#nextPrefix()}${tool}`;
      if (era === 'modern') headers = { ...headers, 'mcp-name': name };
      const given = `"name":"${name}","arguments":{"message":"hello there","n":${id}}`;
      params = metaMember === '' ? given : `${given},${metaMember}`;
    }
    const body = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${params}}}`;
    const answer = await this.#post(body, headers);
    if (answer.status !== 200) return `HTTP ${answer.status}: ${answer.body.toString('utf8', 0, 300)}`;
    return this.#problemOf(answer, this.#expected(id), token);
  }

  async close(): Promise<void> {
    if (this.#headers['mcp-session-id'] !== undefined) {
      const { 'content-type': _type, ...headers } = this.#headers;
      await this.#connection.request('DELETE', this.#path, headers, null).catch(() => undefined);
    }
    await this.#connection.close();
  }

  /** Leaves the session behind. */
  async leave(): Promise<void> {
    await this.#connection.close();
  }

  #expected(id: number): Expected {
    if (this.#listed) return { id, payload: [this.#listed] };
    const { own, rest } = contentOf(this.#load.tool, id);
    return { id, payload: [Buffer.from(own), rest] };
  }

  #problemOf({ headers, body }: Answer, expected: Expected, token: string): string | undefined {
    const isStream = String(headers['content-type']).startsWith('text/event-stream');
    if (this.#load.tool === 'stream') {
      if (!isStream) return 'no event stream';
      return problemOfStream(body, expected, { token, count: progressCount });
    }
    return isStream ? problemOfStream(body, expected, { token, count: 0 }) : problemOf(body, expected);
  }

  #nextPrefix(): string {
    const { prefixes } = this.#target;
    const { server } = this.#load;
    const index = server === 'all' ? (this.#turn += 1) : server;
    return prefixes[index % prefixes.length] ?? '';
  }

  #post(body: string, headers: Record<string, string>): Promise<Answer> {
    return this.#connection.request('POST', this.#path, headers, body);
  }
}
