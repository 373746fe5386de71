/** What every Listener adapter must do. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import type { HttpHandler, Listener } from '../listener.ts';

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly headersBytesMax?: number;
  readonly connectionsMax?: number;
}

const loopback = { host: '127.0.0.1', port: 0 };
const hello: HttpHandler = (_request, response) => void response.end('hello');

/** Many answers at a time on kept connections, as a client library does it. */
function get(url: string, agent?: Agent): Promise<IncomingMessage & { text: string }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(url, agent ? { agent } : {}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve(Object.assign(response, { text })));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}

export function listenerContract(name: string, open: (options: ListenerOptions) => Listener): void {
  describe(`${name} keeps the Listener contract`, () => {
    bindingContract(open);
    boundsContract(open);
    closingContract(open);
  });
}

type Open = (options: ListenerOptions) => Listener;

function bindingContract(open: Open): void {
  it('serves at the URL with the port that was really bound', async () => {
    const listening = await open(loopback).listen(hello);
    assert.ok(listening.port > 0);
    assert.equal(listening.url, `http://127.0.0.1:${listening.port}`);
    assert.equal((await get(listening.url)).text, 'hello');
    await listening.close(0);
  });

  it('rejects with a sentence that names the address where the port is taken', async () => {
    const first = await open(loopback).listen(hello);
    const second = open({ ...loopback, port: first.port }).listen(hello);
    await assert.rejects(second, (error: Error) => error.message.includes(`127.0.0.1:${first.port}`));
    await first.close(0);
  });

  it('takes the same port again after it was closed', async () => {
    const first = await open(loopback).listen(hello);
    await first.close(0);
    const second = await open({ ...loopback, port: first.port }).listen(hello);
    assert.equal((await get(second.url)).text, 'hello');
    await second.close(0);
  });
}

function boundsContract(open: Open): void {
  it('answers a head over the bound with 431', async () => {
    const listening = await open({ ...loopback, headersBytesMax: 4_096 }).listen(hello);
    const socket = connect(listening.port, '127.0.0.1');
    socket.write(`GET / HTTP/1.1\r\nhost: a\r\nx-long: ${'x'.repeat(8_192)}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 431 /);
    socket.destroy();
    await listening.close(0);
  });

  it('closes connections over the number that it keeps', async () => {
    const listening = await open({ ...loopback, connectionsMax: 1 }).listen(hello);
    const first = connect(listening.port, '127.0.0.1');
    first.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(first, 'data');
    const second = connect(listening.port, '127.0.0.1');
    second.on('error', () => undefined);
    await once(second, 'close');
    first.destroy();
    await listening.close(0);
  });
}

function closingContract(open: Open): void {
  it('lets a running request end, tells it to close, and takes no new one', async () => {
    let answer: (() => void) | undefined;
    const asked = Promise.withResolvers<void>();
    const listening = await open(loopback).listen((_request, response) => {
      answer = () => void response.end('late');
      asked.resolve();
    });
    const agent = new Agent({ keepAlive: true });
    const running = get(listening.url, agent);
    await asked.promise;
    const closed = listening.close(10_000);
    await assert.rejects(get(listening.url), /ECONNREFUSED/);
    answer?.();
    const response = await running;
    assert.deepEqual([response.text, response.headers.connection], ['late', 'close']);
    await closed;
    agent.destroy();
  });

  it('ends idle kept connections at once', async () => {
    const listening = await open(loopback).listen(hello);
    const idle = connect(listening.port, '127.0.0.1');
    idle.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(idle, 'data');
    const ended = once(idle, 'close');
    await listening.close(60_000);
    await ended;
  });

  it('destroys what is left after the grace', async () => {
    const listening = await open(loopback).listen((_request, response) => void response.write('endless'));
    const socket = connect(listening.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(socket, 'data');
    socket.on('error', () => undefined);
    const ended = once(socket, 'close');
    await listening.close(50);
    await ended;
  });

  it('may be closed twice', async () => {
    const listening = await open(loopback).listen(hello);
    await Promise.all([listening.close(0), listening.close(0)]);
    await listening.close(0);
  });
}
