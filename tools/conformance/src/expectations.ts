/** Scenarios that cannot pass, each with the reason on its own wire. A pass where none is possible is reported as well. */

import type { Expectations } from './verdicts.ts';

/** Asks the official program to try nothing: its check waits for a channel that it cannot read yet. */
export const always: Expectations = {
  'tasks-status-notifications': { is: 'skipped', why: 'the official program skips it itself' },
};

const noTasks = 'the legacy era has no Tasks extension, so the server offers no tool that makes one';

/** 2026-07-28 over a legacy server. */
export const modernOverLegacy: Expectations = {
  ...always,
  'server-stateless': {
    is: 'failed',
    why: 'a legacy server knows no -32021: its tool reports an undeclared capability as a result with isError',
    checks: ['sep-2575-server-rejects-undeclared-capability', 'sep-2575-missing-capability-http-400'],
  },
  'input-required-result-basic-elicitation': {
    is: 'failed',
    why: 'it wants the key user_name, and a legacy elicitation/create has no key',
    checks: ['sep-2322-elicitation-incomplete'],
  },
  'input-required-result-ignore-extra-params': {
    is: 'warned',
    why: 'it answers under user_name without having been asked, and a legacy elicitation/create has no key',
    checks: ['sep-2322-ignore-unexpected-params'],
  },
  'tasks-lifecycle': { is: 'failed', why: noTasks },
  'tasks-capability-negotiation': { is: 'failed', why: noTasks },
  'tasks-wire-fields': { is: 'failed', why: noTasks },
  'tasks-request-state-removal': { is: 'failed', why: noTasks },
  'tasks-mrtr-input': { is: 'failed', why: noTasks },
  'tasks-request-headers': { is: 'failed', why: noTasks },
  'tasks-dispatch-and-envelope': { is: 'failed', why: noTasks },
  'tasks-required-task-error': { is: 'failed', why: noTasks },
  'tasks-mrtr-composition': { is: 'failed', why: noTasks },
};

/** 2025-11-25 over a modern server: nothing is lost, since its tools ask by results and the gateway asks the session. */
export const legacyOverModern: Expectations = {
  ...always,
  'server-sse-polling': {
    is: 'skipped',
    why: 'a modern server never ends a stream before its result, so there may be no stream to come back to',
    mayPass: true,
  },
};
