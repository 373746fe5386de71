/** Resource subscriptions of many sessions with one child: it is asked for each URI once, and each session hears of its own. */

interface Subscribed {
  readonly sessions: Set<string>;
  /** The child has said yes to one of them. */
  confirmed: boolean;
}

export class Subscriptions {
  readonly #byUri = new Map<string, Subscribed>();
  readonly #bySession = new Map<string, Set<string>>();
  readonly #urisMax: number;

  /** `urisMax` is for one session. */
  constructor(urisMax: number) {
    this.#urisMax = urisMax;
  }

  has(session: string): boolean {
    return this.#bySession.has(session);
  }

  /**
   * `held`: the child sends these updates already. `ask`: it has to be asked, and `confirm` or `drop` follows; updates reach
   * the session from now on, for the child may send one before it answers.
   */
  subscribe(session: string, uri: string): 'held' | 'ask' | 'too_many' {
    const own = this.#bySession.get(session) ?? new Set();
    if (!own.has(uri) && own.size >= this.#urisMax) return 'too_many';
    own.add(uri);
    this.#bySession.set(session, own);
    const known = this.#byUri.get(uri) ?? { sessions: new Set(), confirmed: false };
    known.sessions.add(session);
    this.#byUri.set(uri, known);
    return known.confirmed ? 'held' : 'ask';
  }

  confirm(uri: string): void {
    const known = this.#byUri.get(uri);
    if (known) known.confirmed = true;
  }

  /** The session does not want it any more. True where nobody does. */
  drop(session: string, uri: string): boolean {
    const own = this.#bySession.get(session);
    own?.delete(uri);
    if (own?.size === 0) this.#bySession.delete(session);
    const known = this.#byUri.get(uri);
    known?.sessions.delete(session);
    if (known && known.sessions.size > 0) return false;
    this.#byUri.delete(uri);
    return true;
  }

  /** The session is over. The URIs that nobody wants any more. */
  leave(session: string): string[] {
    const own = [...(this.#bySession.get(session) ?? [])];
    return own.filter((uri) => this.drop(session, uri));
  }

  /** An update may name a part of what was subscribed to (MCP 2025-11-25, "resources/updated"). */
  wants(session: string, uri: string): boolean {
    const own = this.#bySession.get(session);
    if (!own) return false;
    if (own.has(uri)) return true;
    for (const whole of own) if (isPart(uri, whole)) return true;
    return false;
  }

  forget(): void {
    this.#byUri.clear();
    this.#bySession.clear();
  }
}

function isPart(uri: string, whole: string): boolean {
  return uri.startsWith(whole) && (whole.endsWith('/') || '/?#'.includes(uri.charAt(whole.length)));
}
