/** A sandbox that runs nothing: tests say what comes of each job. */

import type {
  Boundary,
  Sandbox,
  SandboxFault,
  SandboxJob,
  SandboxOutcome,
  SandboxRefusal,
} from '@cruvero/ports';

export const boundary: Boundary = {
  by: 'made up',
  namespaces: ['user'],
  ownUid: true,
  noNewPrivileges: true,
  capabilities: 'none',
  seccomp: 'made up',
  nestedNamespaces: false,
  network: ['lo'],
  allowedHosts: [],
  cgroup: 'none',
  limits: { memory: 'sampled', processes: 'namespace', cpu: 'none' },
  remarks: [],
};

export const outcome: SandboxOutcome = {
  ended: 'exited',
  exitCode: 0,
  signal: null,
  durationMs: 12.34,
  peakMemoryBytes: 1_000,
  stdout: { bytes: 0, droppedBytes: 0 },
  stderr: { bytes: 0, droppedBytes: 0 },
  files: [],
  leftOut: [],
};

type Play = (job: SandboxJob) => Promise<SandboxOutcome | SandboxFault> | SandboxOutcome | SandboxFault;

export class FakeSandbox implements Sandbox {
  readonly jobs: SandboxJob[] = [];
  play: Play = () => outcome;
  measured: Boundary | SandboxRefusal = boundary;

  measure(): Promise<Boundary | SandboxRefusal> {
    return Promise.resolve(this.measured);
  }

  async run(job: SandboxJob): Promise<SandboxOutcome | SandboxFault> {
    this.jobs.push(job);
    return this.play(job);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
