/** A bridge on played children, with a clock that the test moves. */

import assert from 'node:assert/strict';
import type { ServerName } from '@cruvero/core';
import {
  isUpstreamFault,
  type Bus,
  type ConfiguredServer,
  type Listener,
  type ServersRead,
  type ServersSource,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import type { BridgeBounds } from './bounds.ts';
import { startStdioBridge, type StdioBridge } from './bridge.ts';
import { FakeChildren, type Behaviour } from './fake-children.fixture.ts';

export const commandEntry = (
  name: string,
  more: Partial<Extract<ConfiguredServer, { kind: 'command' }>> = {},
): ConfiguredServer => ({
  kind: 'command',
  name: name as ServerName,
  command: 'fake',
  args: [],
  env: {},
  instances: 1,
  ...more,
});

/** A source that says what the test tells it. */
export class ToldSource implements ServersSource {
  #read: ServersRead;
  #tell: ((read: ServersRead) => void) | undefined;
  constructor(servers: readonly ConfiguredServer[]) {
    this.#read = { servers, problems: [] };
  }
  read(): Promise<ServersRead> {
    return Promise.resolve(this.#read);
  }
  watch(onChange: (read: ServersRead) => void) {
    this.#tell = onChange;
    return { close: () => (this.#tell = undefined) };
  }
  say(servers: readonly ConfiguredServer[]): void {
    this.#read = { servers, problems: [] };
    this.#tell?.(this.#read);
  }
}

export interface RigOptions {
  readonly servers?: readonly ConfiguredServer[];
  readonly bounds?: Partial<BridgeBounds>;
  readonly bus?: Bus;
  readonly listener?: Listener;
  readonly clock?: SimClock;
  readonly allowedOrigins?: readonly string[];
}

export interface Rig extends AsyncDisposable {
  readonly bridge: StdioBridge;
  readonly children: FakeChildren;
  readonly clock: SimClock;
  readonly telemetry: MemoryTelemetry;
  readonly source: ToldSource;
  /** To the first instance of `server`, unless another endpoint is said. */
  post(
    body: unknown,
    headers?: Readonly<Record<string, string>>,
    more?: Partial<UpstreamRequest>,
  ): Promise<UpstreamResponse | UpstreamFault>;
  /** Opens a legacy session and gives its header. With capabilities it may get a child of its own. */
  session(capabilities?: object): Promise<Record<string, string>>;
  /** Opens the GET stream of a session. */
  listen(headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Heard>;
}

export async function rig(behaviour: Behaviour, options: RigOptions = {}): Promise<Rig> {
  const clock = options.clock ?? new SimClock();
  const telemetry = new MemoryTelemetry();
  const children = new FakeChildren(behaviour);
  const source = new ToldSource(options.servers ?? [commandEntry('fake')]);
  const config = {
    bridgeId: 'b1',
    subjectPrefix: 'cruvero',
    heartbeatIntervalMs: 30_000,
    requestTimeoutMs: 60_000,
    bodyBytesMax: 1 << 20,
    allowedHosts: [],
    allowedOrigins: options.allowedOrigins ?? [],
    bounds: { drainMs: 1_000, ...options.bounds },
  };
  const bridge = await startStdioBridge(config, {
    children,
    clock,
    random: () => 0.999_999,
    telemetry,
    source,
    ...(options.bus ? { bus: options.bus } : {}),
    ...(options.listener ? { listener: options.listener } : {}),
  });
  const post: Rig['post'] = (body, headers = {}, more = {}) =>
    bridge.upstream.exchange({
      httpMethod: 'POST',
      endpoint: 'inproc://fake/fake.b1.0',
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
      signal: new AbortController().signal,
      timeoutMs: 60_000,
      bytesMax: 1 << 20,
      ...more,
    });
  return {
    bridge,
    children,
    clock,
    telemetry,
    source,
    post,
    async listen(headers, signal = new AbortController().signal) {
      return new Heard(await post(undefined, headers, { httpMethod: 'GET', signal }));
    },
    async session(capabilities = {}) {
      const clientInfo = { name: 'rig', version: '1' };
      const opened = response(
        await post(call('initialize', { protocolVersion: '2025-11-25', capabilities, clientInfo })),
      );
      return { 'mcp-session-id': opened.headers['mcp-session-id'] ?? assert.fail('no session id') };
    },
    // Time goes on while it ends, or its grace periods would never pass.
    async [Symbol.asyncDispose]() {
      let over = false;
      const done = bridge[Symbol.asyncDispose]().then(() => (over = true));
      for (let i = 0; i < 100 && !over; i += 1) await clock.advance(500);
      await done;
    },
  };
}

export const call = (method: string, params: object = {}, id: number | string = 1) => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});

export const modernHeaders = (method: string, name?: string): Record<string, string> => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
  ...(name === undefined ? {} : { 'mcp-name': name }),
});

export const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
};

export function response(got: UpstreamResponse | UpstreamFault): UpstreamResponse {
  return isUpstreamFault(got) ? assert.fail(`a fault: ${JSON.stringify(got)}`) : got;
}
export function fault(got: UpstreamResponse | UpstreamFault): UpstreamFault {
  return isUpstreamFault(got) ? got : assert.fail(`no fault: ${got.status} ${JSON.stringify(got.body)}`);
}
export function textOf(got: UpstreamResponse | UpstreamFault): string {
  const { body } = response(got);
  return body.kind === 'text' ? body.text : assert.fail('the body is a stream');
}

export interface Told {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}
export function jsonOf(got: UpstreamResponse | UpstreamFault): Told {
  return JSON.parse(textOf(got)) as Told;
}
/** The whole stream, once it has ended. */
export async function streamOf(got: UpstreamResponse | UpstreamFault): Promise<string> {
  const { body } = response(got);
  if (body.kind !== 'stream') return assert.fail(`the body is text: ${body.text}`);
  let text = '';
  for await (const chunk of body.chunks) text += chunk;
  return text;
}

/** Reads a stream in the background; what has come stands in `messages`. */
export class Heard {
  readonly messages: Told[] = [];
  over: 'open' | 'ended' | 'broken' = 'open';

  constructor(got: UpstreamResponse | UpstreamFault) {
    const { body } = response(got);
    if (body.kind === 'stream') void this.#read(body.chunks);
    else assert.fail(`the body is text: ${body.text}`);
  }

  async #read(chunks: AsyncIterable<string>): Promise<void> {
    try {
      for await (const chunk of chunks)
        for (const line of chunk.match(/^data: .*$/gm) ?? [])
          this.messages.push(JSON.parse(line.slice(6)) as Told);
      this.over = 'ended';
    } catch {
      this.over = 'broken';
    }
  }

  get methods(): (string | undefined)[] {
    return this.messages.map(({ method }) => method);
  }

  /** The last request of this method. */
  asked(method: string): Told {
    return this.messages.findLast((message) => message.method === method) ?? assert.fail(`no ${method} came`);
  }
}
