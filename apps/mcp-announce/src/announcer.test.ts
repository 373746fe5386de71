/** What the announcer does over time, with simulated time, a memory bus and a server that is only a function. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryBus } from '@cruvero/adapter-memory';
import { lifecycleSubjects, type AnnounceEvent } from '@cruvero/contracts';
import {
  parseJsonObject,
  readInstanceId,
  readServerName,
  type InstanceId,
  type ServerName,
} from '@cruvero/core';
import type { Upstream, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { settle, SimClock } from '@cruvero/testkit';
import { defaultBounds, UpstreamLink } from '@cruvero/upstream';
import { Announcer } from './announcer.ts';
import type { AnnounceBus } from './gateway-bus.ts';

const server = readServerName('weather') as ServerName;
const instanceId = readInstanceId('weather-1') as InstanceId;
const subjects = lifecycleSubjects('cruvero');

interface SceneOptions {
  readonly heartbeatMs?: number | undefined;
  /** Something that goes wrong with the bus. */
  readonly spoil?: (bus: AnnounceBus) => Partial<AnnounceBus>;
}

function scene({ heartbeatMs, spoil }: SceneOptions = { heartbeatMs: 1_000 }) {
  const clock = new SimClock();
  const random = () => 0.5;
  const bus = memoryBus({ clock, random });
  const heard: { kind: string; tools: number; promised: number | undefined }[] = [];
  bus.subscribe(subjects.all, ({ subject, body }) => {
    const { payload } = body as unknown as AnnounceEvent;
    heard.push({
      kind: subject.slice('cruvero.mcp.'.length),
      tools: payload.tools?.length ?? 0,
      promised: payload.heartbeat_interval_ms,
    });
  });
  const state: { tools: number; descriptionChars: number; mood: 'well' | 'stuck' | 'down' } = {
    tools: 3,
    descriptionChars: 10,
    mood: 'well',
  };
  const upstream: Upstream = {
    exchange: async (request) => {
      if (state.mood === 'down')
        return { fault: 'unreachable', detail: 'connection refused', neverLeft: true };
      return state.mood === 'well' ? answer(request, state) : new Promise(() => undefined);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const link = new UpstreamLink(
    { server, instance: { instanceId, transport: 'http', endpoint: 'http://w/mcp' } },
    defaultBounds,
    {
      upstreams: { http: upstream },
      clock,
      random: () => 0.5,
      clientInfo: { name: 'test', version: '0' },
    },
  );
  const said: string[] = [];
  const lines: string[] = [];
  let hopeless: string | undefined;
  const rest = { tenantId: undefined, versionLabel: undefined, tags: [], weight: undefined } as const;
  const announcer = new Announcer(
    { server, instanceId, transport: 'http', endpoint: 'http://w/mcp', heartbeatMs, ...rest },
    {
      bus: {
        onState: (listener) => bus.onState(listener),
        subscribe: (...args) => bus.subscribe(...args),
        publish: (...args) => bus.publish(...args),
        publishStored: (...args) => bus.publishStored(...args),
        ensureStream: (definition) => bus.ensureStream(definition),
        ...spoil?.(bus),
      },
      busName: 'NATS',
      prefix: 'cruvero',
      link,
      clock,
      random,
      say: (sentence) => void said.push(sentence),
      out: (line) => void lines.push(line),
      hopeless: () => hopeless,
      shown: 'http://w/mcp',
    },
  );
  return {
    clock,
    heard,
    said,
    lines,
    state,
    announcer,
    giveUp: (reason: string) => void (hopeless = reason),
  };
}

function answer(
  request: UpstreamRequest,
  state: { tools: number; descriptionChars: number },
): UpstreamResponse {
  const { id, method } = parseJsonObject(request.body ?? '') ?? {};
  const tool = (i: number) => ({
    name: `t${i}`,
    description: 'd'.repeat(state.descriptionChars),
    inputSchema: { type: 'object' },
  });
  const result =
    method === 'server/discover'
      ? { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, resultType: 'complete' }
      : { tools: Array.from({ length: state.tools }, (_, i) => tool(i)), resultType: 'complete' };
  return {
    status: 200,
    headers: {},
    body: { kind: 'text', text: JSON.stringify({ jsonrpc: '2.0', id, result }) },
  };
}

describe('the announcer', () => {
  it('announces once, sends a heartbeat an interval, and announces again every twenty', async () => {
    const { clock, heard, lines, announcer } = scene();
    const aborter = new AbortController();
    const run = announcer.run(aborter.signal);
    await clock.advance(41_500);
    aborter.abort();
    await run;
    await settle();
    const kinds = heard.map(({ kind }) => kind);
    assert.deepEqual(lines, ['announced weather weather-1 3 tools']);
    assert.equal(kinds[0], 'announce');
    assert.equal(kinds.filter((kind) => kind === 'announce').length, 3);
    assert.equal(kinds.filter((kind) => kind === 'heartbeat').length, 39);
    assert.deepEqual(kinds.slice(-1), ['deregister']);
    assert.deepEqual(kinds.slice(20, 21), ['announce']);
  });

  it('leaves the tools out where they do not fit in one message, and says so', async () => {
    const { clock, heard, said, state, announcer } = scene();
    Object.assign(state, { tools: 50, descriptionChars: 40_000 });
    const aborter = new AbortController();
    const run = announcer.run(aborter.signal);
    await clock.advance(500);
    aborter.abort();
    await run;
    assert.deepEqual(heard[0], { kind: 'announce', tools: 0, promised: 1_000 });
    assert.match(said[0] ?? '', /^Its 50 tools do not fit in one announcement/);
  });

  it('promises nothing and ends where it shall announce once', async () => {
    const { clock, heard, announcer } = scene({ heartbeatMs: undefined });
    const run = announcer.run(new AbortController().signal);
    await clock.advance(100);
    await run;
    assert.deepEqual(
      heard.map(({ kind, promised }) => [kind, promised]),
      [['announce', undefined]],
    );
  });

  it('deregisters at once although its server does not answer any more', async () => {
    const { clock, heard, state, announcer } = scene();
    const aborter = new AbortController();
    const run = announcer.run(aborter.signal);
    await clock.advance(1_500);
    state.mood = 'stuck';
    await clock.advance(1_000);
    aborter.abort();
    await run;
    await settle();
    assert.equal(heard.at(-1)?.kind, 'deregister');
  });

  it('ends with the reason where there is no use in waiting', async () => {
    const { clock, state, announcer, giveUp } = scene();
    state.mood = 'down';
    giveUp('The command "x" does not stay up: it ended with code 1.');
    const run = announcer.run(new AbortController().signal);
    const failed = assert.rejects(run, /The command "x" does not stay up/);
    await clock.advance(1_000);
    await failed;
  });

  it('takes leave behind an announcement that is under way, and announces nothing behind that', async () => {
    for (const held of ['publishStored', 'ensureStream'] as const) {
      const gate = Promise.withResolvers<void>();
      const { clock, heard, announcer } = scene({
        heartbeatMs: 1_000,
        spoil: (bus) => ({
          ensureStream: async (definition) => {
            if (held === 'ensureStream') await gate.promise;
            return bus.ensureStream(definition);
          },
          publishStored: async (...message) => {
            const fault = await bus.publishStored(...message);
            if (held === 'publishStored') await gate.promise;
            return fault;
          },
        }),
      });
      const aborter = new AbortController();
      const run = announcer.run(aborter.signal);
      await clock.advance(100);
      aborter.abort();
      await settle();
      gate.resolve();
      await clock.advance(100);
      await run;
      const kinds = heard.map(({ kind }) => kind);
      assert.deepEqual(kinds, held === 'ensureStream' ? [] : ['announce', 'deregister']);
    }
  });
});
