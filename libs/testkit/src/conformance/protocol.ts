/** The offer of the conformance server on the SDK: one instance for a legacy session, or for one modern request. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import { fromJsonSchema, McpServer, type ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import {
  answer,
  coreMethods,
  isModernMethod,
  skillsExtension,
  tasksExtension,
  type Caller,
} from './answering.ts';
import { headerTool } from './content-tools.ts';
import {
  capabilityOf,
  missingCapability,
  OfferError,
  textResult,
  type Answers,
  type Capability,
  type Era,
  type Outcome,
  type Questions,
} from './offer.ts';
import type { World } from './world.ts';

const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

const extensions = { [tasksExtension]: {}, [skillsExtension]: { directoryRead: true } };

/** How often a legacy session is asked on behalf of one request. */
const roundsMax = 8;
const answerWithinMs = 60_000;
/** Whatever the caller answers: what the tool makes of it is the tool's business. */
const anyObject = z.looseObject({});
const clientCapabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';

/**
 * Not connected yet. Over HTTP the SDK answers 404 to a method that an instance has no handler for, so an instance that
 * is made for one request is given the method's name.
 */
export function conformanceProtocol(world: World, era: Era, method?: string): McpServer {
  const mcp = new McpServer(
    { name: 'conformance-fixture', version: '1.0.0' },
    {
      capabilities: era === 'modern' ? { ...capabilities, extensions } : capabilities,
      instructions: 'Offers what the conformance scenarios name.',
    },
  );
  leaveToFallback(mcp);
  const uris = new Set<string>();
  const handle = async (
    request: { readonly method: string; readonly params?: unknown },
    context: ServerContext,
  ): Promise<{ [name: string]: Json }> => {
    const params = plain(request.params);
    if (era === 'legacy' && subscribe(uris, request.method, params)) return {};
    const outcome =
      era === 'legacy'
        ? await answerSession(world, mcp, request.method, params, context)
        : await answerRequest(world, request.method, params, context);
    return JSON.parse(JSON.stringify(outcome)) as { [name: string]: Json };
  };
  if (method === undefined || isModernMethod(method)) mcp.server.fallbackRequestHandler = handle;
  if (era === 'modern') {
    // Two names of the older tasks: the SDK leaves them to a handler with a schema only.
    for (const name of ['tasks/get', 'tasks/cancel'])
      mcp.server.setRequestHandler(name, { params: anyObject, result: anyObject }, (params, context) =>
        handle({ method: name, params }, context),
      );
  }
  if (era === 'legacy') tellSession(world, mcp, uris);
  return mcp;
}

/** The SDK checks the `Mcp-Param-*` headers of a tool that it knows; the requests themselves are answered here. */
function leaveToFallback(mcp: McpServer): void {
  const { name, inputSchema } = headerTool.definition;
  mcp.registerTool(name, { inputSchema: fromJsonSchema(plain(inputSchema)) }, () => ({ content: [] }));
  for (const method of coreMethods) mcp.server.removeRequestHandler(method);
}

/** True for the two methods by which a legacy session says what it wants to be told about. */
function subscribe(uris: Set<string>, method: string, { uri }: JsonObject): boolean {
  if (method === 'resources/subscribe') uris.add(String(uri));
  else if (method === 'resources/unsubscribe') uris.delete(String(uri));
  else return false;
  return true;
}

/** A legacy session is told of changes until it is closed. */
function tellSession(world: World, { server }: McpServer, uris: ReadonlySet<string>): void {
  const stop = world.onChange((change) => {
    const sent =
      change.kind === 'tools'
        ? server.sendToolListChanged()
        : change.kind === 'prompts'
          ? server.sendPromptListChanged()
          : uris.has(change.uri)
            ? server.sendResourceUpdated({ uri: change.uri })
            : undefined;
    void sent?.catch(() => undefined);
  });
  server.onclose = stop;
}

/** A modern request is one round: what it asks is its result. */
async function answerRequest(
  world: World,
  method: string,
  params: JsonObject,
  context: ServerContext,
): Promise<JsonObject> {
  const name = String(params['name'] ?? params['uri'] ?? '');
  const { envelope, inputResponses } = context.mcpReq;
  const declared = plain(plain(envelope)[clientCapabilitiesKey]);
  const state = context.mcpReq.requestState();
  const outcome = await answer(world, method, params, {
    ...callerOf(context, 'modern', declared),
    answers: objects(inputResponses),
    kept: typeof state === 'string' ? await world.unseal(name, state, context) : undefined,
  });
  if (outcome.kind === 'result') return outcome.result;
  if (outcome.kind === 'task') return world.tasks.create(outcome.work);
  const missing = undeclared(outcome.questions, declared);
  if (missing)
    throw new OfferError(missingCapability, 'This needs what the client did not declare', {
      requiredCapabilities: missing,
    });
  return {
    resultType: 'input_required',
    inputRequests: outcome.questions,
    ...(outcome.keep === undefined ? {} : { requestState: await world.seal(name, outcome.keep) }),
  };
}

/** A legacy session is asked while its request waits. */
async function answerSession(
  world: World,
  mcp: McpServer,
  method: string,
  params: JsonObject,
  context: ServerContext,
): Promise<JsonObject> {
  const declared = plain(mcp.server.getClientCapabilities());
  const caller = callerOf(context, 'legacy', declared);
  let given: Pick<Caller, 'answers' | 'kept'> = { answers: {}, kept: undefined };
  for (let round = 0; round < roundsMax; round += 1) {
    const outcome: Outcome = await answer(world, method, params, { ...caller, ...given });
    if (outcome.kind === 'result') return outcome.result;
    if (outcome.kind === 'task') throw new Error('tasks are for modern callers');
    const missing = undeclared(outcome.questions, declared);
    if (missing) return failed(`The client did not declare ${Object.keys(missing).join(', ')}.`);
    given = { answers: await askSession(outcome.questions, context), kept: outcome.keep };
  }
  return failed('Too many rounds.');
}

async function askSession(questions: Questions, context: ServerContext): Promise<Answers> {
  const answers = Object.entries(questions).map(async ([key, { method, params }]) => {
    const options = { timeout: answerWithinMs, signal: context.mcpReq.signal };
    return [key, plain(await context.mcpReq.send({ method, params: { ...params } }, anyObject, options))];
  });
  return Object.fromEntries(await Promise.all(answers)) as Answers;
}

const failed = (text: string): JsonObject => ({ ...textResult(text), isError: true });

function callerOf(context: ServerContext, era: Era, declared: JsonObject): Omit<Caller, 'answers' | 'kept'> {
  const progressToken = context.mcpReq._meta?.progressToken;
  return {
    era,
    signal: context.mcpReq.signal,
    declares: (capability: Capability) =>
      capability === 'tasks'
        ? era === 'modern' && plain(declared['extensions'])[tasksExtension] !== undefined
        : declared[capability] !== undefined,
    log: (level, text) => context.mcpReq.log(level, text, 'conformance-fixture'),
    progress: async (progress, total) => {
      if (progressToken === undefined) return;
      await context.mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress, total },
      });
    },
    closeStream: () => context.http?.closeSSE?.(),
  };
}

/** What the questions need and the client lacks, as a capabilities object. */
function undeclared(questions: Questions, declared: JsonObject): JsonObject | undefined {
  const missing = Object.values(questions)
    .map(({ method }) => capabilityOf[method])
    .filter((capability) => declared[capability] === undefined);
  return missing.length > 0 ? Object.fromEntries(missing.map((name) => [name, {}])) : undefined;
}

function plain(value: unknown): { readonly [name: string]: Json } {
  const copy: unknown = value === undefined ? {} : JSON.parse(JSON.stringify(value));
  return isJsonObject(copy) ? (copy as { readonly [name: string]: Json }) : {};
}

const objects = (value: unknown): Answers =>
  Object.fromEntries(Object.entries(plain(value)).filter(([, one]) => isJsonObject(one))) as Answers;
