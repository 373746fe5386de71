/** Tests of goals, tables and profiles as text. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Round } from './figures.ts';
import { goalsOf, type Facts } from './goals.ts';
import { nginxConfig } from './nginx-config.ts';
import { busiest, profileText } from './profile.ts';
import { goalsText, loadFound, loadText, table } from './report.ts';

const nothing: Facts = {
  smallOfBare: undefined,
  largeOfBare: undefined,
  addedP50Ms: undefined,
  listOfStatic: undefined,
  sessionBytes: undefined,
  stdioP99Ms: undefined,
  agentsP99Ms: undefined,
  agentsErrors: undefined,
  silentOfAlone: undefined,
};
const reached: Facts = {
  smallOfBare: 0.75,
  largeOfBare: 0.95,
  addedP50Ms: 0.1,
  listOfStatic: 0.8,
  sessionBytes: 4_096,
  stdioP99Ms: 5,
  agentsP99Ms: 100,
  agentsErrors: 0,
  silentOfAlone: 1.5,
};

describe('goalsOf', () => {
  it('calls a goal met exactly at its bound, and not met just beside it', () => {
    assert.ok(goalsOf(reached).every(({ met }) => met === true));
    const beside = {
      smallOfBare: 0.7499,
      largeOfBare: 0.94,
      addedP50Ms: 0.11,
      listOfStatic: 0.7,
      sessionBytes: 4_097,
    };
    const missed = goalsOf({
      ...beside,
      stdioP99Ms: 5.1,
      agentsP99Ms: 101,
      agentsErrors: 0,
      silentOfAlone: 1.51,
    });
    assert.ok(missed.every(({ met }) => met === false));
  });

  it('never calls what was not measured met, nor a quick answer with errors', () => {
    assert.ok(
      goalsOf(nothing).every(({ met, measured }) => met === undefined && measured === 'not measured'),
    );
    const withErrors = goalsOf({ ...reached, agentsErrors: 3 }).filter(({ met }) => met === false);
    assert.deepEqual(
      withErrors.map(({ measured }) => measured),
      ['100.0 ms, 3 errors'],
    );
  });

  it('is printed with met and not met', () => {
    const text = goalsText(goalsOf({ ...nothing, smallOfBare: 0.8, largeOfBare: 0.5 }), 0.05);
    assert.match(text, /32 connections: throughput of the bare proxy +≥ 0\.75 +0\.80 +met\n/);
    assert.match(text, /256 KiB result: .* +≥ 0\.95 +0\.50 +NOT met\n/);
    assert.doesNotMatch(text, /Other programs/);
    assert.match(goalsText([], 0.25), /Other programs had 25 % of the processors/);
  });
});

describe('loadText', () => {
  it('has a row for each target and the ratio of the gateway to each other one', () => {
    const round = (calls: number): Round => ({
      sample: { tookMs: new Float64Array(calls).fill(2), seconds: 1, errors: 1, problems: ['HTTP 500: no'] },
      cpuMs: calls === 40 ? 40 : 20,
    });
    const text = loadText(
      loadFound(
        'a load',
        new Map([
          ['direct', [round(40)]],
          ['gateway', [round(10)]],
        ]),
      ),
    );
    const lines = text.split('\n').map((line) => line.trim().replace(/ {2,}/g, ' | '));
    assert.deepEqual(lines.slice(3, 5), [
      'direct | 40 | 2.000 | 2.00 | 1000 | 1 | × 0.25 | × 2.00',
      'gateway | 10 | 2.000 | 2.00 | 2000 | 1',
    ]);
    assert.equal(lines[5], '! direct: HTTP 500: no');
  });

  it('aligns columns', () => {
    assert.equal(
      table([
        ['a', 'bb'],
        ['ccc', '1'],
      ]),
      '  a    bb\n  ccc   1',
    );
  });
});

describe('busiest', () => {
  it('leaves out idle time and the profiler, and counts by function and by part', () => {
    const frame = (functionName: string, url: string) => ({
      functionName,
      url,
      scriptId: '1',
      lineNumber: 4,
      columnNumber: 0,
    });
    const frames = [
      frame('(idle)', ''),
      frame('post', 'node:inspector'),
      frame('scan', 'file:///somewhere/libs/core/src/wire/json-spans.ts'),
      frame('dispatch', 'file:///somewhere/node_modules/undici/lib/core.js'),
      frame('writev', ''),
    ];
    const nodes = frames.map((callFrame, id) => ({ id, callFrame }));
    const times = busiest(
      {
        nodes,
        startTime: 0,
        endTime: 0,
        samples: [0, 1, 2, 2, 3, 4],
        timeDeltas: [500, 500, 30, 30, 20, 20],
      },
      2,
    );
    assert.deepEqual(times.functions, [
      { name: 'scan libs/core/src/wire/json-spans.ts:5', share: 0.6 },
      { name: 'dispatch undici/lib/core.js:5', share: 0.2 },
    ]);
    assert.deepEqual(
      times.parts.map(({ name }) => name),
      ['libs/core/src/wire', 'undici'],
    );
    assert.match(profileText('a load', times), /\n {3}60\.0 % {2}scan libs/);
  });
});

describe('nginxConfig', () => {
  const place = { folder: '/somewhere', port: 4_000, upstream: '127.0.0.1:5000' };

  it('keeps everything below its folder and connections on both sides', () => {
    const text = nginxConfig({ ...place, root: false });
    const paths = text.match(/(?<=\s)\/\S+/g) ?? [];
    assert.ok(
      paths.filter((path) => path.length > 1).every((path) => path.startsWith('/somewhere/')),
      text,
    );
    assert.match(text, /keepalive 128;[^]*proxy_set_header Connection "";/);
    assert.match(text, /^daemon off;/);
  });

  it('names its user only where it is started as root', () => {
    assert.match(nginxConfig({ ...place, root: true }), /^user root;/);
  });
});
