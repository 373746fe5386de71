/** Conformance tools that ask their caller. Written once: a legacy session is asked by requests, a modern caller by its result. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import {
  ask,
  boolean,
  form,
  inputs,
  listRoots,
  said,
  sample,
  string,
  type Call,
  type Outcome,
  type Question,
  type Tool,
} from './offer.ts';

const shown = (value: Json | undefined): string => JSON.stringify(value ?? null);

/** What the user typed; undefined unless the form was accepted. */
export function accepted(answer: JsonObject | undefined): JsonObject | undefined {
  if (answer?.['action'] !== 'accept') return undefined;
  return isJsonObject(answer['content']) ? answer['content'] : {};
}

const sampled = (answer: JsonObject): string => {
  const { content } = answer;
  return isJsonObject(content) && typeof content['text'] === 'string' ? content['text'] : shown(content);
};

/** Asks one question under one key and goes on when there is an answer. */
function asking(
  name: string,
  key: string,
  question: (args: JsonObject) => Question,
  then: (answer: JsonObject) => string,
  schema: JsonObject = inputs(),
): Tool {
  return {
    definition: { name, description: `Asks the caller: ${key.replaceAll('_', ' ')}.`, inputSchema: schema },
    run: ({ args, answers }) => {
      const answer = answers[key];
      return answer ? said(then(answer)) : ask({ [key]: question(args) });
    },
  };
}

const elicited = (answer: JsonObject): string =>
  `Elicitation completed: action=${String(answer['action'])}, content=${shown(answer['content'])}`;

const options = ['option1', 'option2', 'option3'];
const titled = (noun: string): readonly JsonObject[] =>
  ['First', 'Second', 'Third'].map((title, i) => ({ const: `value${i + 1}`, title: `${title} ${noun}` }));

const pushed: readonly Tool[] = [
  asking(
    'test_sampling',
    'completion',
    ({ prompt }) => sample(String(prompt)),
    (answer) => `LLM response: ${sampled(answer)}`,
    inputs({ prompt: string }, ['prompt']),
  ),
  asking(
    'test_elicitation',
    'user_details',
    ({ message }) =>
      form(String(message), {
        username: { type: 'string', description: "User's response" },
        email: { type: 'string', description: "User's email address" },
      }),
    (answer) => `User response: action=${String(answer['action'])}, content=${shown(answer['content'])}`,
    inputs({ message: string }, ['message']),
  ),
  asking(
    'test_elicitation_sep1034_defaults',
    'details_with_defaults',
    () =>
      form(
        'Please check these values',
        {
          name: { type: 'string', description: 'Name', default: 'John Doe' },
          age: { type: 'integer', description: 'Age', default: 30 },
          score: { type: 'number', description: 'Score', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', description: 'Verified', default: true },
        },
        [],
      ),
    elicited,
  ),
  asking(
    'test_elicitation_sep1330_enums',
    'choices',
    () =>
      form(
        'Please choose',
        {
          untitledSingle: { type: 'string', enum: options },
          titledSingle: { type: 'string', oneOf: titled('Option') },
          legacyEnum: {
            type: 'string',
            enum: ['opt1', 'opt2', 'opt3'],
            enumNames: ['Option One', 'Option Two', 'Option Three'],
          },
          untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
          titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
        },
        [],
      ),
    elicited,
  ),
];

const yourName = form('What is your name?', { name: string });
const confirm = form('Please confirm', { ok: boolean });

const named = (answer: JsonObject): string => `Hello, ${String(accepted(answer)?.['name'] ?? 'stranger')}!`;

/** Asks with a state of its own, which must come back as it was given. */
const stateful = (name: string): Tool => ({
  definition: { name, description: 'Asks for a confirmation and keeps a state.', inputSchema: inputs() },
  run: ({ answers, kept }) =>
    answers['confirm'] && kept === name ? said('state-ok') : ask({ confirm }, name),
});

const several: Tool = {
  definition: {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks three things of different kinds at once.',
    inputSchema: inputs(),
  },
  run: ({ answers, kept }) => {
    const { user_name: user, greeting, client_roots: roots } = answers;
    if (user && greeting && roots && kept === 'asked')
      return said(`${sampled(greeting)} ${named(user)} ${shown(roots['roots'])}`);
    return ask(
      { user_name: yourName, greeting: sample('Generate a greeting', 50), client_roots: listRoots },
      'asked',
    );
  },
};

const rounds: Tool = {
  definition: {
    name: 'test_input_required_result_multi_round',
    description: 'Asks twice, one after the other.',
    inputSchema: inputs(),
  },
  run: ({ answers, kept }) => {
    const { step1, step2 } = answers;
    const state = isJsonObject(kept) ? kept : {};
    if (state['round'] === 2) {
      const color = accepted(step2)?.['color'];
      return step2 ? said(`${String(state['name'])} likes ${String(color)}.`) : secondStep(state['name']);
    }
    if (state['round'] === 1 && step1) return secondStep(accepted(step1)?.['name']);
    return ask({ step1: form('Step 1: What is your name?', { name: string }) }, { round: 1 });
  },
};

const secondStep = (name: Json | undefined): Outcome =>
  ask(
    { step2: form('Step 2: What is your favorite color?', { color: string }) },
    { round: 2, name: name ?? null },
  );

const whatIsDeclared: Tool = {
  definition: {
    name: 'test_input_required_result_capabilities',
    description: 'Asks only what the caller declared that it can answer.',
    inputSchema: inputs(),
  },
  run: (call) => {
    if (Object.keys(call.answers).length > 0)
      return said(`Answered: ${Object.keys(call.answers).join(', ')}`);
    const questions = {
      ...(call.declares('elicitation') ? { user_name: yourName } : {}),
      ...(call.declares('sampling') ? { completion: sample('Say one word.') } : {}),
    };
    return Object.keys(questions).length > 0 ? ask(questions) : said('There is nobody to ask.');
  },
};

const needsSampling: Tool = {
  definition: {
    name: 'test_missing_capability',
    description: 'Asks for a completion, whether or not the caller can give one.',
    inputSchema: inputs(),
  },
  run: ({ answers }) =>
    answers['completion']
      ? said(sampled(answers['completion']))
      : ask({ completion: sample('Say one word.') }),
};

const askingOnTheWay: Tool = {
  definition: {
    name: 'test_streaming_elicitation',
    description: 'Reports progress, then asks.',
    inputSchema: inputs(),
  },
  run: async (call: Call) => {
    if (call.answers['user_name']) return said(named(call.answers['user_name']));
    await call.progress(1, 2);
    return ask({ user_name: yourName });
  },
};

export const askingTools: readonly Tool[] = [
  ...pushed,
  asking('test_input_required_result_elicitation', 'user_name', () => yourName, named),
  asking(
    'test_input_required_result_sampling',
    'capital_question',
    () => sample('What is the capital of France?'),
    sampled,
  ),
  asking(
    'test_input_required_result_list_roots',
    'client_roots',
    () => listRoots,
    (answer) => `Roots: ${shown(answer['roots'])}`,
  ),
  stateful('test_input_required_result_request_state'),
  stateful('test_input_required_result_tampered_state'),
  several,
  rounds,
  whatIsDeclared,
  needsSampling,
  askingOnTheWay,
];
