/** One conversation for each instance, kept while a snapshot has it. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault } from '@cruvero/core';
import { defaultBounds } from '@cruvero/upstream';
import { settle, SimClock } from '@cruvero/testkit';
import { instance, server, tenant } from './calls.fixture.ts';
import { aggregateFace, discoverResult, initializeResult, serverFace } from './faces.ts';
import { FakeFleet } from './fleet.fixture.ts';
import { Links } from './links.ts';

function stage() {
  const clock = new SimClock();
  const fleet = new FakeFleet();
  const links = new Links(
    { ...defaultBounds, sessionIdleMs: 1_000 },
    { upstreams: { http: fleet }, clock, random: () => 0.5, clientInfo: {} },
  );
  return { clock, fleet, links };
}
const files = server('files', { instances: [instance('i1'), instance('i2')] });

describe('a conversation', () => {
  it('is one for each instance of each server of each tenant', () => {
    const { links } = stage();
    const [one, two] = [instance('i1'), instance('i2')];
    assert.equal(links.of(files, one), links.of(files, { ...one, health: 'stale' }));
    assert.notEqual(links.of(files, one), links.of(files, two));
    assert.notEqual(links.of(files, one), links.of(server('web'), one));
    assert.notEqual(links.of(files, one), links.of({ ...files, tenantId: tenant('acme') }, one));
    assert.notEqual(links.of(files, one), links.of(files, { ...one, endpoint: 'http://moved.test/' }));
  });

  it('ends with its instance, and the others go on', async () => {
    const { fleet, links } = stage();
    for (const one of files.instances) fleet.at(one.endpoint).state = 'legacy';
    const before = files.instances.map((one) => links.of(files, one));
    await Promise.all(before.map((link) => link.face()));
    await links.keepOnly([server('files', { instances: [instance('i2')] })]);
    assert.notEqual(links.of(files, instance('i1')), before[0]);
    assert.equal(links.of(files, instance('i2')), before[1]);
  });

  it('holds sessions that are counted, swept when idle, and gone at the end', async () => {
    const { clock, fleet, links } = stage();
    fleet.at('http://i1.test/mcp').state = 'legacy';
    await links.of(files, instance('i1')).face();
    assert.equal(links.sessionCount(), 1);
    await clock.advance(1_000);
    links.sweep();
    await settle();
    assert.equal(links.sessionCount(), 0);
    await links.of(files, instance('i1')).reask();
    await links.of(files, instance('i1')).face();
    assert.equal(links.sessionCount(), 1);
    await links.close();
    assert.equal(links.sessionCount(), 0);
  });
});

describe('the face of a server', () => {
  it('is told by the first instance that answers, and changes of lists are told for all', async () => {
    const { fleet, links } = stage();
    fleet.at('http://i1.test/mcp').state = 'down';
    fleet.at('http://i2.test/mcp').capabilities = {
      tools: { listChanged: false, x: 1 },
      logging: {},
      resources: { subscribe: true },
      completions: {},
      extensions: { 'x/y': {} },
      experimental: { z: {} },
      tasks: {},
    };
    const face = await serverFace(files, links);
    assert.ok(!isFault(face));
    assert.deepEqual(face.capabilities, {
      tools: { listChanged: true, x: 1 },
      logging: {},
      resources: { subscribe: true, listChanged: true },
      completions: {},
      extensions: { 'x/y': {} },
      experimental: { z: {} },
      tasks: {},
    });
    const told = (text: string) => Object.keys((JSON.parse(text) as { capabilities: object }).capabilities);
    assert.ok(!told(initializeResult(face, '2025-11-25')).includes('extensions'), 'of the other era');
    assert.ok(!told(discoverResult(face)).includes('tasks'), 'of the other era');
  });

  it('is a fault where none answers, or none is there', async () => {
    const { fleet, links } = stage();
    for (const one of files.instances) fleet.at(one.endpoint).state = 'down';
    assert.partialDeepStrictEqual(await serverFace(files, links), {
      fault: 'upstream_unavailable',
      detail: 'the connection was refused',
    });
    assert.partialDeepStrictEqual(await serverFace(server('files', { instances: [] }), links), {
      fault: 'upstream_unavailable',
      detail: 'it has no running instance',
    });
  });

  it('says nothing of instructions where the server has none', () => {
    const face = { capabilities: {}, serverInfo: {}, instructions: undefined };
    assert.deepEqual(JSON.parse(initializeResult(face, '2025-06-18')), {
      protocolVersion: '2025-06-18',
      capabilities: {},
      serverInfo: {},
    });
    assert.equal('instructions' in (JSON.parse(discoverResult(face)) as object), false);
  });

  it('of an empty fleet says that nobody is there yet', () => {
    assert.equal(
      aggregateFace('1', [], () => undefined, 'canonical').instructions,
      'No server is connected yet.',
    );
  });
});
