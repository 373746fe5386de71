/** What one run may ask of its proxy: which hosts, at which addresses, how often, how many bytes; and the lines of the log. */

import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { isAllowedHost, type AllowedHost, type HostAndPort, type Log } from '@cruvero/ports';
import { refuseAddress } from './addresses.ts';

export interface NetworkOptions {
  /** Empty: there is no network. */
  readonly allowed: readonly AllowedHost[];
  /** Open at one time. */
  readonly connectionsMax: number;
  /** Of one run, both directions together. */
  readonly bytesMax: number;
  /** As `address:port`; those of the machine unless said. */
  readonly nameServers?: readonly string[];
  /** Addresses of a name; what the name servers answer unless said. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

export interface Refused {
  readonly status: 400 | 403 | 429 | 502;
  /** For the program, as a sentence. */
  readonly reason: string;
}

export interface Target extends HostAndPort {
  /** Each was looked at; at least one. */
  readonly addresses: readonly { readonly address: string; readonly family: number }[];
  /** `host:port`. */
  readonly said: string;
  /** Makes room for the next. Any number of times. */
  done(): void;
}

/** Of one run in all; whoever has used them up has no network any more. */
const connectionsInAllMax = 2_000;
const linesMax = 200;

export class ProxyRules {
  readonly #options: NetworkOptions;
  readonly #run: string;
  readonly #log: Log | undefined;
  readonly #onUsedUp: () => void;
  readonly #resolver = new Resolver({ timeout: 2_000, tries: 2 });
  #open = 0;
  #connections = 0;
  #allowed = 0;
  #refused = 0;
  #bytes = 0;
  over = false;

  constructor(options: NetworkOptions, run: string, log: Log | undefined, onUsedUp: () => void) {
    this.#options = options;
    this.#run = run;
    this.#log = log;
    this.#onUsedUp = onUsedUp;
    if (options.nameServers) this.#resolver.setServers([...options.nameServers]);
  }

  countConnection(): void {
    this.#connections += 1;
    if (this.#connections > connectionsInAllMax) this.#useUp('connections');
  }

  /** Watches what is read of it, without asking for it. */
  count(stream: Readable): void {
    stream.on('data', (piece: Buffer) => {
      this.#bytes += piece.length;
      if (this.#bytes > this.#options.bytesMax) this.#useUp('bytes');
    });
    stream.pause();
  }

  #useUp(what: 'bytes' | 'connections'): void {
    if (this.over) return;
    this.over = true;
    this.#log?.warn('a run has used up its network', { run: this.#run, what });
    this.#onUsedUp();
  }

  /** Where it may connect to, or why not. Every answer is in the log. */
  async admit(to: HostAndPort | undefined): Promise<Target | Refused> {
    if (!to) {
      const reason = 'This is a proxy: ask it with CONNECT host:port or for http://host/….';
      return this.#refuse({ status: 400, reason }, '');
    }
    const said = `${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port}`;
    const { allowed, connectionsMax } = this.#options;
    if (!isAllowedHost(allowed, to))
      return this.#refuse({ status: 403, reason: `${said} is not in the list of allowed hosts.` }, said);
    if (this.#open >= connectionsMax) {
      const reason = `${connectionsMax} connections are open already.`;
      return this.#refuse({ status: 429, reason }, said);
    }
    this.#open += 1;
    let isDone = false;
    const done = (): void => {
      if (!isDone) this.#open -= 1;
      isDone = true;
    };
    const found = await this.#addressesOf(to, said);
    if ('status' in found || this.over) {
      done();
      return this.#refuse('status' in found ? found : { status: 403, reason: 'The run is over.' }, said);
    }
    this.#allowed += 1;
    this.#line('info', 'a run was let through to a host', { host: said, address: found[0]?.address ?? '' });
    return { ...to, said, addresses: found, done };
  }

  async #addressesOf({ host, port }: HostAndPort, said: string): Promise<Target['addresses'] | Refused> {
    const addresses = isIP(host) === 0 ? await this.#resolve(host) : [host];
    if (addresses.length === 0) return { status: 502, reason: `${said} has no address.` };
    // One bad address among several refuses them all.
    for (const address of addresses) {
      const wrong = refuseAddress(address, port, this.#options.allowed);
      if (wrong !== undefined) return { status: 403, reason: `${said} leads to ${address}: ${wrong}.` };
    }
    return addresses.map((address) => ({ address, family: isIP(address) }));
  }

  async #resolve(name: string): Promise<readonly string[]> {
    const { resolve } = this.#options;
    if (resolve) return resolve(name).catch(() => []);
    const answers = await Promise.allSettled([this.#resolver.resolve4(name), this.#resolver.resolve6(name)]);
    return answers.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  }

  #refuse(refused: Refused, said: string): Refused {
    this.#refused += 1;
    const { status, reason } = refused;
    this.#line('warn', 'a run was refused a host', { host: said, status, reason });
    return refused;
  }

  /** A run cannot fill the log. */
  #line(level: 'info' | 'warn', message: string, fields: Readonly<Record<string, string | number>>): void {
    if (this.#allowed + this.#refused <= linesMax) this.#log?.[level](message, { run: this.#run, ...fields });
  }

  /** Once, when the run is over. */
  end(): void {
    this.over = true;
    this.#resolver.cancel();
    if (this.#connections === 0) return;
    const counts = { allowed: this.#allowed, refused: this.#refused, bytes: this.#bytes };
    this.#log?.info('the network of a run has ended', { run: this.#run, ...counts });
  }
}
