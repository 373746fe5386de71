/** The settings of code execution from the environment; names as in requirements §11. */

import {
  refuseHostEntry,
  subjectPrefixSetting,
  tenantSetting,
  type HostPort,
  type Reader,
} from '@cruvero/chassis';
import { readAllowedHost, type AllowedHost, type SandboxBounds } from '@cruvero/ports';
import type { CodeExecConfig } from './config.ts';

const dayMs = 86_400_000;
const mib = 1 << 20;

export interface CodeExecSettings {
  /** Version and heartbeats are said by the program around it. */
  readonly codeExec: Omit<CodeExecConfig, 'version' | 'heartbeatIntervalMs'>;
  readonly sandbox: SandboxSettings;
}

/** Where the programs of a run are on this machine. */
export interface SandboxSettings {
  readonly bwrapPath: string | undefined;
  readonly pythonPath: string;
  readonly bashPath: string;
  readonly readOnlyPaths: readonly string[];
  readonly network: {
    readonly allowed: readonly AllowedHost[];
    readonly connectionsMax: number;
    readonly bytesMax: number;
  };
}

/** `host` names this machine; it is part of the instance id. */
export const codeExecSettings =
  (host: string) =>
  (read: Reader): CodeExecSettings => ({
    codeExec: {
      instanceName: read.text('MCP_CODE_EXEC_ID', {
        orElse: host,
        help: 'Part of the instance id: different for each process, the same again after a restart. Default: the host name.',
      }),
      tenantId: tenantSetting(read),
      subjectPrefix: subjectPrefixSetting(read),
      bounds: readBounds(read),
      ...readQueue(read),
      ...readKept(read),
      ...readHttp(read),
      drainMs: 10_000,
    },
    sandbox: readSandbox(read),
  });

/** Where it listens, as a process of its own. */
export function codeExecListen(read: Reader): HostPort {
  return {
    host: read.text('MCP_CODE_EXEC_HOST', {
      orElse: '127.0.0.1',
      help: 'Address to listen on. Anything but loopback needs MCP_CODE_EXEC_TOKEN or a network that only gateways reach.',
    }),
    port: read.port('MCP_CODE_EXEC_PORT', {
      orElse: 8080,
      min: 0,
      help: 'Port of /mcp, /healthz, /readyz and /metrics. 0 takes any free port.',
    }),
  };
}

function readBounds(read: Reader): SandboxBounds {
  return {
    timeoutMs: read.durationMs('MCP_CODE_EXEC_TIMEOUT', {
      orElse: 30_000,
      min: 100,
      max: 3_600_000,
      help: 'Longest time of one call; a call may ask for less. Everything it started ends with it.',
    }),
    outputBytesMax: read.bytes('MCP_CODE_EXEC_MAX_OUTPUT', {
      orElse: mib,
      min: 1_024,
      max: 16 * mib,
      help: 'Kept of stdout, and as much of stderr; the rest is counted and dropped.',
    }),
    memoryBytesMax: read.bytes('MCP_CODE_EXEC_MEMORY', {
      orElse: 512 * mib,
      min: 64 * mib,
      max: 64 * 1_024 * mib,
      help: 'Memory of one call, its files included.',
    }),
    processesMax: read.integer('MCP_CODE_EXEC_PROCESSES', {
      orElse: 64,
      min: 8,
      max: 4_096,
      help: 'Processes and threads of one call at one time.',
    }),
    cpuMax: read.number('MCP_CODE_EXEC_CPUS', {
      orElse: 1,
      min: 0.1,
      max: 256,
      help: 'Processors that one call may keep busy, such as 0.5.',
    }),
    workBytesMax: read.bytes('MCP_CODE_EXEC_WORK_SIZE', {
      orElse: 64 * mib,
      min: mib,
      max: 4_096 * mib,
      help: 'Size of the work folder, and of the temporary folder; both are memory.',
    }),
    filesMax: read.integer('MCP_CODE_EXEC_FILES', {
      orElse: 32,
      min: 0,
      max: 256,
      help: 'Files that one call gives back.',
    }),
    fileBytesMax: read.bytes('MCP_CODE_EXEC_FILE_SIZE', {
      orElse: 8 * mib,
      min: 1_024,
      max: 256 * mib,
      help: 'Largest file that a call gives back.',
    }),
    filesBytesMax: read.bytes('MCP_CODE_EXEC_FILES_SIZE', {
      orElse: 16 * mib,
      min: 1_024,
      max: 512 * mib,
      help: 'All files of one call together.',
    }),
  };
}

function readQueue(read: Reader) {
  return {
    runsMax: read.integer('MCP_CODE_EXEC_CONCURRENCY', {
      orElse: 8,
      min: 1,
      max: 512,
      help: 'Calls that run at one time.',
    }),
    waitingMax: read.integer('MCP_CODE_EXEC_QUEUE', {
      orElse: 64,
      min: 0,
      max: 10_000,
      help: 'Calls that wait for their turn; beyond it callers are told when to try again.',
    }),
    waitMsMax: read.durationMs('MCP_CODE_EXEC_QUEUE_WAIT', {
      orElse: 30_000,
      min: 0,
      max: dayMs,
      help: 'How long a call waits for its turn before its caller is told when to try again.',
    }),
  };
}

function readKept(read: Reader) {
  return {
    keptMs: read.durationMs('MCP_CODE_EXEC_FILE_TTL', {
      orElse: 600_000,
      min: 1_000,
      max: dayMs,
      help: 'How long a produced file can be read by its link.',
    }),
    keptBytesMax: read.bytes('MCP_CODE_EXEC_STORE_SIZE', {
      orElse: 128 * mib,
      min: mib,
      max: 16_384 * mib,
      help: 'Produced files kept in memory, all callers together; one caller has at most a quarter. The oldest go first.',
    }),
    workspaceIdleMs: read.durationMs('MCP_CODE_EXEC_WORKSPACE_TTL', {
      orElse: 3_600_000,
      min: 1_000,
      max: 7 * dayMs,
      help: 'How long the files of a named workspace are kept after its last use. They are lost with the process.',
    }),
    workspaceBytesMax: read.bytes('MCP_CODE_EXEC_WORKSPACE_SIZE', {
      orElse: 16 * mib,
      min: 1_024,
      max: 512 * mib,
      help: 'Files of one workspace together; at most half of the work folder.',
    }),
    workspacesBytesMax: read.bytes('MCP_CODE_EXEC_WORKSPACES_SIZE', {
      orElse: 512 * mib,
      min: mib,
      max: 16_384 * mib,
      help: 'Files of all workspaces in memory, all callers together; one caller has at most a quarter. The ones unused longest make room.',
    }),
    workspacesMax: read.integer('MCP_CODE_EXEC_WORKSPACES', {
      orElse: 8,
      min: 0,
      max: 1_000,
      help: 'Workspaces of one caller; the one unused longest makes room. 0: there are none.',
    }),
  };
}

function readHttp(read: Reader) {
  const publicUrl = read.url('MCP_CODE_EXEC_PUBLIC_URL', {
    protocols: ['http', 'https'],
    optional: true,
    help: 'How gateways reach this server, where that is not the address it is bound to; without /mcp.',
  });
  return {
    bodyBytesMax: read.bytes('MCP_CODE_EXEC_BODY_MAX', {
      orElse: 8 * mib,
      min: 1_024,
      max: 256 * mib,
      help: 'Largest body of one request, input files included.',
    }),
    token: read.secret('MCP_CODE_EXEC_TOKEN', {
      optional: true,
      help: 'Who calls must bring it as a bearer token. Without it everybody who reaches the address may run code.',
    }),
    publicUrl,
    allowedHosts: read.list('MCP_CODE_EXEC_ALLOWED_HOSTS', {
      orElse: [],
      refuseItem: refuseHostEntry,
      help: 'Host headers that this server answers to, as host or host:port, beside its own address.',
    }),
  };
}

function readSandbox(read: Reader): SandboxSettings {
  return {
    bwrapPath: read.optionalText('MCP_CODE_EXEC_BWRAP', {
      help: 'Path of bubblewrap, where it is not in /usr/bin.',
    }),
    pythonPath: read.text('MCP_CODE_EXEC_PYTHON', {
      orElse: '/usr/bin/python3',
      help: 'Python of python_exec; it and its modules must lie in MCP_CODE_EXEC_READ_ONLY_PATHS.',
    }),
    bashPath: read.text('MCP_CODE_EXEC_BASH', { orElse: '/bin/bash', help: 'Bash of bash_exec.' }),
    readOnlyPaths: read.list('MCP_CODE_EXEC_READ_ONLY_PATHS', {
      orElse: ['/usr'],
      refuseItem: (item) =>
        /^\/[^\0]+$/.test(item) && item !== '/' ? undefined : 'must be an absolute path below /',
      help: 'Folders of this machine that every call may read; nothing secret may lie in them.',
    }),
    network: readNetwork(read),
  };
}

function readNetwork(read: Reader): SandboxSettings['network'] {
  const listed = read.list('MCP_CODE_EXEC_NETWORK_ALLOW', {
    orElse: [],
    refuseItem: (item) => {
      const entry = readAllowedHost(item);
      return 'problem' in entry ? entry.problem : undefined;
    },
    help: 'What programs may reach, as host:port, *.domain:port or address:port, by HTTP and HTTPS through a proxy. Empty: no network.',
  });
  return {
    allowed: listed.map(readAllowedHost).flatMap((entry) => ('problem' in entry ? [] : [entry])),
    connectionsMax: read.integer('MCP_CODE_EXEC_NETWORK_CONNECTIONS', {
      orElse: 16,
      min: 1,
      max: 64,
      help: 'Connections to allowed hosts that one call has open at one time.',
    }),
    bytesMax: read.bytes('MCP_CODE_EXEC_NETWORK_BYTES', {
      orElse: 64 * mib,
      min: 1_024,
      max: 16_384 * mib,
      help: 'Bytes that one call may send to and get from allowed hosts, all together; then it has no network any more.',
    }),
  };
}
