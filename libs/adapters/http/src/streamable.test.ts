/**
 * The Streamable HTTP upstream: its port's contract, and every way in which a real server can answer badly.
 */

import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import {
  isUpstreamFault,
  UpstreamBroken,
  type Upstream,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { upstreamContract } from '@cruvero/ports/contracts/upstream';
import {
  hostileKinds,
  nobodysEndpoint,
  serveHttp,
  settle,
  startHostileServer,
  startScriptedHttpPeer,
  trickyText,
  type HostileKind,
} from '@cruvero/testkit';
import { streamableUpstream } from './streamable.ts';

upstreamContract('streamableUpstream, JSON answers', {
  open: async () => streamableUpstream(),
  peer: (script) => startScriptedHttpPeer(script),
  nobody: nobodysEndpoint,
});

const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"anything"}}';

function request(endpoint: string, over: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    httpMethod: 'POST',
    endpoint,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: call,
    signal: new AbortController().signal,
    timeoutMs: 5_000,
    bytesMax: 100_000,
    ...over,
  };
}

/** `answer:<status>:<text>`, `broken stream:<text>` or `<fault>:<neverLeft>`. */
async function outcome(upstream: Upstream, asked: UpstreamRequest): Promise<string> {
  const answer = await upstream.exchange(asked);
  if (isUpstreamFault(answer)) return `${answer.fault}:${answer.neverLeft}`;
  try {
    return `answer:${answer.status}:${await bodyText(answer)}`;
  } catch (thrown) {
    assert.ok(thrown instanceof UpstreamBroken);
    return `broken stream:${thrown.message}`;
  }
}

async function bodyText(answer: UpstreamResponse): Promise<string> {
  if (answer.body.kind === 'text') return answer.body.text;
  let whole = '';
  for await (const chunk of answer.body.chunks) whole += chunk;
  return whole;
}

interface TcpHost extends AsyncDisposable {
  readonly origin: string;
}

async function serveTcp(onConnection: (socket: Socket) => void): Promise<TcpHost> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { origin: `http://127.0.0.1:${address.port}`, [Symbol.asyncDispose]: close };
}

const expected: Readonly<Record<HostileKind, RegExp>> = {
  stalls: /^timeout:false$/,
  'stalls-in-json': /^timeout:false$/,
  'stalls-in-stream': /^broken stream:the caller gave up$/,
  'half-closes': /^broken:false$/,
  resets: /^broken:false$/,
  closes: /^broken:false$/,
  'floods-json': /^too_large:false$/,
  'floods-events': /^broken stream:the caller gave up$/,
  'floods-one-event': /^broken stream:an event of the stream is larger than 100000 bytes$/,
  'byte-by-byte-json': new RegExp(`^answer:200:.*${trickyText}`),
  'byte-by-byte-stream': new RegExp(`^answer:200:[^]*${trickyText}`),
  'bad-utf8': /^broken:false$/,
  'wrong-id': /^answer:200:.*not yours/,
  'duplicate-ids': /^answer:200:[^]*first[^]*second/,
  'not-json': /^answer:200:/,
  'not-http': /^broken:false$/,
  'wrong-content-type': /^answer:200:<h1>/,
  'no-answer-in-stream': /^answer:200:event: message/,
  'gigantic-headers': /^too_large:false$/,
  'status-500': /^answer:500:<h1>/,
  'status-401': /^answer:401:$/,
  redirects: /^broken:false$/,
  compressed: /^broken:false$/,
  empty: /^answer:200:$/,
};

describe('streamableUpstream meets servers that misbehave', () => {
  for (const kind of hostileKinds) {
    it(`reports what a server does that ${kind}`, async () => {
      await using upstream = streamableUpstream();
      await using server = await startHostileServer(kind, { from: 'first' });
      const abort = new AbortController();
      // Streams without an end are the caller's to leave.
      const endless = kind === 'stalls-in-stream' || kind === 'floods-events';
      if (endless) setTimeout(() => abort.abort(), 100);
      const timeoutMs = kind.startsWith('stalls') ? 200 : 5_000;
      const came = await outcome(upstream, request(server.url, { timeoutMs, signal: abort.signal }));
      assert.match(came, expected[kind]);
      assert.equal(server.misbehaviours(), 1);
      // A connection of which nobody knows what comes next is not kept; bad UTF-8 is a whole answer.
      const kept = came.startsWith('answer') || kind === 'bad-utf8';
      if (!kept) while ((await server.connections()) > 0) await settle();
    });
  }

  it('brings an event stream over whole, wherever its bytes are cut', async () => {
    const text = `event: message\ndata: ${JSON.stringify({ text: trickyText })}\n\n`;
    const bytes = Buffer.from(text);
    await using host = await serveHttp((asked, response) => {
      const at = Number(asked.headers['x-cut']);
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write(bytes.subarray(0, at), () => setImmediate(() => response.end(bytes.subarray(at))));
    });
    await using upstream = streamableUpstream();
    for (let at = 0; at <= bytes.length; at += 1) {
      const headers = { 'x-cut': String(at) };
      assert.equal(await outcome(upstream, request(host.origin, { headers })), `answer:200:${text}`);
    }
  });

  it('fails a stream that ends inside a character or without its last chunk', async () => {
    await using host = await serveHttp((asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (asked.url === '/cut') response.end(Buffer.from([0x64, 0xc3]));
      else response.write('data: 1\n\n', () => response.destroy());
    });
    await using upstream = streamableUpstream();
    assert.match(
      await outcome(upstream, request(`${host.origin}/cut`)),
      /^broken stream:.*inside a character/,
    );
    assert.match(
      await outcome(upstream, request(`${host.origin}/torn`)),
      /^broken stream:the connection ended/,
    );
  });
});

describe('streamableUpstream is certain only of what it knows', () => {
  it('does not say "never left" of a kept connection that is reset before the first byte', async () => {
    let [requests, sockets] = [0, 0];
    await using server = await serveTcp((socket) => {
      sockets += 1;
      socket.on('data', () => {
        requests += 1;
        if (requests === 1)
          socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
        else socket.resetAndDestroy();
      });
    });
    await using upstream = streamableUpstream();
    assert.equal(await outcome(upstream, request(server.origin)), 'answer:200:{}');
    // undici gives a connection back one turn of the loop after the answer.
    await settle();
    assert.equal(await outcome(upstream, request(server.origin)), 'broken:false');
    assert.deepEqual([requests, sockets], [2, 1]);
  });

  it('says "never left" of a request that waits for a connection until its time is up', async () => {
    await using upstream = streamableUpstream({ connectionsMax: 1, waitingMax: 1 });
    await using server = await startHostileServer('stalls', { from: 'first' });
    const abort = new AbortController();
    const running = outcome(upstream, request(server.url, { signal: abort.signal }));
    const waiting = outcome(upstream, request(server.url, { timeoutMs: 50 }));
    const full = outcome(upstream, request(server.url));
    assert.equal(await full, 'unreachable:true');
    assert.equal(await waiting, 'timeout:true');
    abort.abort();
    await running;
    assert.equal(server.misbehaviours() <= 1, true);
  });

  it('says "never left" of names without an address, odd endpoints and headers that HTTP cannot carry', async () => {
    await using upstream = streamableUpstream({ connectTimeoutMs: 2_000 });
    await using peer = await startScriptedHttpPeer({ does: 'echo' });
    for (const endpoint of [
      'http://nowhere.invalid/mcp',
      'ftp://127.0.0.1/',
      'no url',
      'http://user:word@127.0.0.1/',
    ]) {
      assert.equal(await outcome(upstream, request(endpoint)), 'unreachable:true', endpoint);
    }
    assert.equal(
      await outcome(upstream, request(peer.endpoint, { headers: { 'x-bad': 'a\r\nb: c' } })),
      'broken:true',
    );
    assert.equal(peer.received(), 0);
  });
});

describe('streamableUpstream guards addresses', () => {
  it('refuses metadata and link-local addresses in every spelling, without a packet', async () => {
    await using upstream = streamableUpstream();
    for (const host of [
      '169.254.169.254',
      '2852039166',
      '0xa9fea9fe',
      '[fe80::1]',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '0.0.0.0',
      '0',
      '[::]',
      'metadata.google.internal',
      'METADATA.google.internal.',
      'metadata',
    ]) {
      assert.equal(await outcome(upstream, request(`http://${host}:1/latest`)), 'refused_address:true', host);
    }
  });

  it('asks the rule about the resolved address of a name, and connects to no other', async () => {
    await using peer = await startScriptedHttpPeer({ does: 'echo' });
    const asked: string[] = [];
    const named = peer.endpoint.replace('127.0.0.1', 'localhost');
    const refuseAddress = (address: string): string | undefined => (asked.push(address), 'not today');
    await using strict = streamableUpstream({ refuseAddress });
    assert.equal(await outcome(strict, request(named)), 'refused_address:true');
    assert.equal(await outcome(strict, request(peer.endpoint)), 'refused_address:true');
    assert.ok(asked.length > 0 && asked.every((address) => address === '127.0.0.1' || address === '::1'));
    assert.equal(peer.received(), 0);
    await using lenient = streamableUpstream();
    assert.match(await outcome(lenient, request(named)), /^answer:200:/);
  });
});

describe('streamableUpstream and its connections', () => {
  it('names a redirect in the fault and does not follow it', async () => {
    await using upstream = streamableUpstream();
    await using server = await startHostileServer('redirects', { from: 'first' });
    const answer = await upstream.exchange(request(server.url));
    assert.ok(isUpstreamFault(answer));
    assert.equal(answer.detail, 'it answered 307, a redirect; redirects are not followed');
    assert.equal(server.misbehaviours(), 1);
  });

  it('keeps connections, and opens no more than it may', async () => {
    const sockets = new Set<unknown>();
    await using host = await serveHttp((asked, response) => {
      sockets.add(asked.socket);
      asked.resume().on('end', () => response.end('{}'));
    });
    await using upstream = streamableUpstream({ connectionsMax: 3 });
    await Promise.all(Array.from({ length: 40 }, () => outcome(upstream, request(host.origin))));
    assert.equal(sockets.size, 3);
  });

  it('lets no number of open streams hold up calls', async () => {
    let streams = 0;
    await using host = await serveHttp((asked, response) => {
      if (asked.method === 'POST') return void asked.resume().on('end', () => response.end('{}'));
      streams += 1;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return void response.write(': open\n\n');
    });
    await using upstream = streamableUpstream({ connectionsMax: 1, streamsMax: 2 });
    const get = { httpMethod: 'GET', headers: { accept: 'text/event-stream' } } as const;
    const { body: _body, ...bare } = request(host.origin, get);
    const open = await Promise.all([upstream.exchange(bare), upstream.exchange(bare)]);
    assert.ok(open.every((answer) => !isUpstreamFault(answer)));
    assert.equal(await outcome(upstream, bare), 'unreachable:true');
    assert.equal(await outcome(upstream, request(host.origin)), 'answer:200:{}');
    assert.equal(streams, 2);
  });

  it('counts listening POSTs as streams too', async () => {
    await using host = await serveHttp((asked, response) => {
      if (asked.headers['mcp-method'] !== 'subscriptions/listen')
        return void asked.resume().on('end', () => response.end('{}'));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      return void response.write(': open\n\n');
    });
    await using upstream = streamableUpstream({ connectionsMax: 1, streamsMax: 1 });
    const listen = request(host.origin, { headers: { 'mcp-method': 'subscriptions/listen' } });
    assert.ok(!isUpstreamFault(await upstream.exchange(listen)));
    assert.equal(await outcome(upstream, request(host.origin)), 'answer:200:{}');
  });

  it('stops reading a stream that nobody reads, and goes on when somebody does', async () => {
    const pieces = 200;
    let written = 0;
    await using host = await serveHttp((_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = (): void => {
        while (written < pieces) {
          written += 1;
          if (!response.write(`data: ${'x'.repeat(65_536)}\n\n`)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    await using upstream = streamableUpstream();
    const answer = await upstream.exchange(request(host.origin));
    assert.ok(!isUpstreamFault(answer) && answer.body.kind === 'stream');
    let before = -1;
    for (let quiet = 0; quiet < 20; quiet += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (before !== written) quiet = 0;
      before = written;
    }
    assert.ok(written < pieces, `the server could write all ${pieces} pieces`);
    assert.equal((await bodyText(answer)).length, pieces * (65_536 + 8));
  });

  it('closes the connection when the reader of a stream leaves', async () => {
    const closed = Promise.withResolvers<void>();
    await using host = await serveHttp((_asked, response) => {
      response.on('close', () => closed.resolve());
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    });
    await using upstream = streamableUpstream();
    const answer = await upstream.exchange(request(host.origin));
    assert.ok(!isUpstreamFault(answer) && answer.body.kind === 'stream');
    for await (const chunk of answer.body.chunks) {
      assert.equal(chunk, 'data: 1\n\n');
      break;
    }
    await closed.promise;
  });

  it('makes room for a new server by letting go of one that nobody uses', async () => {
    await using first = await startScriptedHttpPeer({ does: 'echo' });
    await using second = await startScriptedHttpPeer({ does: 'echo' });
    await using stuck = await startHostileServer('stalls', { from: 'first' });
    await using upstream = streamableUpstream({ originsMax: 1 });
    assert.match(await outcome(upstream, request(first.endpoint)), /^answer:200/);
    assert.match(await outcome(upstream, request(second.endpoint)), /^answer:200/);
    const running = outcome(upstream, request(stuck.url, { timeoutMs: 300 }));
    assert.equal(await outcome(upstream, request(first.endpoint)), 'unreachable:true');
    assert.equal(await running, 'timeout:false');
  });
});
