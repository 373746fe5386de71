/** What a client can answer when a server asks back, between the eras (MCP "Client capabilities"). */

import { isJsonObject, type Json, type JsonObject } from '../model/json.ts';
import { canonicalJson } from '../wire/canonical.ts';
import { isJsonProblem, stringAt, wholeObject } from '../wire/json-spans.ts';
import type { Question } from './questions.ts';

/**
 * Undefined where the capabilities cover the question, otherwise what they would have to hold besides. An elicitation
 * capability without modes covers forms only.
 */
export function missingCapability(question: Question, capabilities: JsonObject): JsonObject | undefined {
  if (question.method === 'elicitation/create') return missingElicitation(question, capabilities);
  if (question.method === 'sampling/createMessage') return missingSampling(question, capabilities);
  return isJsonObject(capabilities['roots']) ? undefined : { roots: {} };
}

function missingElicitation(question: Question, capabilities: JsonObject): JsonObject | undefined {
  const declared = capabilities['elicitation'];
  const mode = stringMember(question.paramsText, 'mode') ?? 'form';
  if (isJsonObject(declared)) {
    if (Object.hasOwn(declared, mode) && isJsonObject(declared[mode])) return undefined;
    if (mode === 'form' && !Object.hasOwn(declared, 'form') && !Object.hasOwn(declared, 'url'))
      return undefined;
  }
  return { elicitation: mode === 'form' ? { form: {} } : { [mode.slice(0, 64)]: {} } };
}

function missingSampling(question: Question, capabilities: JsonObject): JsonObject | undefined {
  const declared = capabilities['sampling'];
  const members = wholeObject(question.paramsText);
  const withTools = !isJsonProblem(members) && (members.has('tools') || members.has('toolChoice'));
  if (isJsonObject(declared) && (!withTools || isJsonObject(declared['tools']))) return undefined;
  return { sampling: withTools ? { tools: {} } : {} };
}

function stringMember(objectText: string, name: string): string | undefined {
  const members = wholeObject(objectText);
  return isJsonProblem(members) ? undefined : stringAt(objectText, members.get(name));
}

/** A modern request's capabilities as an initialize declares them: extensions and tasks stay behind. */
export function legacyCapabilities(modern: JsonObject): JsonObject {
  return inBothEras(modern);
}

/** A legacy session's capabilities as an envelope declares them: tasks stay behind, roots say nothing more. */
export function modernCapabilities(legacy: JsonObject): JsonObject {
  return inBothEras(legacy);
}

function inBothEras(declared: JsonObject): JsonObject {
  const kept: Record<string, Json> = {};
  for (const name of ['elicitation', 'sampling', 'experimental'] as const) {
    const value = declared[name];
    if (isJsonObject(value)) kept[name] = value;
  }
  if (isJsonObject(declared['roots'])) kept['roots'] = {};
  return kept;
}

/** True where a server may ask this client anything at all. */
export function canAnswer(capabilities: JsonObject): boolean {
  return ['elicitation', 'sampling', 'roots'].some((name) => isJsonObject(capabilities[name]));
}

/** Equal for equal capabilities, however they are spelled. */
export function fingerprint(capabilities: JsonObject): string {
  return canonicalJson(capabilities);
}
