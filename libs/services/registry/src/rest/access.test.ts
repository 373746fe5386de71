/** Who may call the registry, and what every kind of bad request gets. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultTenant, type ApiKey, type Json } from '@cruvero/core';
import type { ProbeRequest } from '@cruvero/testkit';
import { adminKey, agentKey, World } from '../world.fixture.ts';
import { hashOfKey } from '../api-keys.ts';
import { KeyRing } from './authenticate.ts';
import { admin, codeOf, http, items, mesh, open } from './client.fixture.ts';

describe('callers', () => {
  it('need a key with the scope admin', async () => {
    await using world = new World();
    const client = await open(world);
    const paths = [
      `${admin}/servers`,
      `${admin}/gateways`,
      `${admin}/api-keys`,
      `${admin}/policy/profiles`,
      `${mesh}/services`,
    ];
    for (const path of paths) {
      const none = await client.raw(path);
      assert.deepEqual([none.status, codeOf(none)], [401, 'unauthenticated'], path);
      assert.match(none.header('www-authenticate') ?? '', /^Bearer/);
      const bad: [string, string][] = [
        ['authorization', 'Bearer crv_wrong'],
        ['authorization', 'Basic x'],
        ['x-api-key', ''],
      ];
      for (const header of bad) assert.equal((await client.raw(path, { headers: [header] })).status, 401);
      const agent = await client.raw(path, { headers: [['x-api-key', agentKey]] });
      assert.deepEqual([agent.status, codeOf(agent)], [403, 'forbidden']);
      assert.equal((await client.raw(path, { headers: [['X-Api-Key', adminKey]] })).status, 200);
    }
  });

  it('of another tenant keep to it; those of the default tenant may name one', async () => {
    await using world = new World();
    const client = await open(world);
    const made = await client.post(`${admin}/api-keys`, {
      principal: 'boss',
      tenant_id: 'acme',
      scopes: ['admin'],
    });
    const theirs = String(made.body['key']);
    assert.match(theirs, /^crv_/);
    const as = (method: string, path: string, body?: Json) =>
      client.raw(path, {
        method,
        headers: [
          ['x-api-key', theirs],
          ['content-type', 'application/json'],
        ],
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    assert.equal((await as('PUT', `${admin}/servers/weather`, http)).body['tenant_id'], 'acme');
    assert.equal((await client.get(`${admin}/servers/weather`)).status, 404);
    assert.equal((await client.get(`${admin}/servers/weather?tenant=acme`)).status, 200);
    for (const [method, path, body] of [
      ['GET', `${admin}/servers?tenant=default`],
      ['GET', `${admin}/servers/weather?tenant=default`],
      ['PUT', `${admin}/servers/weather?tenant=default`, http],
      ['DELETE', `${admin}/servers/weather?tenant=default`],
      ['POST', `${admin}/servers`, { name: 'x', tenant_id: 'default', ...http }],
      ['POST', `${admin}/api-keys`, { principal: 'x', tenant_id: 'default' }],
      [
        'PUT',
        `${admin}/policy/profiles`,
        { profiles: [{ name: 'default', rate_limit: 1, rate_burst: 1, enforcement_mode: 'audit' }] },
      ],
      ['GET', `${mesh}/services?tenant=default`],
    ] as const) {
      const answer = await as(method, path, body);
      assert.deepEqual([answer.status, codeOf(answer)], [403, 'wrong_tenant'], `${method} ${path}`);
    }
    const keys = items(await as('GET', `${admin}/api-keys`)).map((key) => key['principal']);
    assert.deepEqual(keys, ['boss']);
    assert.equal((await as('DELETE', `${admin}/api-keys/configured-admin`)).status, 404);
  });

  it('by a wrong Host or Origin are refused on every path', async () => {
    await using world = new World();
    const client = await open(world);
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', `${admin}/servers`, '/nothing']) {
      assert.equal(codeOf(await client.raw(path, { host: 'evil.example' })), 'wrong_host', path);
      assert.equal(
        codeOf(await client.raw(path, { headers: [['origin', 'https://evil.example']] })),
        'wrong_origin',
        path,
      );
    }
    assert.equal((await client.raw('/healthz', { host: 'localhost:1' })).status, 200);
  });
});

describe('requests', () => {
  it('get the right status for what is wrong with them', async () => {
    await using world = new World();
    const client = await open(world);
    const path = `${admin}/servers`;
    const auth: [string, string] = ['x-api-key', adminKey];
    const json: [string, string] = ['content-type', 'application/json'];
    const table: readonly (readonly [string, string, ProbeRequest, number, string])[] = [
      ['unknown path', '/admin/api/v1/nothing', { headers: [auth] }, 404, 'no_such_path'],
      ['path with a slash too many', `${path}/`, { headers: [auth] }, 404, 'no_such_path'],
      ['wrong method', path, { method: 'PATCH', headers: [auth] }, 405, 'wrong_http_method'],
      ['wrong method on a status path', '/healthz', { method: 'POST' }, 405, 'wrong_http_method'],
      [
        'wrong content type',
        path,
        { method: 'POST', headers: [auth, ['content-type', 'text/plain']], body: '{}' },
        415,
        'wrong_content_type',
      ],
      ['no content type', path, { method: 'POST', headers: [auth], body: '{}' }, 415, 'wrong_content_type'],
      [
        'odd charset',
        path,
        { method: 'POST', headers: [auth, ['content-type', 'application/json; charset=latin1']], body: '{}' },
        415,
        'wrong_content_type',
      ],
      ['broken JSON', path, { method: 'POST', headers: [auth, json], body: '{' }, 400, 'bad_json'],
      [
        'large body',
        path,
        { method: 'POST', headers: [auth, json], body: ' '.repeat((1 << 20) + 1) },
        413,
        'body_too_large',
      ],
      [
        'no key, large body',
        path,
        { method: 'POST', headers: [json], body: ' '.repeat((1 << 20) + 1) },
        401,
        'unauthenticated',
      ],
    ];
    for (const [what, at, request, status, code] of table) {
      const answer = await client.raw(at, request);
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], what);
      assert.equal(answer.header('cache-control'), 'no-store', what);
      if (status === 405) assert.match(answer.header('allow') ?? '', /GET/);
    }
  });

  it('get 503 with Retry-After while the store is away, and work again after', async () => {
    await using world = new World();
    const client = await open(world);
    assert.equal((await client.get(`${admin}/servers`)).status, 200);
    world.fragile.away = true;
    await world.clock.advance(2_000);
    for (const path of [`${admin}/servers`, `${mesh}/services`]) {
      const answer = await client.get(path);
      assert.deepEqual(
        [answer.status, codeOf(answer), answer.header('retry-after')],
        [503, 'store_unavailable', '2'],
      );
    }
    assert.equal((await client.raw('/healthz')).status, 200);
    assert.equal((await client.raw('/readyz')).status, 503);
    world.fragile.away = false;
    assert.equal((await client.get(`${admin}/servers`)).status, 200);
    assert.equal((await client.raw('/readyz')).status, 200);
  });
});

describe('a key that is taken away', () => {
  it('is not found any more, though the keys were just being read', async () => {
    const key = { sha256: hashOfKey('gone'), keyId: 'k', tenantId: defaultTenant, principal: 'ann' };
    const row: ApiKey = { ...key, scopes: ['admin'], profile: 'default' };
    const reading = Promise.withResolvers<readonly ApiKey[]>();
    const reads = [reading.promise, Promise.resolve([])];
    const apiKeys = (): Promise<readonly ApiKey[]> => reads.shift() ?? Promise.resolve([]);
    const ring = new KeyRing({ apiKeys }, { monotonicMs: () => 0 });
    const before = ring.find('gone');
    ring.forget();
    reading.resolve([row]);
    assert.equal((await before)?.principal, 'ann');
    assert.equal(await ring.find('gone'), undefined);
  });
});
