/** What the suite's callers answer when they are asked: known words, so that each answer is found again at the server. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';

/** The answer to one question, with the word of its check inside. */
export function answerTo(tag: string, method: string, params: Json): JsonObject {
  switch (method) {
    case 'elicitation/create':
      return isJsonObject(params) && params['mode'] === 'url'
        ? { action: 'accept' }
        : { action: 'accept', content: { colour: `red ${tag}` } };
    case 'sampling/createMessage':
      return { role: 'assistant', model: 'suite', content: { type: 'text', text: `completed ${tag}` } };
    case 'roots/list':
      return { roots: [{ uri: `file:///${tag}`, name: 'root' }] };
    default:
      return {};
  }
}

/** Answers by key, as a modern caller sends them back. */
export function answersTo(tag: string, result: JsonObject): JsonObject {
  const asked = isJsonObject(result['inputRequests']) ? result['inputRequests'] : {};
  return Object.fromEntries(
    Object.entries(asked).map(([key, question]) => {
      const { method, params } = question as { readonly method: string; readonly params: Json };
      return [key, answerTo(tag, method, params)];
    }),
  );
}

/** What the server got for each kind of question. */
export function expectedAnswers(tag: string, kinds: readonly string[]): JsonObject {
  const method = {
    form: 'elicitation/create',
    url: 'elicitation/create',
    sampling: 'sampling/createMessage',
    roots: 'roots/list',
  };
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      answerTo(tag, method[kind as keyof typeof method], kind === 'url' ? { mode: 'url' } : {}),
    ]),
  );
}
