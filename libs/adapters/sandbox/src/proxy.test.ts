/** The proxy of a run, asked directly at its socket: what it lets through, what it refuses, and where it ends. */

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { createSocket } from 'node:dgram';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readAllowedHost, type Log } from '@cruvero/ports';
import { openProxy } from './proxy.ts';
import type { NetworkOptions } from './proxy-rules.ts';

interface Line {
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A proxy with its log and two servers of the machine: one that speaks HTTP, one that gives back what it gets. */
async function world(entries: readonly string[], more: Partial<NetworkOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cruvero-proxy-'));
  const lines: Line[] = [];
  const write = (message: string, fields?: object): void => void lines.push({ message, ...fields });
  const log: Log = { debug: write, info: write, warn: write, error: write, with: () => log };
  const asked: { readonly url: string | undefined; readonly headers: IncomingHttpHeaders }[] = [];
  const web = createHttpServer(({ url, headers }, response) => {
    asked.push({ url, headers });
    response.end('hello from outside');
  });
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  for (const server of [web, echo]) await once(server.listen(0, '127.0.0.1'), 'listening');
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
  const [webPort, echoPort] = [portOf(web), portOf(echo)];
  const allowed = entries.map((text) => {
    const entry = readAllowedHost(text.replace('WEB', String(webPort)).replace('ECHO', String(echoPort)));
    return 'problem' in entry ? assert.fail(text) : entry;
  });
  const network: NetworkOptions = { allowed, connectionsMax: 4, bytesMax: 1 << 20, ...more };
  const proxy = await openProxy({ network, folder, run: 'run-1', uid: undefined, log });
  return {
    ...{ proxy, lines, asked, folder, webPort, echoPort },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      web.closeAllConnections();
      web.close();
      echo.close();
      assert.deepEqual(readdirSync(folder), [], 'a socket is left');
      rmSync(folder, { recursive: true });
    },
  };
}

/** A listed host that says always the same, and hears requests as they are on the wire. */
async function rawHost(requestEnd: RegExp, answer: string) {
  let heard = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => {
      heard += piece.toString('latin1');
      if (requestEnd.test(heard)) socket.write(answer);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    takeHeard: (): string => {
      const text = heard;
      heard = '';
      return text;
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

/** Answers questions for IPv4 addresses (RFC 1035 §4), others with none. */
async function nameServer(records: Readonly<Record<string, readonly number[]>>) {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
      labels.push(message.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const record = records[labels.join('.').toLowerCase()];
    const address = message.readUInt16BE(at + 1) === 1 ? record : undefined;
    const head = Buffer.from([
      ...message.subarray(0, 2),
      0x81,
      record ? 0x80 : 0x83,
      0,
      1,
      0,
      address ? 1 : 0,
      0,
      0,
      0,
      0,
    ]);
    const answer = address ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address] : [];
    socket.send(
      Buffer.concat([head, message.subarray(12, at + 5), Buffer.from(answer)]),
      from.port,
      from.address,
    );
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

async function open(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes back, to the end. */
async function say(path: string, text: string): Promise<string> {
  const socket = await open(path);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.write(text);
  // A request whose sender has left is given up; a tunnel is told that one end has said all.
  if (text.startsWith('CONNECT')) socket.end();
  await once(socket, 'close');
  return Buffer.concat(pieces).toString('latin1');
}

const tunnel = (to: string, rest = ''): string => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n${rest}`;
const get = (url: string, more = ''): string =>
  `GET ${url} HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n${more}\r\n`;

describe('the proxy of a run', { timeout: 30_000 }, () => {
  it('joins a tunnel to a listed address, both ends told apart, and says so in the log', async () => {
    await using it = await world(['127.0.0.1:ECHO']);
    const said = await say(it.proxy.path, tunnel(`127.0.0.1:${it.echoPort}`, 'there and back'));
    assert.equal(said, 'HTTP/1.1 200 Connection Established\r\n\r\nthere and back');
    const [line] = it.lines;
    assert.deepEqual(
      [line?.message, line?.['run'], line?.['host']],
      ['a run was let through to a host', 'run-1', `127.0.0.1:${it.echoPort}`],
    );
  });

  it('passes plain requests on to the host of the address line, without what belongs to one hop', async () => {
    await using it = await world(['127.0.0.1:WEB']);
    const more = 'Proxy-Authorization: Basic c2VjcmV0\r\nX-Mine: 1\r\n';
    const said = await say(it.proxy.path, get(`http://127.0.0.1:${it.webPort}/a?b=c`, more));
    assert.match(said, /^HTTP\/1\.1 200 OK\r\n[^]*hello from outside/);
    const [asked] = it.asked;
    assert.equal(asked?.url, '/a?b=c');
    assert.equal(asked.headers.host, `127.0.0.1:${it.webPort}`);
    assert.deepEqual([asked.headers['x-mine'], asked.headers['proxy-authorization']], ['1', undefined]);
  });

  it('refuses every other host, port and notation with 403 or 400, and logs each', async () => {
    await using it = await world(['127.0.0.1:ECHO', '*.example.com:443']);
    const others = [
      '127.0.0.1:1',
      `localhost:${it.echoPort}`,
      '169.254.169.254:80',
      'example.com:443',
      '1.1.1.1:443',
    ];
    for (const to of [...others, `[::ffff:127.0.0.1]:${it.echoPort}`, `[::1]:${it.echoPort}`])
      assert.match(await say(it.proxy.path, tunnel(to)), /^HTTP\/1\.1 403 [^]*not in the list/, to);
    for (const to of [
      `127.1:${it.echoPort}`,
      `2130706433:${it.echoPort}`,
      `0x7f.1:${it.echoPort}`,
      'a@b:1',
      'x',
    ])
      assert.match(await say(it.proxy.path, tunnel(to)), /^HTTP\/1\.1 400 /, to);
    for (const url of [`http://127.0.0.1:${it.webPort}/`, 'http://x@169.254.169.254/latest/meta-data/'])
      assert.match(await say(it.proxy.path, get(url)), /^HTTP\/1\.1 403 /, url);
    for (const url of ['/', 'ftp://127.0.0.1/', 'https://a.example.com/', '*'])
      assert.match(await say(it.proxy.path, get(url)), /^HTTP\/1\.1 400 /, url);
    assert.equal(it.lines.filter(({ message }) => message === 'a run was refused a host').length, 18);
    assert.deepEqual(it.asked, []);
  });

  it('refuses listed names that lead inside, and one bad address among good ones', async () => {
    for (const addresses of [
      ['127.0.0.1'],
      ['169.254.169.254'],
      ['10.0.0.1'],
      ['::1'],
      ['1.1.1.1', 'fd00::1'],
    ]) {
      await using it = await world(['name.test:443'], { resolve: () => Promise.resolve(addresses) });
      const said = await say(it.proxy.path, tunnel('name.test:443'));
      assert.match(said, /^HTTP\/1\.1 403 [^]*name\.test:443 leads to [^]*are refused/, addresses.join());
    }
  });

  it('asks for a name once and connects to that answer, so a name that turns round gains nothing', async () => {
    let asked = 0;
    const resolve = (): Promise<readonly string[]> =>
      Promise.resolve((asked += 1) === 1 ? ['127.0.0.1'] : ['169.254.169.254']);
    await using it = await world(['name.test:ECHO', '127.0.0.1:ECHO'], { resolve });
    const to = `name.test:${it.echoPort}`;
    assert.match(await say(it.proxy.path, tunnel(to, 'one')), /one$/);
    assert.equal(asked, 1);
    assert.match(await say(it.proxy.path, tunnel(to, 'two')), /^HTTP\/1\.1 403 /);
    assert.equal(asked, 2);
  });

  it('asks name servers itself, and judges what they answer', async () => {
    await using names = await nameServer({ 'good.test': [127, 0, 0, 1], 'bad.test': [169, 254, 169, 254] });
    const entries = ['good.test:ECHO', 'bad.test:ECHO', 'none.test:ECHO', '127.0.0.1:ECHO'];
    await using it = await world(entries, { nameServers: [names.address] });
    const ask = (name: string): Promise<string> =>
      say(it.proxy.path, tunnel(`${name}:${it.echoPort}`, 'asked'));
    assert.match(await ask('good.test'), /^HTTP\/1\.1 200 [^]*asked$/);
    assert.match(await ask('bad.test'), /^HTTP\/1\.1 403 [^]*leads to 169\.254\.169\.254/);
    assert.match(await ask('none.test'), /^HTTP\/1\.1 502 [^]*has no address/);
  });

  it('says where a body ends, whatever the method', async () => {
    const end = /\r\n\r\nhello$|\r\n0\r\n\r\n$/;
    await using host = await rawHost(end, 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    await using it = await world([`127.0.0.1:${host.port}`]);
    for (const method of ['GET', 'DELETE', 'POST']) {
      for (const [more, framing, body] of [
        ['close', 'Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
        ['close, content-length', 'Content-Length: 5', 'hello'],
      ] as const) {
        const head = `${method} http://127.0.0.1:${host.port}/ HTTP/1.1\r\nHost: x\r\nConnection: ${more}`;
        const said = await say(it.proxy.path, `${head}\r\n${framing}\r\n\r\n${body}`);
        assert.match(said, /^HTTP\/1\.1 200 /, method);
        const [fields, ...rest] = host.takeHeard().split('\r\n\r\n');
        assert.match(fields ?? '', new RegExp(`^${framing}$`, 'im'), method);
        assert.equal(rest.join('\r\n\r\n'), body, method);
      }
    }
  });

  it('passes on nothing that hides behind a refused request', async () => {
    await using it = await world(['127.0.0.1:WEB']);
    const hidden = get(`http://127.0.0.1:${it.webPort}/hidden`);
    await say(it.proxy.path, `${tunnel('127.0.0.1:1')}${hidden}`);
    await say(
      it.proxy.path,
      get('http://10.0.0.1/', `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`) + hidden,
    );
    assert.deepEqual(it.asked, []);
  });

  it('bounds connections at one time and bytes in all', async () => {
    await using it = await world(['127.0.0.1:ECHO'], { connectionsMax: 1, bytesMax: 10_000 });
    const to = tunnel(`127.0.0.1:${it.echoPort}`);
    const first = await open(it.proxy.path);
    first.write(to);
    await once(first, 'data');
    assert.match(await say(it.proxy.path, to), /^HTTP\/1\.1 429 [^]*1 connections are open already/);
    first.write('x'.repeat(20_000));
    first.resume();
    await once(first, 'close');
    await assert.rejects(open(it.proxy.path), 'it still listens');
    assert.ok(
      it.lines.some(({ message, what }) => message.endsWith('used up its network') && what === 'bytes'),
    );
  });

  it('holds a bounded number of connections of a run, whatever they are for', async () => {
    await using it = await world(['127.0.0.1:ECHO']);
    const held = await Promise.all(Array.from({ length: 100 }, () => open(it.proxy.path)));
    const gone = held.map((socket) => once(socket.resume(), 'close'));
    await Promise.all(gone.slice(64));
    assert.equal(held.filter((socket) => !socket.destroyed).length, 64);
    for (const socket of held) socket.destroy();
    await Promise.all(gone);
    const to = tunnel(`127.0.0.1:${it.echoPort}`, 'next');
    assert.match(await say(it.proxy.path, to), /next$/);
  });

  it('outlives callers that go away in the middle', async () => {
    const lookups = new EventEmitter();
    const resolve = (): Promise<readonly string[]> =>
      new Promise((answer) => lookups.emit('asked', () => answer(['127.0.0.1'])));
    await using it = await world(['name.test:ECHO', 'name.test:WEB', '127.0.0.1:ECHO', '127.0.0.1:WEB'], {
      resolve,
    });
    const requests = [
      tunnel(`name.test:${it.echoPort}`, 'x'),
      get(`http://name.test:${it.webPort}/`),
      get(`http://name.test:${it.echoPort}/`, 'Content-Length: 100\r\n'),
    ];
    for (const text of requests) {
      const socket = await open(it.proxy.path);
      const asked: Promise<(() => void)[]> = once(lookups, 'asked');
      socket.write(text);
      const [answer] = await asked;
      socket.destroy();
      answer?.();
    }
    assert.match(await say(it.proxy.path, tunnel(`127.0.0.1:${it.echoPort}`, 'still here')), /still here$/);
  });

  it('lives as long as its run: open connections end with it, and its socket is gone', async () => {
    const it = await world(['127.0.0.1:ECHO']);
    const socket = await open(it.proxy.path);
    socket.write(tunnel(`127.0.0.1:${it.echoPort}`));
    await once(socket, 'data');
    assert.equal(statSync(it.proxy.path).mode & 0o777, 0o600);
    const closed = once(socket.resume(), 'close');
    await it[Symbol.asyncDispose]();
    await closed;
    assert.ok(!existsSync(it.proxy.path));
    assert.equal(it.lines.at(-1)?.message, 'the network of a run has ended');
  });

  it('outlives answers that are none', async () => {
    await using it = await world(['127.0.0.1:1', '127.0.0.1:ECHO']);
    assert.match(await say(it.proxy.path, tunnel('127.0.0.1:1')), /^HTTP\/1\.1 502 /);
    assert.match(await say(it.proxy.path, get(`http://127.0.0.1:${it.echoPort}/`)), /^HTTP\/1\.1 502 /);
    assert.match(await say(it.proxy.path, 'no HTTP at all\r\n\r\n'), /^HTTP\/1\.1 400 /);
    const changing = 'HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';
    await using host = await rawHost(/\r\n\r\n$/, changing);
    await using other = await world([`127.0.0.1:${host.port}`]);
    const changed = await say(other.proxy.path, get(`http://127.0.0.1:${host.port}/`));
    assert.match(changed, /^HTTP\/1\.1 502 /, 'an answer in another protocol');
    assert.match(await say(it.proxy.path, tunnel(`127.0.0.1:${it.echoPort}`, 'still here')), /still here$/);
  });
});
