/** From a call to its server: by name at the aggregate, by the door elsewhere; policy decides on tools. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultProfile, isFault, type JsonObject, type PolicyProfile } from '@cruvero/core';
import {
  aggregate,
  doorOf,
  faulted,
  permitted,
  server,
  snapshot,
  tenant,
  type CallFacts,
} from './calls.fixture.ts';
import { Views } from './catalog/views.ts';
import { LegacyTasks } from './legacy-tasks.ts';
import { findServer, selectRoute, type RouteParts } from './route.ts';
import { sealWith } from './seal.ts';
import { TaskIds } from './task-ids.ts';

const fleet = snapshot([
  server('files'),
  server('web'),
  server('files', { tenantId: tenant('other') }),
  server('secret', { tenantId: tenant('other') }),
]);
const nothing = { tools: [], resources: [], resourceTemplates: [], prompts: [] };
const legacyTaskIds = new TaskIds(sealWith([new Uint8Array(32)]), 'legacy-task');
const parts: RouteParts = {
  catalog: {
    toolOf: (_server, tool) => ({ repeatable: tool === 'look', headers: [] }),
    views: new Views({
      snapshot: () => fleet,
      listsOf: () => ({ lists: nothing, state: { at: 'unknown' } }),
    }),
  },
  taskIds: new TaskIds(sealWith([new Uint8Array(32)])),
  legacyTasks: new LegacyTasks(legacyTaskIds, undefined),
};
const route = (facts: CallFacts) => selectRoute(permitted({ snapshot: fleet, ...facts }), parts);

describe('the aggregate door leads', () => {
  const ways: readonly [string, string, JsonObject, object][] = [
    ['a tool', 'tools/call', { name: 'mcp.files.read' }, { target: 'read', changes: { name: '"read"' } }],
    [
      'a tool with dots in its name',
      'tools/call',
      { name: 'mcp.files.a.b.c' },
      { target: 'a.b.c', changes: { name: '"a.b.c"' } },
    ],
    [
      'a tool with a quote in its name',
      'tools/call',
      { name: 'mcp.files.a"b' },
      { changes: { name: '"a\\"b"' } },
    ],
    [
      'a prompt',
      'prompts/get',
      { name: 'mcp.files.hello' },
      { target: 'hello', changes: { name: '"hello"' }, idempotent: true },
    ],
    [
      'a resource',
      'resources/read',
      { uri: 'mcp://files/file:///a b?c#d' },
      { target: 'file:///a b?c#d', changes: { uri: '"file:///a b?c#d"' }, idempotent: true },
    ],
    [
      'a completion of a prompt',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'mcp.files.hello', x: 1 } },
      { target: 'hello', changes: { ref: '{"type":"ref/prompt","name":"hello","x":1}' }, idempotent: true },
    ],
    [
      'a completion of a template',
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'mcp://files/file:///{path}' } },
      { target: 'file:///{path}', changes: { ref: '{"type":"ref/resource","uri":"file:///{path}"}' } },
    ],
  ];
  for (const [what, method, params, expected] of ways) {
    it(`${what} to its server, under its own name there`, () => {
      const found = route({ method, params });
      assert.ok(!isFault(found), JSON.stringify(found));
      assert.equal(found.server, fleet.servers.get('default/files' as never));
      assert.partialDeepStrictEqual(found, expected);
    });
  }

  const lost: readonly [string, string, JsonObject, string, RegExp][] = [
    ['a tool without a name', 'tools/call', {}, 'bad_params', /params\.name is missing/],
    ['a tool whose name is a number', 'tools/call', { name: 7 }, 'bad_params', /params\.name is missing/],
    ['a bare name', 'tools/call', { name: 'read' }, 'unknown_tool', /mcp\.<server>\.<tool>/],
    ['a name of a server only', 'tools/call', { name: 'mcp.files' }, 'unknown_tool', /names here are/],
    ['an empty tool name', 'tools/call', { name: 'mcp.files.' }, 'unknown_tool', /names here are/],
    [
      'a server name that is none',
      'tools/call',
      { name: 'mcp.FILES.read' },
      'unknown_tool',
      /names here are/,
    ],
    [
      'a server that is not here',
      'tools/call',
      { name: 'mcp.gone.read' },
      'unknown_tool',
      /no server "gone" here \(any more\)/,
    ],
    [
      'a server of another tenant',
      'tools/call',
      { name: 'mcp.secret.read' },
      'unknown_tool',
      /no server "secret" here/,
    ],
    ['__proto__', 'tools/call', { name: 'mcp.__proto__.read' }, 'unknown_tool', /names here are/],
    [
      'a prompt of a server that is not here',
      'prompts/get',
      { name: 'mcp.gone.x' },
      'unknown_tool',
      /no server "gone"/,
    ],
    ['a prompt without a name', 'prompts/get', {}, 'bad_params', /params\.name/],
    ['a resource without a URI', 'resources/read', {}, 'bad_params', /params\.uri is missing/],
    ['a resource of nobody', 'resources/read', { uri: 'file:///etc/passwd' }, 'unknown_resource', /^$/],
    ['a resource of another tenant', 'resources/read', { uri: 'mcp://secret/x' }, 'unknown_resource', /^$/],
    ['a completion without a reference', 'completion/complete', {}, 'bad_params', /params\.ref is missing/],
    [
      'a completion whose reference is text',
      'completion/complete',
      { ref: 'x' },
      'bad_params',
      /params\.ref is missing/,
    ],
    [
      'a completion of no name',
      'completion/complete',
      { ref: { type: 'ref/prompt' } },
      'bad_params',
      /params\.ref\.name/,
    ],
    [
      'a completion of no URI',
      'completion/complete',
      { ref: { type: 'ref/resource', name: 'x' } },
      'bad_params',
      /params\.ref\.uri/,
    ],
    [
      'a completion of a bare name',
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'x' } },
      'unknown_tool',
      /names here/,
    ],
    ['a method that belongs to no server', 'tasks/get', { taskId: '1' }, 'unknown_method', /^$/],
  ];
  for (const [what, method, params, name, says] of lost) {
    it(`nowhere for ${what}, and says so`, () => {
      const fault = faulted(route({ method, params }));
      assert.equal(fault.fault, name);
      const told = 'detail' in fault ? fault.detail : 'hint' in fault ? fault.hint : '';
      assert.match(told, says);
    });
  }

  it('names back to their caller at a bounded length', () => {
    const tool = faulted(route({ params: { name: 'x'.repeat(5_000) } }));
    assert.equal('name' in tool ? tool.name.length : 0, 256);
    const uri = faulted(route({ method: 'resources/read', params: { uri: 'x'.repeat(5_000) } }));
    assert.equal('uri' in uri ? uri.uri.length : 0, 512);
  });
});

describe('the door of one server leads', () => {
  const ways: readonly [string, string, JsonObject, object][] = [
    ['a tool', 'tools/call', { name: 'read' }, { target: 'read', idempotent: false }],
    [
      'a tool named like at the aggregate',
      'tools/call',
      { name: 'mcp.files.read' },
      { target: 'mcp.files.read' },
    ],
    ['a prompt', 'prompts/get', { name: 'hello' }, { target: 'hello', idempotent: true }],
    ['a resource', 'resources/read', { uri: 'file:///a' }, { target: 'file:///a', idempotent: true }],
    ['a completion', 'completion/complete', { ref: {} }, { target: 'completion/complete', idempotent: true }],
    ['a list', 'tools/list', { cursor: 'x' }, { target: 'tools/list', idempotent: true }],
    ['a method that is not known here', 'vendor/do', { name: 'x' }, { target: 'x', idempotent: false }],
  ];
  for (const [what, method, params, expected] of ways) {
    it(`${what} to that server, unchanged`, () => {
      const found = route({ method, params, door: doorOf('files') });
      assert.ok(!isFault(found));
      assert.partialDeepStrictEqual(found, { ...expected, changes: {} });
    });
  }

  it('nowhere where the server is unknown or of another tenant, and names those of the own tenant', () => {
    for (const name of ['gone', 'secret']) {
      assert.deepEqual(route({ door: doorOf(name), params: { name: 'x' } }), {
        fault: 'unknown_server',
        server: name,
        known: ['files', 'web'],
      });
    }
    assert.ok(
      isFault(findServer(fleet, tenant('nobody'), fleet.servers.get('default/files' as never)!.name)),
    );
  });

  it('nowhere for a tool without a name', () => {
    assert.equal(faulted(route({ door: doorOf('files'), params: {} })).fault, 'bad_params');
  });
});

describe('a tool that says that it may run twice', () => {
  for (const [door, name] of [
    [aggregate, 'mcp.files.look'],
    [doorOf('files'), 'look'],
  ] as const) {
    it(`is so at the door ${door.door}`, () => {
      assert.partialDeepStrictEqual(route({ door, params: { name } }), { idempotent: true });
    });
  }
});

describe('policy', () => {
  const profile = (over: Partial<PolicyProfile>): PolicyProfile => ({
    ...defaultProfile,
    name: 'p',
    ...over,
  });
  const read = { method: 'tools/call', params: { name: 'mcp.files.read' } };
  const cases: readonly [string, Partial<PolicyProfile>, RegExp | undefined][] = [
    ['lets a tool through that nobody denies', {}, undefined],
    ['lets a tool through that is on the list', { toolAllowlist: ['mcp.files.*'] }, undefined],
    ['takes an empty list for no list', { toolAllowlist: [] }, undefined],
    ['refuses a tool that is not on the list', { toolAllowlist: ['mcp.web.*'] }, /allowlist of profile "p"/],
    ['refuses a tool that is denied', { toolDenylist: ['mcp.*.read'] }, /denylist of profile "p"/],
    [
      'refuses a tool that is both allowed and denied',
      { toolAllowlist: ['*'], toolDenylist: ['*read'] },
      /denylist/,
    ],
    ['only watches in audit mode', { toolDenylist: ['*'], enforcementMode: 'audit' }, undefined],
  ];
  for (const [what, over, refusal] of cases) {
    it(`${what}, at either door`, () => {
      for (const facts of [read, { ...read, params: { name: 'read' }, door: doorOf('files') }]) {
        const found = route({ ...facts, profile: profile(over) });
        if (refusal === undefined) assert.ok(!isFault(found));
        else {
          const fault = faulted(found);
          assert.equal(fault.fault, 'forbidden');
          assert.match('detail' in fault ? fault.detail : '', refusal);
          assert.match('detail' in fault ? fault.detail : '', /"mcp\.files\.read"/);
        }
      }
    });
  }

  it('of tools says nothing on prompts and resources', () => {
    const strict = profile({ toolDenylist: ['*'] });
    for (const [method, params] of [
      ['prompts/get', { name: 'mcp.files.hello' }],
      ['resources/read', { uri: 'mcp://files/x' }],
    ] as const) {
      assert.ok(!isFault(route({ method, params, profile: strict })));
    }
  });
});
