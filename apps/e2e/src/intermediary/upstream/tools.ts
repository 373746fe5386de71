/** What the tools of the suite's servers do, written once for both eras. */

import { isJsonObject, logLevels, type Json, type JsonObject } from '@cruvero/core';
import { exoticContent, exoticMembers, exoticMeta, noteUri, peculiarState, tasksExtension } from './offer.ts';
import type { World } from './world.ts';

/** One request as a tool sees it. */
export interface Call {
  readonly world: World;
  readonly params: JsonObject;
  readonly args: JsonObject;
  /** `params.arguments` as it came. */
  readonly argumentsText: string;
  readonly meta: JsonObject;
  readonly tag: string;
  readonly signal: AbortSignal;
  /** Lowest level at which the caller wants messages; undefined: none. */
  readonly logLevel: string | undefined;
  notify(method: string, params: JsonObject): void;
  /** Legacy only: a request to the client. */
  ask(method: string, params: JsonObject): Promise<Json>;
}

export class CallError extends Error {
  readonly code: number;
  readonly data: JsonObject | undefined;
  constructor(code: number, message: string, data?: JsonObject) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

const said = (text: string, structured: JsonObject = {}): string =>
  JSON.stringify({ content: [{ type: 'text', text }], structuredContent: { tag: text, ...structured } });

const questions: Readonly<
  Record<string, (tag: string) => { readonly method: string; readonly params: JsonObject }>
> = {
  form: (tag) => ({
    method: 'elicitation/create',
    params: {
      mode: 'form',
      message: `A colour for ${tag}?`,
      requestedSchema: { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] },
    },
  }),
  url: (tag) => ({
    method: 'elicitation/create',
    params: { mode: 'url', message: `Please sign ${tag}.`, url: `https://sign.test/${tag}` },
  }),
  sampling: (tag) => ({
    method: 'sampling/createMessage',
    params: {
      messages: [{ role: 'user', content: { type: 'text', text: `Complete ${tag}` } }],
      maxTokens: 7,
    },
  }),
  roots: () => ({ method: 'roots/list', params: {} }),
};

async function ask(call: Call): Promise<string> {
  const { args, params, tag, world } = call;
  const kinds = Array.isArray(args['kinds']) ? args['kinds'].map(String) : ['form'];
  const questionOf = (kind: string) =>
    (questions[kind] ?? questions['roots'])?.(tag) ?? { method: '', params: {} };
  const answered = (answers: JsonObject): string => said(tag, { answers });
  if (world.era === 'modern') {
    const given = isJsonObject(params['inputResponses']) ? params['inputResponses'] : {};
    const left = kinds.filter((kind) => given[kind] === undefined);
    if (left.length === 0) return answered(given);
    const inputRequests = Object.fromEntries(left.map((kind) => [kind, questionOf(kind)]));
    return JSON.stringify({ resultType: 'input_required', inputRequests });
  }
  const answers = kinds.map(async (kind) => {
    const { method, params: asked } = questionOf(kind);
    const own = kind === 'url' ? { ...asked, elicitationId: `e-${tag}` } : asked;
    return [kind, await call.ask(method, own)] as const;
  });
  return answered(Object.fromEntries(await Promise.all(answers)));
}

/** Modern only: the state must come back to the letter. */
function remember({ params, tag }: Call): string {
  const state = params['requestState'];
  if (state === undefined) {
    const inputRequests = { colour: questions['form']?.(tag) };
    return JSON.stringify({ resultType: 'input_required', inputRequests, requestState: peculiarState(tag) });
  }
  return said(tag, { state, answers: params['inputResponses'] ?? null });
}

async function wait(call: Call): Promise<string> {
  const { progressToken } = call.meta;
  const progress = (done: number): void => {
    if (progressToken === undefined) return;
    const params = { progressToken, progress: done, total: 2, message: call.tag };
    call.notify('notifications/progress', { ...params, _meta: { 'vendor.test/of': call.tag } });
  };
  progress(1);
  await Promise.race([call.world.released(call.tag), aborted(call.signal)]);
  if (!call.signal.aborted) progress(2);
  return said(call.tag);
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

async function gather(call: Call): Promise<string> {
  const { args, meta, tag, world } = call;
  const { progressToken } = meta;
  if (progressToken !== undefined)
    call.notify('notifications/progress', { progressToken, progress: 1, total: 1, message: tag });
  await Promise.race([world.gathered(String(args['group']), Number(args['count'])), aborted(call.signal)]);
  return said(tag);
}

function log(call: Call): string {
  const lowest = call.logLevel === undefined ? logLevels.length : logLevels.indexOf(call.logLevel);
  for (const level of ['debug', 'info', 'warning', 'error'])
    if (logLevels.indexOf(level) >= lowest)
      call.notify('notifications/message', { level, logger: 'suite', data: `${level} of ${call.tag}` });
  return said(call.tag);
}

function task({ args, meta, tag, world }: Call): string {
  const declared = meta['io.modelcontextprotocol/clientCapabilities'];
  const extensions = isJsonObject(declared) ? declared['extensions'] : undefined;
  if (!isJsonObject(extensions) || extensions[tasksExtension] === undefined)
    return said(tag, { task: false });
  // The same id at every server: nobody but the gateway can tell them apart.
  const taskId = `task-${String(args['id'])}`;
  const made = { taskId, createdAt: new Date().toISOString(), status: 'working' as const };
  world.tasks.set(taskId, made);
  return JSON.stringify({
    resultType: 'task',
    ...made,
    lastUpdatedAt: made.createdAt,
    ttlMs: 60_000,
    pollIntervalMs: 100,
  });
}

const links = (tag: string): string =>
  JSON.stringify({
    content: [
      { type: 'text', text: tag },
      { type: 'resource_link', uri: noteUri, name: 'one' },
      { type: 'resource', resource: { uri: noteUri, text: 'inside', 'vendor.test/unknown': 1 } },
    ],
  });

/** The text of the result, without what the era adds. */
export function runTool(name: string, call: Call): string | Promise<string> {
  const { argumentsText, tag } = call;
  switch (name) {
    case 'echo':
    case 'params':
    case 'hidden':
      return `{"content":[{"type":"text","text":${JSON.stringify(tag)}}],"structuredContent":{"tag":${JSON.stringify(tag)},"given":${argumentsText}}}`;
    case 'exotic':
      return `{${exoticMembers},"content":[${exoticContent},{"type":"text","text":${JSON.stringify(tag)}}],"_meta":{${exoticMeta}}}`;
    case 'gather':
      return gather(call);
    case 'wait':
      return wait(call);
    case 'log':
      return log(call);
    case 'ask':
      return ask(call);
    case 'remember':
      return remember(call);
    case 'link':
      return links(tag);
    case 'task':
      return task(call);
    case 'fail':
      throw new CallError(-1234, `failed: ${tag}`, { kept: { of: tag } });
    default:
      throw new CallError(-32602, `Unknown tool: ${name}`);
  }
}
