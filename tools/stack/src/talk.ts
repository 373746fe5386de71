/** Says one thing to a TCP port of 127.0.0.1 and hears the first answer: how a server is asked whether it is ready. */

import { connect } from 'node:net';

const answerWithinMs = 1_000;

/** The first chunk that comes back, at most a second later; undefined when nobody answers. */
export async function ask(port: number, words: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(answerWithinMs, () => end(undefined));
    socket.once('error', () => end(undefined));
    socket.once('end', () => end(undefined));
    socket.once('data', (chunk: string) => end(chunk));
    if (words !== '') socket.once('connect', () => socket.write(words));
  });
}

/** True when something accepts connections on this port. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(answerWithinMs, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => end(true));
  });
}
