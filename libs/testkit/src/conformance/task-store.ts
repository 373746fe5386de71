/** The tasks of a conformance server (extension io.modelcontextprotocol/tasks), in memory. */

import { randomUUID } from 'node:crypto';
import type { Json, JsonObject } from '@cruvero/core';
import { invalidParams, OfferError, type Answers, type Questions, type TaskWork } from './offer.ts';

/** The oldest goes when there are more. */
const tasksMax = 1000;
const ttlMs = 600_000;
const pollIntervalMs = 100;

type End =
  | { readonly status: 'completed'; readonly result: JsonObject }
  | { readonly status: 'failed'; readonly error: JsonObject }
  | { readonly status: 'cancelled' };

interface Task {
  readonly id: string;
  readonly createdAt: string;
  readonly stop: AbortController;
  lastUpdatedAt: string;
  /** Without an answer yet. */
  open: Questions;
  answers: Answers;
  onAnswered: (() => void) | undefined;
  end: End | undefined;
}

const now = (): string => new Date().toISOString();

export class TaskStore {
  readonly #tasks = new Map<string, Task>();
  readonly #listeners = new Set<(task: JsonObject) => void>();

  /** Gives the `CreateTaskResult`; from then on the task can be asked for. */
  create(work: TaskWork): JsonObject {
    const task: Task = {
      id: randomUUID(),
      createdAt: now(),
      stop: new AbortController(),
      lastUpdatedAt: now(),
      open: {},
      answers: {},
      onAnswered: undefined,
      end: undefined,
    };
    const [oldest] = this.#tasks.keys();
    if (this.#tasks.size >= tasksMax && oldest !== undefined) this.cancelAndForget(oldest);
    this.#tasks.set(task.id, task);
    void this.#run(task, work);
    return { resultType: 'task', ...this.#facts(task) };
  }

  /** The `DetailedTask` of tasks/get. */
  get(id: Json | undefined): JsonObject {
    return { resultType: 'complete', ...this.#details(this.#task(id)) };
  }

  /** Takes answers to open questions; others are ignored. */
  update(id: Json | undefined, given: Answers): JsonObject {
    const task = this.#task(id);
    const stillOpen: Record<string, Questions[string]> = {};
    const answers: Record<string, JsonObject> = { ...task.answers };
    for (const [key, question] of Object.entries(task.open)) {
      const answer = given[key];
      if (answer) answers[key] = answer;
      else stillOpen[key] = question;
    }
    task.open = stillOpen;
    task.answers = answers;
    this.#touched(task);
    if (Object.keys(stillOpen).length === 0) task.onAnswered?.();
    return { resultType: 'complete' };
  }

  /** The same for a task that is over. */
  cancel(id: Json | undefined): JsonObject {
    const task = this.#task(id);
    this.#finish(task, { status: 'cancelled' });
    return { resultType: 'complete' };
  }

  cancelAndForget(id: string): void {
    const task = this.#tasks.get(id);
    if (task) this.#finish(task, { status: 'cancelled' });
    this.#tasks.delete(id);
  }

  /** Told the `DetailedTask` whenever one changes; returns the way to stop that. */
  onChange(listener: (task: JsonObject) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends what still runs. */
  close(): void {
    for (const id of [...this.#tasks.keys()]) this.cancelAndForget(id);
  }

  #task(id: Json | undefined): Task {
    const task = typeof id === 'string' ? this.#tasks.get(id) : undefined;
    if (!task) throw new OfferError(invalidParams, 'Unknown task');
    return task;
  }

  async #run(task: Task, work: TaskWork): Promise<void> {
    try {
      const result = await work({ signal: task.stop.signal, ask: (questions) => this.#ask(task, questions) });
      this.#finish(task, { status: 'completed', result });
    } catch (error) {
      const code = error instanceof OfferError ? error.code : -32603;
      const message = error instanceof Error ? error.message : 'The task failed';
      this.#finish(task, { status: 'failed', error: { code, message } });
    }
  }

  #ask(task: Task, questions: Questions): Promise<Answers> {
    task.open = questions;
    task.answers = {};
    this.#touched(task);
    return new Promise((resolve, reject) => {
      task.onAnswered = () => resolve(task.answers);
      task.stop.signal.addEventListener('abort', () => reject(new Error('cancelled')), { once: true });
    });
  }

  /** The first end counts. */
  #finish(task: Task, end: End): void {
    if (task.end) return;
    task.end = end;
    task.open = {};
    task.stop.abort();
    this.#touched(task);
  }

  #touched(task: Task): void {
    task.lastUpdatedAt = now();
    if (this.#listeners.size === 0) return;
    const details = this.#details(task);
    for (const listener of this.#listeners) listener(details);
  }

  #facts(task: Task): JsonObject {
    const waits = Object.keys(task.open).length > 0 ? 'input_required' : 'working';
    return {
      taskId: task.id,
      status: task.end?.status ?? waits,
      createdAt: task.createdAt,
      lastUpdatedAt: task.lastUpdatedAt,
      ttlMs,
      pollIntervalMs,
    };
  }

  #details(task: Task): JsonObject {
    const { end } = task;
    if (!end) {
      if (Object.keys(task.open).length === 0) return this.#facts(task);
      return { ...this.#facts(task), inputRequests: task.open };
    }
    if (end.status === 'completed') return { ...this.#facts(task), result: end.result };
    if (end.status === 'failed') return { ...this.#facts(task), error: end.error };
    return this.#facts(task);
  }
}
