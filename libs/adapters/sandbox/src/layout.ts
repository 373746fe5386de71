/** What a run sees of a machine, as options of bubblewrap: a system that it may read, and three folders in memory. */

import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { sayAllowedHost, type AllowedHost, type SandboxBounds, type SandboxProgram } from '@cruvero/ports';
import { forwarderPort, forwarderScript, proxySocketPath } from './forwarder.ts';

/** Paths inside. */
export const workFolder = '/work';
const inFolder = '/in';

export interface SystemPaths {
  /** Folders of the machine that every run may read, such as /usr. */
  readonly readOnly: readonly string[];
  readonly python: string;
  readonly bash: string;
}

/** Of /etc only what programs need to start; nothing in it is secret. */
const etcPaths = [
  '/etc/ld.so.cache',
  '/etc/alternatives',
  '/etc/fonts',
  '/etc/matplotlibrc',
  '/etc/localtime',
  '/etc/mime.types',
];

/** Of /proc what tells of the machine and not of the run. */
const hiddenProcPaths = [
  '/proc/acpi',
  '/proc/cmdline',
  '/proc/config.gz',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/key-users',
  '/proc/keys',
  '/proc/kmsg',
  '/proc/kpagecount',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/slabinfo',
  '/proc/sysrq-trigger',
  '/proc/timer_list',
  '/proc/vmallocinfo',
];

const environment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/tmp',
  TMPDIR: '/tmp',
  USER: 'sandbox',
  LOGNAME: 'sandbox',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
  PYTHONPATH: workFolder,
  PYTHONUNBUFFERED: '1',
  PYTHONDONTWRITEBYTECODE: '1',
  MPLBACKEND: 'Agg',
  MPLCONFIGDIR: '/tmp/matplotlib',
  // One run has a bound number of threads; these libraries would start one for each processor of the machine.
  OPENBLAS_NUM_THREADS: '2',
  OMP_NUM_THREADS: '2',
};

/** Certificates of public authorities; nothing beside them lies there. */
const networkEtcPaths = ['/etc/ssl/certs'];

/** Where programs look for a proxy. What listens on a run's own loopback is reached without it. */
function networkEnvironment(allowed: readonly AllowedHost[]): Readonly<Record<string, string>> {
  if (allowed.length === 0) return {};
  const listed = allowed.map(({ host }) => host);
  const proxy = `http://127.0.0.1:${forwarderPort}`;
  const direct = ['localhost', '127.0.0.1', '::1'].filter((host) => !listed.includes(host)).join(',');
  return {
    http_proxy: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    no_proxy: direct,
    NO_PROXY: direct,
    ALLOWED_HOSTS: allowed.map(sayAllowedHost).join(','),
  };
}

/** The part that is the same for every run, looked up once. */
export function systemOptions(system: SystemPaths, allowed: readonly AllowedHost[]): readonly string[] {
  const variables = { ...environment, ...networkEnvironment(allowed) };
  const etc = allowed.length === 0 ? etcPaths : [...etcPaths, ...networkEtcPaths];
  const usrMerged = ['/bin', '/sbin', '/lib', '/lib32', '/lib64'].flatMap((path) => mergedOption(path));
  return [
    ...namespaceOptions,
    '--clearenv',
    ...Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value]),
    ...system.readOnly.flatMap((path) => ['--ro-bind', path, path]),
    ...usrMerged,
    ...etc.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, path]),
    '--proc',
    '/proc',
    ...hiddenProcPaths.flatMap(hidingOption),
    '--dev',
    '/dev',
  ];
}

/** Contents of the small files in /etc. */
export const etcFiles: Readonly<Record<string, string>> = {
  passwd: 'root:x:0:0:root:/:/bin/false\nsandbox:x:1000:1000:sandbox:/tmp:/bin/bash\n',
  group: 'root:x:0:\nsandbox:x:1000:\n',
  hosts: '127.0.0.1 localhost sandbox\n::1 localhost sandbox\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
};

const namespaceOptions = [
  '--unshare-user',
  '--disable-userns',
  '--unshare-pid',
  '--unshare-net',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup',
  '--uid',
  '1000',
  '--gid',
  '1000',
  '--hostname',
  'sandbox',
  '--cap-drop',
  'ALL',
  // Ends with this process; the shell as process 1 takes all others with it.
  '--die-with-parent',
  '--as-pid-1',
  '--new-session',
];

/** Where /bin is a link into /usr a run has the same link; where it is a folder, the folder. */
function mergedOption(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return lstatSync(path).isSymbolicLink()
    ? ['--symlink', readlinkSync(path), path]
    : ['--ro-bind', path, path];
}

function hidingOption(path: string): readonly string[] {
  // Each costs time at every start, so not what only root may read anyway.
  if (!existsSync(path) || (lstatSync(path).mode & 0o004) === 0) return [];
  // A sized folder that is made read-only at once, or an empty file.
  return lstatSync(path).isDirectory()
    ? ['--size', '4096', '--tmpfs', path, '--remount-ro', path]
    : ['--ro-bind', '/dev/null', path];
}

export interface FileOption {
  readonly fd: number;
  /** Below the folder it goes to. */
  readonly path: string;
}

export interface RunFiles {
  readonly etc: readonly FileOption[];
  /** The code, and what the program reads as its stdin: a file, which can be opened by name as often as one likes. */
  readonly in: readonly FileOption[];
  readonly work: readonly FileOption[];
  /** The socket of this run's proxy, outside; undefined where there is no network. */
  readonly proxySocket: string | undefined;
}

/** What differs from run to run. Files come over descriptors, so no bytes of them ever lie on the host's disk. */
export function runOptions(
  bounds: SandboxBounds,
  { etc, in: given, work, proxySocket }: RunFiles,
): readonly string[] {
  const size = (bytes: number): string => String(Math.max(4_096, Math.ceil(bytes / 4_096) * 4_096));
  const file = (perms: string, { fd, path }: FileOption, folder: string): readonly string[] => [
    '--perms',
    perms,
    '--file',
    String(fd),
    `${folder}/${path}`,
  ];
  return [
    ...etc.flatMap((each) => file('0444', each, '/etc')),
    ...[
      '--perms',
      '1777',
      '--size',
      size(bounds.workBytesMax),
      '--tmpfs',
      '/dev/shm',
      '--remount-ro',
      '/dev',
    ],
    ...['--perms', '1777', '--size', size(bounds.workBytesMax), '--tmpfs', '/tmp'],
    ...['--size', size(codeBytesMax + stdinBytesMax + 65_536), '--tmpfs', inFolder],
    ...given.flatMap((each) => file('0444', each, inFolder)),
    ...(proxySocket === undefined ? [] : ['--ro-bind', proxySocket, proxySocketPath]),
    ...['--remount-ro', inFolder],
    ...['--perms', '0755', '--size', size(bounds.workBytesMax), '--tmpfs', workFolder],
    ...work.flatMap((each) => file('0644', each, workFolder)),
    ...['--remount-ro', '/', '--chdir', workFolder],
  ];
}

/** Of one run; more does not fit. */
export const codeBytesMax = 4 << 20;
export const stdinBytesMax = 4 << 20;
export const stdinName = 'stdin';

/**
 * Process 1 of a run: closes whatever this process was itself started with and never closed, says that all is set up,
 * waits until it was put into its groups, then runs the program and waits for it. It keeps nothing open that the program
 * could use; what it has to say itself goes nowhere. It limits itself too: a program has its user, so it may write into
 * its memory (/proc/1/mem) and go on in it. Bash, because plain shells cannot close descriptors above 9.
 */
export function gateScript(bounds: SandboxBounds, { memoryCounted, python, hasNetwork }: GateParts): string {
  const limits = processLimits(bounds, memoryCounted).join(' ');
  // In the run's groups and under its limits, so only now.
  const forwarder = `(exec ${python} -I -S -c '${forwarderScript}') </dev/null >/dev/null 5>&- || {
  echo 'The network of this run could not be set up.' >&5
  exit 125
}`;
  return `
for fd in /proc/self/fd/*; do
  fd=\${fd##*/}
  if [ "$fd" -gt 3 ]; then eval "exec $fd>&-"; fi
done
printf r >&3
read -r go <&3 || exit 125
exec 3>&- 5>&2 2>/dev/null
ulimit ${limits} || exit 125
${hasNetwork ? forwarder : ''}
(exec "$@") <${inFolder}/${stdinName} 2>&5 5>&-
exit $?
`;
}

export interface GateParts {
  readonly memoryCounted: boolean;
  readonly python: string;
  /** Whether the program that joins it to the proxy is started. */
  readonly hasNetwork: boolean;
}

export function programCommand(
  { python, bash }: SystemPaths,
  program: SandboxProgram,
  args: readonly string[],
): readonly string[] {
  return program === 'python'
    ? [python, `${inFolder}/${codeName.python}`, ...args]
    : [bash, '--noprofile', '--norc', `${inFolder}/${codeName.bash}`, ...args];
}

export const codeName: Readonly<Record<SandboxProgram, string>> = { python: 'main.py', bash: 'main.sh' };

/** Limits of each single process, as bash sets them: in KiB, seconds and pieces. */
function processLimits(bounds: SandboxBounds, memoryCounted: boolean): readonly string[] {
  // Programs reserve far more addresses than they use; where nothing else counts memory this has to.
  const addressBytes = memoryCounted
    ? Math.max(bounds.memoryBytesMax * 4, 8 * 2 ** 30)
    : bounds.memoryBytesMax;
  const cpuSeconds = Math.ceil((bounds.timeoutMs / 1_000) * Math.max(1, bounds.cpuMax)) + 1;
  const kib = (bytes: number): string => String(Math.ceil(bytes / 1_024));
  return [
    ...['-v', kib(addressBytes), '-u', String(bounds.processesMax + 3), '-f', kib(bounds.workBytesMax)],
    ...['-t', String(cpuSeconds), '-n', '256', '-c', '0', '-l', '64', '-q', '65536', '-i', '256'],
  ];
}
