/** Prompts of the conformance server, and what completes their arguments. */

import type { JsonObject } from '@cruvero/core';
import { accepted } from './asking-tools.ts';
import type { Changes } from './changes.ts';
import { pixelPng } from './content-tools.ts';
import { ask, done, form, string, type Outcome, type Prompt } from './offer.ts';

const user = (content: JsonObject): JsonObject => ({ role: 'user', content });
const asked = (...messages: readonly JsonObject[]): Outcome => done({ messages });
const text = (said: string): JsonObject => user({ type: 'text', text: said });

const simple: Prompt = {
  definition: { name: 'test_simple_prompt', description: 'A prompt without arguments.' },
  run: () => asked(text('This is a simple prompt for testing.')),
};

const withArguments: Prompt = {
  definition: {
    name: 'test_prompt_with_arguments',
    description: 'A prompt with two arguments.',
    arguments: [
      { name: 'arg1', description: 'First test argument', required: true },
      { name: 'arg2', description: 'Second test argument', required: true },
    ],
  },
  run: ({ args }) =>
    asked(text(`Prompt with arguments: arg1='${String(args['arg1'])}', arg2='${String(args['arg2'])}'`)),
};

const withResource: Prompt = {
  definition: {
    name: 'test_prompt_with_embedded_resource',
    description: 'A prompt with a resource inside.',
    arguments: [{ name: 'resourceUri', description: 'URI of the resource to embed', required: true }],
  },
  run: ({ args }) =>
    asked(
      user({
        type: 'resource',
        resource: {
          uri: String(args['resourceUri']),
          mimeType: 'text/plain',
          text: 'Embedded resource content for testing.',
        },
      }),
      text('Please process the embedded resource above.'),
    ),
};

const withImage: Prompt = {
  definition: { name: 'test_prompt_with_image', description: 'A prompt with an image.' },
  run: () =>
    asked(
      user({ type: 'image', data: pixelPng, mimeType: 'image/png' }),
      text('Please analyze the image above.'),
    ),
};

const asking: Prompt = {
  definition: {
    name: 'test_input_required_result_prompt',
    description: 'A prompt that asks what it is about.',
  },
  run: ({ answers }) => {
    const answer = answers['user_context'];
    if (answer)
      return asked(text(`In the context of ${String(accepted(answer)?.['context'] ?? 'nothing')}.`));
    return ask({ user_context: form('What context should the prompt use?', { context: string }) });
  },
};

export const prompts = (world: Changes): readonly Prompt[] => [
  simple,
  withArguments,
  withResource,
  withImage,
  asking,
  {
    definition: {
      name: 'test_changing_prompt',
      description: `Revision ${world.revisions.prompts} of a prompt that others may change.`,
    },
    run: () => asked(text(`Revision ${world.revisions.prompts}`)),
  },
];

const values: readonly string[] = ['paris', 'park', 'party', 'test', 'testing'];

export function complete(argument: JsonObject): JsonObject {
  const found = values.filter((value) => value.startsWith(String(argument['value'] ?? '')));
  return { completion: { values: found, total: found.length, hasMore: false } };
}
