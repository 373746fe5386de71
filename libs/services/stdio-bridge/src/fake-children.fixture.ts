/** Children that a test plays itself: what is written to them is answered by a function. */

import type { Child, ChildCommand, ChildEvents, ChildExit, Children } from '@cruvero/ports';

export interface Spoken {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly [key: string]: unknown; readonly _meta?: Readonly<Record<string, unknown>> };
  readonly result?: unknown;
  readonly error?: { readonly code: number };
}

/** Called for every line that the child gets. */
export type Behaviour = (child: FakeChild, message: Spoken) => void;

export class FakeChild implements Child {
  readonly pid: number;
  readonly command: ChildCommand;
  readonly lines: string[] = [];
  readonly #events: ChildEvents;
  readonly #behaviour: Behaviour;
  #exit: ChildExit | undefined;
  /** False: it does not read its stdin. */
  takes = true;

  constructor(pid: number, command: ChildCommand, events: ChildEvents, behaviour: Behaviour) {
    this.pid = pid;
    this.command = command;
    this.#events = events;
    this.#behaviour = behaviour;
  }

  get messages(): Spoken[] {
    return this.lines.map((line) => JSON.parse(line) as Spoken);
  }

  /** Messages of this method that came so far. */
  got(method: string): Spoken[] {
    return this.messages.filter((message) => message.method === method);
  }

  writeLine(line: string): boolean {
    if (this.#exit || !this.takes) return false;
    this.lines.push(line);
    setImmediate(() => {
      if (!this.#exit) this.#behaviour(this, JSON.parse(line) as Spoken);
    });
    return true;
  }

  say(message: object | string): void {
    this.#events.onLine(typeof message === 'string' ? message : JSON.stringify(message));
  }

  result(message: Spoken, result: unknown): void {
    this.say({ jsonrpc: '2.0', id: message.id, result });
  }

  error(message: Spoken, code: number, text = 'no'): void {
    this.say({ jsonrpc: '2.0', id: message.id, error: { code, message: text } });
  }

  complain(text: string): void {
    this.#events.onStderr(text);
  }

  die(exit: ChildExit = { code: null, signal: 'SIGKILL' }): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#events.onExit(exit);
  }

  stop(): Promise<ChildExit> {
    setImmediate(() => this.die({ code: 0, signal: null }));
    return Promise.resolve({ code: 0, signal: null });
  }

  get alive(): boolean {
    return this.#exit === undefined;
  }

  usage() {
    return { rssBytes: 64 << 20, cpuMs: 1_500 };
  }
}

export class FakeChildren implements Children {
  readonly all: FakeChild[] = [];
  behaviour: Behaviour;

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
  }

  get last(): FakeChild {
    const last = this.all.at(-1);
    if (!last) throw new Error('no child was spawned');
    return last;
  }

  spawn(command: ChildCommand, events: ChildEvents): Child {
    const child = new FakeChild(1_000 + this.all.length, command, events, this.behaviour);
    this.all.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.all) child.die();
  }
}

export const echoTool = { name: 'echo', inputSchema: { type: 'object', zulu: 1, alpha: 2 } };

/** A server of the year 2025; `more` sees what the handshake does not use up, and answers it or not. */
export function legacyServer(
  more: Behaviour = () => undefined,
  capabilities: object = { tools: { listChanged: true } },
): Behaviour {
  return (child, message) => {
    switch (message.method) {
      case 'initialize':
        return child.result(message, {
          protocolVersion: '2025-11-25',
          capabilities,
          serverInfo: { name: 'fake', version: '1.2.3' },
          extra: 12345678901234567890n.toString(),
        });
      case 'server/discover':
        return child.error(message, -32601);
      case 'tools/list':
        return child.result(message, { tools: [echoTool] });
      case 'notifications/initialized':
      case undefined:
        return;
      default:
        more(child, message);
    }
  };
}

/** A server of 2026-07-28. */
export function modernServer(more: Behaviour = () => undefined): Behaviour {
  return (child, message) => {
    switch (message.method) {
      case 'server/discover':
        return child.result(message, {
          resultType: 'complete',
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {} },
          ttlMs: 0,
          cacheScope: 'public',
        });
      case 'tools/list':
        return child.result(message, { resultType: 'complete', tools: [echoTool] });
      default:
        more(child, message);
    }
  };
}

/** Answers calls with their own arguments. */
export const echoes: Behaviour = (child, message) => {
  if (message.method === 'tools/call')
    child.result(message, { content: [], echoed: message.params?.['arguments'] });
};
