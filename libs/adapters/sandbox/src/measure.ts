/** Finds out what the boundary is on this machine by looking at it from inside. */

import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import {
  isSandboxFault,
  sayAllowedHost,
  type AllowedHost,
  type Boundary,
  type LimitSource,
  type SandboxFault,
  type SandboxJob,
  type SandboxOutcome,
  type SandboxRefusal,
} from '@cruvero/ports';
import type { Cgroups } from './cgroups.ts';
import { forwarderPort } from './forwarder.ts';
import type { OwnUids } from './own-uids.ts';
import { archOf, refusedCalls } from './syscalls.ts';

export interface MeasureParts {
  run(job: SandboxJob): Promise<SandboxOutcome | SandboxFault>;
  readonly cgroups: Cgroups;
  readonly uids: OwnUids;
  readonly bwrap: string;
  readonly allowed: readonly AllowedHost[];
}

const namespaces = ['user', 'pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup'] as const;

/** Answers one line a question, as `name value`. */
const lookAround = `
while read -r key value rest; do
  case $key in
    Seccomp:|NoNewPrivs:|CapEff:|CapPrm:|CapBnd:|CapInh:|CapAmb:) echo "$key $value" ;;
  esac
done < /proc/self/status
for ns in ${namespaces.join(' ')}; do echo "ns-$ns $(readlink /proc/self/ns/$ns)"; done
while read -r line; do
  case $line in *:*) echo "net" \${line%%:*} ;; esac
done < /proc/net/dev
for fd in /proc/self/fd/*; do echo "fd \${fd##*/}"; done
if unshare -U true 2>/dev/null; then echo "nested yes"; else echo "nested no"; fi
if touch /probe 2>/dev/null || touch /usr/probe 2>/dev/null || touch /dev/probe 2>/dev/null; then echo "writable yes"; else echo "writable no"; fi
if [ "$$" -lt 100 ]; then echo "pids few"; fi
`;

/** Asks the proxy for what no list may hold by accident. */
const askProxy = `
if exec 8<>/dev/tcp/127.0.0.1/${forwarderPort}; then
  printf 'CONNECT 169.254.169.254:1 HTTP/1.1\\r\\n\\r\\n' >&8
  read -r -t 5 version status rest <&8
  echo "proxy $status"
fi
`;

const probeJob = (onOutput: SandboxJob['onOutput'], hasNetwork: boolean): SandboxJob => ({
  program: 'bash',
  code: hasNetwork ? `${lookAround}${askProxy}` : lookAround,
  args: [],
  stdin: new Uint8Array(),
  files: [],
  giveBack: 'changed',
  bounds: {
    timeoutMs: 10_000,
    memoryBytesMax: 256 << 20,
    processesMax: 32,
    cpuMax: 1,
    outputBytesMax: 16_384,
    workBytesMax: 1 << 20,
    fileBytesMax: 1 << 20,
    filesMax: 1,
    filesBytesMax: 1 << 20,
  },
  onOutput,
  signal: new AbortController().signal,
});

export async function measureBoundary(parts: MeasureParts): Promise<Boundary | SandboxRefusal> {
  const { cgroups, uids, allowed } = parts;
  if (process.getuid?.() === 0 && !uids.available)
    return {
      refused: `This process is root, and its runs cannot have another user: ${uids.why}. Start it as an ordinary user.`,
    };
  let text = '';
  const outcome = await parts.run(
    probeJob((_, bytes) => void (text += Buffer.from(bytes).toString('latin1')), allowed.length > 0),
  );
  if (isSandboxFault(outcome)) return { refused: explain(outcome.detail) };
  const seen = readAnswers(text);
  const wrong = findHoles(seen);
  if (allowed.length > 0 && seen.get('proxy')?.[0] !== '403')
    wrong.push('the proxy of a run does not refuse what is not listed');
  if (outcome.exitCode !== 0 || wrong.length > 0)
    return {
      refused: `The boundary does not hold on this machine: ${[...wrong, text.trim() === '' ? 'the probe said nothing' : ''].filter(Boolean).join('; ')}.`,
    };
  const arch = archOf(process.arch);
  const limit = (has: boolean, otherwise: LimitSource): LimitSource => (has ? 'cgroup' : otherwise);
  return {
    by: versionOf(parts.bwrap),
    namespaces: [...namespaces],
    ownUid: uids.available,
    noNewPrivileges: true,
    capabilities: 'none',
    seccomp: `${process.arch}, ${arch ? refusedCalls(arch, cgroups.has('memory')).size : 0} system calls refused`,
    nestedNamespaces: false,
    network: seen.get('net') ?? [],
    allowedHosts: allowed.map(sayAllowedHost),
    cgroup: cgroups.version,
    limits: {
      memory: limit(cgroups.has('memory'), 'sampled'),
      processes: limit(cgroups.has('pids'), 'namespace'),
      cpu: limit(cgroups.has('cpu'), 'none'),
    },
    remarks: remarksOf(cgroups, uids),
  };
}

function readAnswers(text: string): ReadonlyMap<string, readonly string[]> {
  const answers = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [name, value] = line.split(' ');
    if (name && value !== undefined) answers.set(name, [...(answers.get(name) ?? []), value]);
  }
  return answers;
}

/** Each a clause; nothing is taken on trust that can be looked at. */
function findHoles(seen: ReadonlyMap<string, readonly string[]>): string[] {
  const holes: string[] = [];
  const expect = (name: string, value: string, hole: string): void => {
    if (seen.get(name)?.[0] !== value) holes.push(hole);
  };
  expect('Seccomp:', '2', 'no seccomp filter is in force');
  expect('NoNewPrivs:', '1', 'a run may gain privileges');
  for (const set of ['CapEff:', 'CapPrm:', 'CapBnd:', 'CapInh:', 'CapAmb:'])
    if (!/^0+$/.test(seen.get(set)?.[0] ?? '')) holes.push(`a run has capabilities (${set.slice(0, -1)})`);
  expect('nested', 'no', 'a run can make namespaces of its own');
  expect('writable', 'no', 'a run can write outside of its folders');
  expect('pids', 'few', 'a run sees processes of the machine');
  // 3 is how the shell reads the list; 255 is its script.
  const open = (seen.get('fd') ?? []).filter((fd) => !['0', '1', '2', '3', '255'].includes(fd));
  if (open.length > 0) holes.push(`a run has descriptors of this process: ${open.join(', ')}`);
  for (const name of namespaces) {
    const inside = seen.get(`ns-${name}`)?.[0];
    if (inside === undefined || inside === hostNamespace(name))
      holes.push(`the ${name} namespace is the machine's`);
  }
  const devices = seen.get('net') ?? [];
  if (devices.some((device) => device !== 'lo'))
    holes.push(`a run sees network devices: ${devices.join(', ')}`);
  return holes;
}

function hostNamespace(name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/ns/${name}`);
  } catch {
    return undefined;
  }
}

function versionOf(bwrap: string): string {
  return spawnSync(bwrap, ['--version'], { encoding: 'utf8', env: {} }).stdout?.trim() || 'bubblewrap';
}

function remarksOf(cgroups: Cgroups, uids: OwnUids): readonly string[] {
  const remarks: string[] = [];
  if (!uids.available) remarks.push(`Runs have the user of this process: ${uids.why}.`);
  if (cgroups.version === 'none')
    remarks.push(
      `There are no cgroups for runs (${cgroups.why}): memory is looked at 40 times a second instead.`,
    );
  if (process.pid === 1)
    remarks.push('This process is process 1 of its container: start it under an init that collects orphans.');
  return remarks;
}

const advice: readonly (readonly [RegExp, string])[] = [
  [
    /mount proc/i,
    'A new /proc may not be mounted here: this is a container whose /proc is masked. Docker: --security-opt systempaths=unconfined; Kubernetes: procMount: Unmasked with hostUsers: false.',
  ],
  [
    /No permissions to creat|creating new namespace|setting up uid map|clone|Operation not permitted|Permission denied/i,
    'User namespaces are refused here. See kernel.unprivileged_userns_clone, user.max_user_namespaces and, on Ubuntu, kernel.apparmor_restrict_unprivileged_userns; in containers, a seccomp profile that allows unshare and mount.',
  ],
  [/disable-userns/i, 'This bubblewrap is too old: version 0.8.0 or newer is needed.'],
  [
    /EACCES|EPERM/,
    'This process may not look into its own runs: as root it needs CAP_SYS_PTRACE; or start it as an ordinary user.',
  ],
];

/** What bubblewrap said, and what to do about it. */
function explain(detail: string): string {
  const found = advice.find(([pattern]) => pattern.test(detail));
  const limits = readLimits();
  return [`The sandbox cannot be made on this machine: ${detail.replace(/\.+$/, '')}.`, found?.[1], limits]
    .filter((each) => each !== undefined)
    .join(' ');
}

/** The usual suspect, said by its own name. */
function readLimits(): string | undefined {
  try {
    const max = readFileSync('/proc/sys/user/max_user_namespaces', 'latin1').trim();
    return max === '0' ? 'user.max_user_namespaces is 0 here.' : undefined;
  } catch {
    return 'This kernel has no user namespaces.';
  }
}
