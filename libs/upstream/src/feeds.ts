/** The feeds of one link: each made of what the server's era needs. */

import type { Fault, ListenFilter, Reply, ServerFace } from '@cruvero/core';
import type { Feed, ListenEvents, ListenOptions, SessionTerms } from './ask.ts';
import { upstreamBroken } from './faults.ts';
import { LegacyHearing } from './feed-legacy.ts';
import { ModernHearing, type OpenStream } from './feed-modern.ts';
import { LiveFeed } from './feed.ts';
import type { Hearing, HearingEvents } from './hearing.ts';
import type { Legacy } from './legacy.ts';
import { openListenStream } from './listen-stream.ts';
import type { Modern } from './modern.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { Wanted } from './wanted.ts';

export interface FeedsParts {
  readonly peer: Peer;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly legacy: Legacy;
  readonly modern: Modern;
  readonly nextIdText: () => string;
  readonly face: () => Promise<ServerFace | Fault>;
  readonly forgetFace: () => void;
}

export class Feeds {
  readonly #parts: FeedsParts;
  readonly #open = new Map<Feed, ListenEvents>();
  #closed = false;

  constructor(parts: FeedsParts) {
    this.#parts = parts;
  }

  open(terms: SessionTerms, filter: ListenFilter, events: ListenEvents, options: ListenOptions): Feed {
    const { bounds, ports, face, forgetFace } = this.#parts;
    const wanted = new Wanted(filter);
    const feed = new LiveFeed({
      events,
      clock: ports.clock,
      random: ports.random,
      unsupportedMs: bounds.faceAgeMs,
      face,
      forgetFace,
      hearing: (found, told) =>
        found.era === 'modern'
          ? this.#modern(found, terms, wanted, told, options)
          : this.#legacy(terms, wanted, told, events),
      onClosed: () => this.#open.delete(feed),
    });
    this.#open.set(feed, events);
    if (this.#closed) feed.close();
    else void feed.run();
    return feed;
  }

  close(): void {
    this.#closed = true;
    for (const [feed, events] of [...this.#open]) {
      feed.close();
      events.onOver?.();
    }
  }

  #legacy(terms: SessionTerms, wanted: Wanted, told: HearingEvents, events: ListenEvents): Hearing {
    const { peer, legacy, ports } = this.#parts;
    const onRequest = events.onRequest?.bind(events);
    return new LegacyHearing({ peer, legacy, terms, wanted, events: told, onRequest, clock: ports.clock });
  }

  #modern(
    face: ServerFace,
    terms: SessionTerms,
    wanted: Wanted,
    told: HearingEvents,
    options: ListenOptions,
  ): Hearing {
    const { peer, bounds, ports, modern, nextIdText } = this.#parts;
    const capabilities = options.capabilities ?? {};
    const open: OpenStream = (filter, signal, onNotification) => {
      const idText = nextIdText();
      const envelope = modern.listening(filter, face.version, idText, capabilities, terms.clientInfo);
      return openListenStream({ peer, envelope, idText, signal, bounds, ports, onNotification });
    };
    const refused = (reply: Reply): Fault =>
      upstreamBroken(peer, `it refused subscriptions/listen: ${reply.text.slice(0, 200)}`);
    return new ModernHearing({ open, clock: ports.clock, wanted, events: told, refused });
  }
}
