/** Conformance tools of the Tasks extension. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '@cruvero/core';
import { accepted } from './asking-tools.ts';
import { ask, boolean, form, inputs, OfferError, string, textResult, type Tool } from './offer.ts';

const name = (answer: JsonObject | undefined): string => String(accepted(answer)?.['name'] ?? 'nobody');

/** Nobody waits longer in a call. */
const waitMsMax = 1000;

/** A task where the caller knows tasks; otherwise the caller waits. */
const slowCompute: Tool = {
  definition: {
    name: 'slow_compute',
    description: 'Computes for some seconds.',
    inputSchema: inputs({ seconds: { type: 'number' }, label: string }),
  },
  run: async ({ args, declares, signal }) => {
    const ms = Math.min(600, Math.max(0, Number(args['seconds'] ?? 1))) * 1000;
    const result = textResult(`Computed ${String(args['label'] ?? 'something')}`);
    if (declares('tasks'))
      return { kind: 'task', work: async (task) => sleep(ms, result, { signal: task.signal, ref: false }) };
    await sleep(Math.min(ms, waitMsMax), undefined, { signal });
    return { kind: 'result', result };
  },
};

const failingJob: Tool = {
  definition: {
    name: 'failing_job',
    description: 'A task whose tool reports an error.',
    inputSchema: inputs(),
  },
  era: 'modern',
  tasks: 'required',
  run: () => ({
    kind: 'task',
    work: async ({ signal }) =>
      sleep(200, { ...textResult('The job failed'), isError: true }, { signal, ref: false }),
  }),
};

const protocolErrorJob: Tool = {
  definition: {
    name: 'protocol_error_job',
    description: 'A task that ends in a protocol error.',
    inputSchema: inputs(),
  },
  era: 'modern',
  tasks: 'required',
  run: () => ({
    kind: 'task',
    work: async () => {
      throw new OfferError(-32603, 'The job broke down');
    },
  }),
};

const confirmDelete: Tool = {
  definition: {
    name: 'confirm_delete',
    description: 'A task that asks before it goes on.',
    inputSchema: inputs({ filename: string }),
  },
  era: 'modern',
  tasks: 'required',
  run: ({ args }) => ({
    kind: 'task',
    work: async (task) => {
      const file = String(args['filename'] ?? 'the file');
      const answers = await task.ask({ confirm_delete: form(`Delete ${file}?`, { confirm: boolean }) });
      const isSure = accepted(answers['confirm_delete'])?.['confirm'] === true;
      return textResult(isSure ? `Deleted ${file}` : `Kept ${file}`);
    },
  }),
};

const multiInput: Tool = {
  definition: {
    name: 'multi_input',
    description: 'A task that asks two things at once.',
    inputSchema: inputs(),
  },
  era: 'modern',
  tasks: 'required',
  run: () => ({
    kind: 'task',
    work: async (task) => {
      const question = (which: string) => form(`The ${which} name?`, { name: string });
      const { first_name: first, second_name: second } = await task.ask({
        first_name: question('first'),
        second_name: question('second'),
      });
      return textResult(`${name(first)} and ${name(second)}`);
    },
  }),
};

const askThenTask: Tool = {
  definition: {
    name: 'test_tool_with_task',
    description: 'Asks for a name, then goes on as a task.',
    inputSchema: inputs(),
  },
  era: 'modern',
  tasks: 'required',
  run: ({ answers }) => {
    const answer = answers['user_name'];
    if (!answer) return ask({ user_name: form('What is your name?', { name: string }) });
    return { kind: 'task', work: async () => textResult(`Hello, ${name(answer)}!`) };
  },
};

export const taskTools: readonly Tool[] = [
  slowCompute,
  failingJob,
  protocolErrorJob,
  confirmDelete,
  multiInput,
  askThenTask,
];
