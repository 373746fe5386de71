/** Children that ask before they answer, and clients that can be asked. */

import type { BridgeBounds } from './bounds.ts';
import { legacyServer, type Behaviour, type FakeChild, type Spoken } from './fake-children.fixture.ts';
import { rig, type Rig, type Told } from './rig.fixture.ts';

export const asking = { elicitation: {}, sampling: {}, roots: { listChanged: true } };

/** Asks before it answers a call; answers with what it was answered. Every child uses the id 1, and the call's name in params. */
export const asks: Behaviour = (child, message) => {
  if (message.method === 'tools/call') {
    waiting.set(child, message);
    child.say({
      jsonrpc: '2.0',
      id: 1,
      method: 'elicitation/create',
      params: { message: message.params?.['name'] },
    });
  } else if (message.method === undefined && message.id === 1) {
    const asked = waiting.get(child);
    if (asked) child.result(asked, { answered: message.result ?? message.error });
  }
};
const waiting = new WeakMap<FakeChild, Spoken>();

export const server = (more: Behaviour): Behaviour => {
  const plain = legacyServer(more);
  return (child, message) => (message.method === undefined ? more(child, message) : plain(child, message));
};

export const say = (method: string, params: object = {}) => ({ jsonrpc: '2.0', method, params });
export const reply = (question: Told, result: object) => ({ jsonrpc: '2.0', id: question.id, result });
export const errors = (child: FakeChild) => child.messages.filter(({ error }) => error !== undefined);
export const count = (one: Rig, name: string, labels: object = {}) =>
  one.telemetry.counts.get(`${name}${JSON.stringify({ server: 'fake', instance: 'fake.b1.0', ...labels })}`);
export const questions = (one: Rig, outcome: string) => count(one, 'bridge_questions_total', { outcome });

export const rigOf = (more: Behaviour, bounds: Partial<BridgeBounds> = {}) => rig(server(more), { bounds });
