/** Where a process spends its time: functions by the samples in which they were on top. */

import type { Profile } from './inside.ts';

export interface Spent {
  /** `function file:line`. */
  readonly name: string;
  readonly share: number;
}

export interface Times {
  readonly functions: readonly Spent[];
  /** The same time by package, library or part of Node. */
  readonly parts: readonly Spent[];
}

type Frame = Profile['nodes'][number]['callFrame'];

/** The busiest functions and parts, as shares of the time in which anything ran at all. */
export function busiest({ nodes, samples = [], timeDeltas = [] }: Profile, countMax: number): Times {
  const frameOf = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions = new Map<string, number>();
  const parts = new Map<string, number>();
  let wholeUs = 0;
  for (const [index, sample] of samples.entries()) {
    const frame = frameOf.get(sample);
    // Beginning and ending the profile is no work of the gateway's.
    if (!frame || /^\((?:idle|root)\)$/.test(frame.functionName) || frame.url === 'node:inspector') continue;
    const us = timeDeltas[index] ?? 0;
    wholeUs += us;
    add(functions, nameOf(frame), us);
    add(parts, partOf(frame), us);
  }
  const ranked = (spentUs: ReadonlyMap<string, number>): readonly Spent[] =>
    [...spentUs]
      .map(([name, us]) => ({ name, share: us / wholeUs }))
      .sort((a, b) => b.share - a.share)
      .slice(0, countMax);
  return { functions: ranked(functions), parts: ranked(parts) };
}

function add(spentUs: Map<string, number>, name: string, us: number): void {
  spentUs.set(name, (spentUs.get(name) ?? 0) + us);
}

function fileOf({ url }: Frame): string {
  return url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/node_modules\//, '')
    .replace(/^.*?\/(?=(?:libs|apps|tools)\/)/, '');
}

function nameOf(frame: Frame): string {
  const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
  return frame.url === '' ? `${name} native` : `${name} ${fileOf(frame)}:${frame.lineNumber + 1}`;
}

/** `libs/core/src/wire`, `undici`, `node:_http_server`, or what is no JavaScript. */
function partOf(frame: Frame): string {
  if (frame.url === '') return frame.functionName.startsWith('(') ? frame.functionName : 'native functions';
  const file = fileOf(frame);
  if (file.startsWith('node:')) return file.split('/')[0] ?? file;
  const words = file.split('/');
  if (/^(?:libs|apps|tools)$/.test(words[0] ?? '')) return words.slice(0, -1).join('/');
  return words.slice(0, words[0]?.startsWith('@') === true ? 2 : 1).join('/');
}

export function profileText(title: string, { functions, parts }: Times): string {
  const lineOf = ({ name, share }: Spent): string => `  ${(share * 100).toFixed(1).padStart(5)} %  ${name}`;
  const head = `\n${title}: where the gateway's time goes`;
  return [head, ...functions.map(lineOf), '  by part', ...parts.map(lineOf)].join('\n');
}
