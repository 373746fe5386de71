/** Which method is answered by what; the same for both eras but for what an era does not have. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import {
  invalidParams,
  methodNotFound,
  missingCapability,
  OfferError,
  type Call,
  type Era,
  type Outcome,
} from './offer.ts';
import { complete, prompts } from './prompts.ts';
import { readResource, resources, resourceTemplates } from './resources.ts';
import { getSkill, listSkills, readDirectory } from './skills.ts';
import type { World } from './world.ts';

export const tasksExtension = 'io.modelcontextprotocol/tasks';
export const skillsExtension = 'io.modelcontextprotocol/skills';

/** Both eras have them. */
export const coreMethods: readonly string[] = [
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'completion/complete',
];

const extensionMethods: readonly string[] = [
  'skills/list',
  'skills/get',
  'resources/directory/read',
  'tasks/get',
  'tasks/update',
  'tasks/cancel',
];

export const isModernMethod = (method: string): boolean =>
  coreMethods.includes(method) || extensionMethods.includes(method);

export type Caller = Omit<Call, 'args'>;

/** @throws OfferError */
export async function answer(
  world: World,
  method: string,
  params: JsonObject,
  caller: Caller,
): Promise<Outcome> {
  const listed = list(world, method, caller.era);
  if (listed) return result(listed);
  switch (method) {
    case 'tools/call':
      return callTool(world, params, caller);
    case 'prompts/get': {
      const name = params['name'];
      const prompt = prompts(world).find(({ definition }) => definition.name === name);
      if (!prompt) return unknown('prompt', name);
      return prompt.run({ ...caller, args: object(params['arguments']) });
    }
    case 'resources/read':
      return result(readResource(String(params['uri'])));
    case 'completion/complete':
      return result(complete(object(params['argument'])));
    default:
      if (caller.era === 'modern') return result(modernOnly(world, method, params, caller));
      throw new OfferError(methodNotFound, 'Method not found');
  }
}

function list(world: World, method: string, era: Era): JsonObject | undefined {
  switch (method) {
    case 'tools/list':
      return { tools: world.tools(era).map(({ definition }) => definition) };
    case 'prompts/list':
      return { prompts: prompts(world).map(({ definition }) => definition) };
    case 'resources/list':
      return { resources };
    case 'resources/templates/list':
      return { resourceTemplates };
    default:
      return undefined;
  }
}

function callTool(world: World, params: JsonObject, caller: Caller): Outcome | Promise<Outcome> {
  const name = params['name'];
  const tool = world.tools(caller.era).find(({ definition }) => definition.name === name);
  if (!tool) return unknown('tool', name);
  if (tool.tasks === 'required') needTasks(caller);
  return tool.run({ ...caller, args: object(params['arguments']) });
}

function modernOnly(world: World, method: string, params: JsonObject, caller: Caller): JsonObject {
  switch (method) {
    case 'skills/list':
      return listSkills();
    case 'skills/get':
      return getSkill(params['uri']);
    case 'resources/directory/read':
      return readDirectory(params['uri']);
    case 'tasks/get':
      needTasks(caller);
      return world.tasks.get(params['taskId']);
    case 'tasks/update':
      needTasks(caller);
      // The SDK takes inputResponses out of the params of every request.
      return world.tasks.update(params['taskId'], caller.answers);
    case 'tasks/cancel':
      needTasks(caller);
      return world.tasks.cancel(params['taskId']);
    default:
      throw new OfferError(methodNotFound, 'Method not found');
  }
}

/** @throws OfferError for a caller that did not declare the Tasks extension. */
function needTasks(caller: Caller): void {
  if (caller.declares('tasks')) return;
  throw new OfferError(missingCapability, 'This needs the Tasks extension', {
    requiredCapabilities: { extensions: { [tasksExtension]: {} } },
  });
}

const result = (value: JsonObject): Outcome => ({ kind: 'result', result: value });
const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});

function unknown(what: string, name: Json | undefined): never {
  throw new OfferError(invalidParams, `Unknown ${what}: ${JSON.stringify(name ?? null)}`);
}
