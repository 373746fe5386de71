/** A feed of a scripted legacy server, and everything that it says. */

import type { ListenFilter, Reply } from '@cruvero/core';
import type { FeedState, SessionTerms } from './ask.ts';
import { FakeStreams, legacyScript, scene, termsOf, type Script } from './fake-peer.fixture.ts';
import type { UpstreamLink } from './link.ts';

export const changed = (list: string) => ({ jsonrpc: '2.0', method: `notifications/${list}/list_changed` });
export const updated = (uri: string) => ({
  jsonrpc: '2.0',
  method: 'notifications/resources/updated',
  params: { uri },
});
export const everything: ListenFilter = {
  lists: new Set(['tools', 'prompts', 'resources']),
  uris: [],
  taskIds: [],
};
export const nothing: ListenFilter = { lists: new Set(), uris: [], taskIds: [] };
export const alice = termsOf('alice');

/** A feed, and everything it said. */
export function listen(
  link: UpstreamLink,
  terms: SessionTerms = alice,
  filter = everything,
  onRequest?: () => Promise<Reply>,
) {
  const heard: string[] = [];
  const states: FeedState['at'][] = [];
  const faults: FeedState[] = [];
  let gaps = 0;
  const feed = link.listen(terms, filter, {
    onNotification: (one) => heard.push(one),
    onState: (state) => {
      states.push(state.at);
      faults.push(state);
    },
    onGap: () => (gaps += 1),
    ...(onRequest ? { onRequest } : {}),
  });
  return { feed, heard, states, faults, gaps: () => gaps };
}

export function stage(serve?: Script, listening?: Script, bounds = {}, capabilities?: object) {
  const gets = new FakeStreams();
  const script = legacyScript(serve, {
    listen: listening ?? gets.script,
    ...(capabilities ? { capabilities: capabilities as never } : {}),
  });
  return { ...scene(script, bounds), script, gets };
}

export const paramsOf = (peer: ReturnType<typeof stage>['peer'], method: string) =>
  peer.seen
    .filter((seen) => seen.method === method)
    .map(({ message, session }) => [session, message['params']]);
