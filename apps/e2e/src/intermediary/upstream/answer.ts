/** Answers any request to one of the suite's servers, in the server's era. */

import {
  isJsonObject,
  isJsonProblem,
  isObjectAt,
  objectMembers,
  textOf,
  wholeObject,
  type Json,
  type JsonObject,
} from '@cruvero/core';
import {
  capabilities,
  legacyVersion,
  noteUri,
  privateUri,
  prompts,
  resources,
  resourceTemplates,
  serverInfo,
  tasksExtension,
  tools,
  toolsPerPage,
} from './offer.ts';
import { CallError, runTool, type Call } from './tools.ts';
import type { World } from './world.ts';

export type Answer =
  | { readonly result: string }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: JsonObject } };

/** What of a request depends on who made it. */
export type Asker = Pick<Call, 'signal' | 'logLevel' | 'notify' | 'ask'>;

const modernVersion = '2026-07-28';
const cacheable: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

const objectOf = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});

/** `text` is the whole message. Never rejects. */
export async function answer(world: World, method: string, text: string, asker: Asker): Promise<Answer> {
  try {
    const params = objectOf((JSON.parse(text) as JsonObject)['params']);
    return { result: inEra(world, method, params, await resultOf(world, method, params, text, asker)) };
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    const { code, message, data } = thrown;
    return { error: data === undefined ? { code, message } : { code, message, data } };
  }
}

/** What 2026-07-28 asks of results, in front of the rest, so that the order of the rest is kept. */
function inEra({ era }: World, method: string, params: JsonObject, result: string): string {
  if (era === 'legacy') return result;
  const members = result.includes('"resultType"') ? [] : ['"resultType":"complete"'];
  const scope = params['uri'] === privateUri ? 'private' : 'public';
  if (cacheable.has(method)) members.push(`"ttlMs":60000,"cacheScope":"${scope}"`);
  const rest = result.slice(1);
  return `{${members.join(',')}${members.length > 0 && rest !== '}' ? ',' : ''}${rest}`;
}

function resultOf(
  world: World,
  method: string,
  params: JsonObject,
  text: string,
  asker: Asker,
): string | Promise<string> {
  if (method === 'tools/call') return callTool(world, params, text, asker);
  return JSON.stringify(plainResult(world, method, params));
}

function plainResult(world: World, method: string, params: JsonObject): JsonObject {
  switch (method) {
    case 'initialize':
    case 'server/discover':
      return introduction(world, method);
    case 'ping':
    case 'logging/setLevel':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      if (world.era === 'legacy') return {};
      break;
    case 'tools/list':
      return listTools(world, params['cursor']);
    case 'prompts/list':
      return { prompts: [...prompts, ...revision(world, 'prompts')] };
    case 'resources/list':
      return { resources: [...resources, ...revision(world, 'resources')] };
    case 'resources/templates/list':
      return { resourceTemplates };
    case 'resources/read':
      return read(world, params);
    case 'prompts/get':
      return prompt(params);
    case 'completion/complete':
      return {
        completion: { values: [`completed ${JSON.stringify(params['ref'])}`], total: 1, hasMore: false },
      };
    case 'vendor.test/do':
      return { 'vendor.test/done': params['vendor.test/what'] ?? null };
    case 'tasks/get':
    case 'tasks/update':
    case 'tasks/cancel':
      if (world.era === 'modern') return taskResult(world, method, params);
      break;
  }
  throw new CallError(-32601, 'Method not found');
}

function introduction(world: World, method: string): JsonObject {
  const instructions = 'Of the suite.';
  if (method === 'initialize' && world.era === 'legacy')
    return { protocolVersion: legacyVersion, capabilities, serverInfo, instructions };
  if (method === 'server/discover' && world.era === 'modern') {
    return {
      supportedVersions: [modernVersion],
      capabilities: { ...capabilities, extensions: { [tasksExtension]: {} } },
      instructions,
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    };
  }
  throw new CallError(-32601, 'Method not found');
}

function revision({ revisions }: World, list: 'prompts' | 'resources'): readonly JsonObject[] {
  const number = revisions[list];
  if (number === 0) return [];
  return [
    { ...(list === 'resources' ? { uri: `suite://revisions/${number}` } : {}), name: `revision-${number}` },
  ];
}

function listTools({ revisions }: World, cursor: Json | undefined): JsonObject {
  const fresh = { name: `revision-${revisions.tools}`, inputSchema: { type: 'object' } };
  const all = revisions.tools === 0 ? tools : [...tools, fresh];
  if (cursor === undefined) return { tools: all.slice(0, toolsPerPage), nextCursor: 'page 2/+=' };
  if (cursor !== 'page 2/+=') throw new CallError(-32602, 'This cursor was not given out here');
  return { tools: all.slice(toolsPerPage) };
}

function read(world: World, { uri }: JsonObject): JsonObject {
  if (uri !== noteUri && uri !== privateUri)
    throw new CallError(-32602, 'No such resource', { uri: uri ?? null });
  world.reads += 1;
  return { contents: [{ uri, text: `read ${world.reads}`, 'vendor.test/unknown': 'kept' }] };
}

function prompt({ name, arguments: args }: JsonObject): JsonObject {
  if (!prompts.some((known) => known['name'] === name)) throw new CallError(-32602, 'No such prompt');
  const text = `${String(name)} for ${JSON.stringify(args ?? {})}`;
  return { messages: [{ role: 'user', content: { type: 'text', text } }], 'vendor.test/unknown': 'kept' };
}

function taskResult(world: World, method: string, { taskId }: JsonObject): JsonObject {
  const task = typeof taskId === 'string' ? world.tasks.get(taskId) : undefined;
  if (!task) throw new CallError(-32602, 'No such task');
  if (method === 'tasks/cancel') task.status = 'cancelled';
  if (method !== 'tasks/get') return {};
  const { createdAt, status } = task;
  return {
    taskId: task.taskId,
    createdAt,
    lastUpdatedAt: createdAt,
    status,
    ttlMs: 60_000,
    'vendor.test/at': world.kind,
  };
}

function callTool(world: World, params: JsonObject, text: string, asker: Asker): string | Promise<string> {
  const args = objectOf(params['arguments']);
  return runTool(String(params['name']), {
    ...asker,
    world,
    params,
    args,
    argumentsText: argumentsText(text),
    meta: objectOf(params['_meta']),
    tag: String(args['tag'] ?? ''),
  });
}

/** `params.arguments` as it stands in the message. */
function argumentsText(text: string): string {
  const message = wholeObject(text);
  const params = isJsonProblem(message) ? undefined : message.get('params');
  if (!params || !isObjectAt(text, params)) return '{}';
  const members = objectMembers(text, params.start);
  const given = isJsonProblem(members) ? undefined : members.get('arguments');
  return given ? textOf(text, given) : '{}';
}
