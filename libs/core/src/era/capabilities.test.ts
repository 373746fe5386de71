/** Which questions a client can answer, as it declares it in either era. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../model/json.ts';
import {
  canAnswer,
  fingerprint,
  legacyCapabilities,
  missingCapability,
  modernCapabilities,
} from './capabilities.ts';

const form = ['elicitation/create', '{"message":"m"}'] as const;
const spelledForm = ['elicitation/create', '{"mode":"form"}'] as const;
const url = ['elicitation/create', '{"mode":"url"}'] as const;
const odd = ['elicitation/create', '{"mode":"constructor"}'] as const;
const sample = ['sampling/createMessage', '{"messages":[]}'] as const;
const sampleTools = ['sampling/createMessage', '{"messages":[],"tools":[]}'] as const;
const sampleChoice = ['sampling/createMessage', '{"toolChoice":{}}'] as const;
const roots = ['roots/list', '{}'] as const;

describe('a capability', () => {
  const rows: readonly [readonly [string, string], JsonObject, JsonObject | undefined][] = [
    [form, { elicitation: {} }, undefined],
    [form, { elicitation: { form: {} } }, undefined],
    [spelledForm, { elicitation: {} }, undefined],
    [form, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
    [form, { elicitation: { form: true } }, { elicitation: { form: {} } }],
    [form, { elicitation: true }, { elicitation: { form: {} } }],
    [form, {}, { elicitation: { form: {} } }],
    [url, { elicitation: {} }, { elicitation: { url: {} } }],
    [url, { elicitation: { form: {}, url: {} } }, undefined],
    [url, {}, { elicitation: { url: {} } }],
    [odd, { elicitation: {} }, { elicitation: { constructor: {} } as JsonObject }],
    [['elicitation/create', '7'], { elicitation: {} }, undefined],
    [sample, { sampling: {} }, undefined],
    [sample, {}, { sampling: {} }],
    [sampleTools, { sampling: {} }, { sampling: { tools: {} } }],
    [sampleTools, { sampling: { tools: {} } }, undefined],
    [sampleChoice, { sampling: {} }, { sampling: { tools: {} } }],
    [roots, { roots: { listChanged: true } }, undefined],
    [roots, { roots: null }, { roots: {} }],
  ];
  for (const [[method, paramsText], declared, missing] of rows) {
    it(`${missing ? 'lacks' : 'covers'} ${method} ${paramsText} in ${JSON.stringify(declared)}`, () => {
      assert.deepEqual(missingCapability({ method, paramsText }, declared), missing);
    });
  }
});

describe('capabilities', () => {
  const declared: JsonObject = {
    elicitation: { form: {}, url: {} },
    sampling: { tools: {} },
    roots: { listChanged: true },
    experimental: { x: {} },
    extensions: { 'io.modelcontextprotocol/tasks': {} },
    tasks: { requests: {} },
  };

  it('go to the other era without what it does not know', () => {
    const kept = {
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
      roots: {},
      experimental: { x: {} },
    };
    assert.deepEqual(legacyCapabilities(declared), kept);
    assert.deepEqual(modernCapabilities(declared), kept);
    assert.deepEqual(modernCapabilities({ sampling: 7, roots: true }), {});
  });

  it('let a server ask, or not', () => {
    for (const name of ['elicitation', 'sampling', 'roots']) assert.ok(canAnswer({ [name]: {} }));
    assert.ok(!canAnswer({ experimental: {}, extensions: {}, sampling: true }));
  });

  it('have one fingerprint however they are ordered', () => {
    assert.equal(fingerprint({ a: { b: 1, c: 2 }, d: {} }), fingerprint({ d: {}, a: { c: 2, b: 1 } }));
    assert.notEqual(fingerprint({ sampling: {} }), fingerprint({ sampling: { tools: {} } }));
  });
});
