/** A feed of a scripted modern server, and everything that it says. */

import { isJsonObject, type Json, type JsonObject, type ListenFilter } from '@cruvero/core';
import type { FeedState, ListenOptions, SessionTerms } from './ask.ts';
import {
  answer,
  FakeStreams,
  modernScript,
  scene,
  termsOf,
  type Act,
  type Script,
  type Seen,
} from './fake-peer.fixture.ts';
import type { UpstreamLink } from './link.ts';

export const everything: ListenFilter = {
  lists: new Set(['tools', 'prompts', 'resources']),
  uris: [],
  taskIds: [],
};
export const alice = termsOf('alice');

export const filterOf = (seen: Seen): JsonObject => {
  const params = seen.message['params'];
  const filter = isJsonObject(params) ? params['notifications'] : undefined;
  return isJsonObject(filter) ? filter : {};
};
export const stamped = (seen: Seen, method: string, params: JsonObject = {}): Json => ({
  jsonrpc: '2.0',
  method,
  params: { ...params, _meta: { 'io.modelcontextprotocol/subscriptionId': seen.message['id'] ?? null } },
});
export const acknowledged = (seen: Seen, filter: Json = filterOf(seen)): Json =>
  stamped(seen, 'notifications/subscriptions/acknowledged', { notifications: filter });

/** Streams that are acknowledged at once, unless the test takes that over. */
export class Listens extends FakeStreams {
  acknowledges = true;
  readonly listen: Script = (seen) => {
    const response = this.script(seen);
    if (this.acknowledges) this.opened.at(-1)?.stream.send(acknowledged(seen));
    return response;
  };
  say(at: number, method: string, params: JsonObject = {}): void {
    this.at(at).send(stamped(this.seen(at), method, params));
  }
  update(at: number, uri: string): void {
    this.say(at, 'notifications/resources/updated', { uri });
  }
}

export function stage(act?: (seen: Seen) => Act | undefined, bounds = {}) {
  const listens = new Listens();
  const script = modernScript((seen) =>
    seen.method === 'subscriptions/listen'
      ? (act?.(seen) ?? listens.listen(seen))
      : answer(seen, { resultType: 'complete' }),
  );
  return { ...scene(script, bounds), listens };
}

export function listen(
  link: UpstreamLink,
  filter = everything,
  options: ListenOptions = {},
  terms: SessionTerms = alice,
) {
  const heard: JsonObject[] = [];
  const states: FeedState[] = [];
  let gaps = 0;
  const feed = link.listen(
    terms,
    filter,
    {
      onNotification: (one) => heard.push(JSON.parse(one) as JsonObject),
      onState: (state) => states.push(state),
      onGap: () => (gaps += 1),
    },
    options,
  );
  const at = (): readonly string[] => states.map((state) => state.at);
  return { feed, heard, states, at, gaps: () => gaps };
}

export const uris = (heard: readonly JsonObject[]): readonly (Json | undefined)[] =>
  heard.map(({ params }) => (isJsonObject(params) ? params['uri'] : undefined));
