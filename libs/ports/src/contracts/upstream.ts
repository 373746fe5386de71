/**
 * What every Upstream adapter must do, whatever transport it speaks: run it with real servers of that
 * transport.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isUpstreamFault,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../upstream.ts';

/** How a peer treats every request but initialize. */
export type PeerScript =
  /** Answers with the result `{"echo": <params>}`. */
  | { readonly does: 'echo' }
  /** Answers with a result of this many bytes. */
  | { readonly does: 'big'; readonly bytes: number }
  /** Takes the request and says nothing. */
  | { readonly does: 'silence' }
  /** Takes the request and breaks the connection that brought it. */
  | { readonly does: 'break' };

export interface ScriptedPeer extends AsyncDisposable {
  readonly endpoint: string;
  /** Messages that came, initialize left out. */
  received(): number;
}

export interface UpstreamWorld {
  open(): Promise<Upstream>;
  /** A real server of the transport. */
  peer(script: PeerScript): Promise<ScriptedPeer>;
  /** An endpoint at which nobody listens. */
  nobody(): Promise<string>;
}

interface Asking {
  readonly upstream: Upstream;
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
}

const limits = { timeoutMs: 5_000, bytesMax: 1024 * 1024 } as const;

/** Waits for a condition that the network brings about; fails after 5 s. */
async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    assert.ok(performance.now() < endMs, 'the condition did not come about within 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const text = (id: number | undefined, method: string, params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params });

function request(asking: Asking, body: string, over: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const signal = new AbortController().signal;
  return {
    httpMethod: 'POST',
    endpoint: asking.endpoint,
    headers: asking.headers,
    body,
    signal,
    ...limits,
    ...over,
  };
}

const plainHeaders = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** Begins a conversation as every client does, and keeps the session id where the server gives one. */
async function begin(upstream: Upstream, endpoint: string): Promise<Asking> {
  const asking = { upstream, endpoint, headers: plainHeaders };
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'contract', version: '1' },
  };
  const answer = responded(await upstream.exchange(request(asking, text(0, 'initialize', params))));
  assert.equal(answer.status, 200);
  const session = answer.headers['mcp-session-id'];
  return session === undefined
    ? asking
    : { ...asking, headers: { ...plainHeaders, 'mcp-session-id': session } };
}

function responded(value: UpstreamResponse | UpstreamFault): UpstreamResponse {
  assert.ok(!isUpstreamFault(value), `expected an answer, got ${JSON.stringify(value)}`);
  return value;
}

function faulted(value: UpstreamResponse | UpstreamFault): UpstreamFault {
  assert.ok(isUpstreamFault(value), 'expected a fault, got an answer');
  return value;
}

async function bodyText(answer: UpstreamResponse): Promise<string> {
  if (answer.body.kind === 'text') return answer.body.text;
  let whole = '';
  for await (const chunk of answer.body.chunks) whole += chunk;
  return whole;
}

export function upstreamContract(name: string, world: UpstreamWorld): void {
  describe(`${name} keeps the Upstream contract`, () => {
    answersContract(world);
    faultsContract(world);
    endingsContract(world);
  });
}

function answersContract(world: UpstreamWorld): void {
  it('brings the answer of the server, letter by letter', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'echo' });
    const asking = await begin(upstream, peer.endpoint);
    const params = { text: 'ä – 漢 – 🎉 – \u2028', n: 1 };
    const answer = responded(await upstream.exchange(request(asking, text(7, 'tools/call', params))));
    assert.equal(answer.status, 200);
    assert.ok(
      (await bodyText(answer)).includes(JSON.stringify({ jsonrpc: '2.0', id: 7, result: { echo: params } })),
    );
  });

  it('answers a notification with 202 and no text', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'echo' });
    const asking = await begin(upstream, peer.endpoint);
    const answer = responded(
      await upstream.exchange(request(asking, text(undefined, 'notifications/initialized', {}))),
    );
    assert.equal(answer.status, 202);
    assert.equal(await bodyText(answer), '');
    assert.equal(peer.received(), 1);
  });

  it('gives each of 64 calls at once its own answer', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'echo' });
    const asking = await begin(upstream, peer.endpoint);
    const ids = Array.from({ length: 64 }, (_, i) => i + 1);
    const texts = await Promise.all(
      ids.map(async (id) =>
        bodyText(responded(await upstream.exchange(request(asking, text(id, 'tools/call', { of: id }))))),
      ),
    );
    for (const [i, id] of ids.entries()) {
      assert.ok(
        texts[i]?.includes(JSON.stringify({ jsonrpc: '2.0', id, result: { echo: { of: id } } })),
        `answer ${id}`,
      );
    }
  });
}

function faultsContract(world: UpstreamWorld): void {
  it('says that a request never left where nobody listens', async () => {
    await using upstream = await world.open();
    const asking = { upstream, endpoint: await world.nobody(), headers: plainHeaders };
    const fault = faulted(await upstream.exchange(request(asking, text(0, 'initialize', {}))));
    assert.deepEqual([fault.fault, fault.neverLeft], ['unreachable', true]);
  });

  it('does not say that a request never left once the server may have it', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'break' });
    const asking = await begin(upstream, peer.endpoint);
    const fault = faulted(await upstream.exchange(request(asking, text(1, 'tools/call', {}))));
    assert.deepEqual([fault.fault, fault.neverLeft], ['broken', false]);
    assert.equal(peer.received(), 1);
  });

  it('gives up when no answer comes in time', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'silence' });
    const asking = await begin(upstream, peer.endpoint);
    const asked = upstream.exchange(request(asking, text(1, 'tools/call', {}), { timeoutMs: 300 }));
    await until(() => peer.received() === 1);
    const fault = faulted(await asked);
    assert.deepEqual([fault.fault, fault.neverLeft], ['timeout', false]);
  });

  it('refuses an answer over the bound, and goes on with the next one', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'big', bytes: 200_000 });
    const asking = await begin(upstream, peer.endpoint);
    const fault = faulted(
      await upstream.exchange(request(asking, text(1, 'tools/call', {}), { bytesMax: 100_000 })),
    );
    assert.deepEqual([fault.fault, fault.neverLeft], ['too_large', false]);
    const answer = responded(
      await upstream.exchange(request(asking, text(2, 'tools/call', {}), { bytesMax: 300_000 })),
    );
    assert.ok((await bodyText(answer)).length >= 200_000);
  });
}

function endingsContract(world: UpstreamWorld): void {
  it('does not send a request whose caller has gone already', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'echo' });
    const asking = await begin(upstream, peer.endpoint);
    const signal = AbortSignal.abort();
    const fault = faulted(await upstream.exchange(request(asking, text(1, 'tools/call', {}), { signal })));
    assert.deepEqual([fault.fault, fault.neverLeft], ['aborted', true]);
    assert.equal(peer.received(), 0);
  });

  it('ends at once when the caller goes while it waits', async () => {
    await using upstream = await world.open();
    await using peer = await world.peer({ does: 'silence' });
    const asking = await begin(upstream, peer.endpoint);
    const abort = new AbortController();
    const asked = upstream.exchange(request(asking, text(1, 'tools/call', {}), { signal: abort.signal }));
    await until(() => peer.received() === 1);
    abort.abort();
    const fault = faulted(await asked);
    assert.deepEqual([fault.fault, fault.neverLeft], ['aborted', false]);
  });

  it('ends what waits when it is disposed, and takes nothing more', async () => {
    const upstream = await world.open();
    await using peer = await world.peer({ does: 'silence' });
    const asking = await begin(upstream, peer.endpoint);
    const asked = upstream.exchange(request(asking, text(1, 'tools/call', {})));
    await until(() => peer.received() === 1);
    await upstream[Symbol.asyncDispose]();
    assert.equal(faulted(await asked).neverLeft, false);
    const later = faulted(await upstream.exchange(request(asking, text(2, 'tools/call', {}))));
    assert.deepEqual([later.fault, later.neverLeft], ['unreachable', true]);
  });
}
