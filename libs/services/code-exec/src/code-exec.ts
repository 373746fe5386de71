/** Code execution as an MCP server: measures its boundary, serves, announces itself, and leaves nothing behind. */

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { isLoopbackHost, Health } from '@cruvero/chassis';
import {
  isJsonObject,
  parseJsonObject,
  readInstanceId,
  readServerName,
  type JsonObject,
} from '@cruvero/core';
import {
  isSandboxRefusal,
  type Boundary,
  type Bus,
  type Clock,
  type Listener,
  type Listening,
  type Sandbox,
  type SandboxRefusal,
  type Telemetry,
  type Upstream,
} from '@cruvero/ports';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { Announcer } from './announcer.ts';
import type { CodeExecConfig } from './config.ts';
import { httpFront } from './http-front.ts';
import { inprocUpstream } from './inproc.ts';
import { KeptFiles } from './kept-files.ts';
import { mcpHandler, serverName } from './mcp.ts';
import { codeExecMetrics } from './metrics.ts';
import { Turns } from './turns.ts';
import { Workspaces } from './workspaces.ts';

export interface CodeExecPorts {
  readonly sandbox: Sandbox;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Without it nothing is announced. */
  readonly bus?: Bus;
  /** Without it the server is reached, and announced, by `inproc://` only. */
  readonly listener?: Listener;
}

export interface CodeExec {
  readonly boundary: Boundary;
  /** Of `/mcp`, where there is a listener. */
  readonly url: string | undefined;
  /** Serves `inproc://code-exec/…`. Lives as long as the service. */
  readonly upstream: Upstream;
  /** From now on not ready, so that balancers look elsewhere. */
  drain(): void;
  /** Deregisters, lets running calls end for a bounded time, ends the rest. */
  [Symbol.asyncDispose](): Promise<void>;
}

export const inprocServer = serverName;
const sweepMs = 10_000;

/** Refused where the boundary cannot be had: there is no other way to run code here. */
export async function startCodeExec(
  config: CodeExecConfig,
  ports: CodeExecPorts,
): Promise<CodeExec | SandboxRefusal> {
  const boundary = await ports.sandbox.measure();
  if (isSandboxRefusal(boundary)) return boundary;
  ports.telemetry.log.info('the boundary holds', { boundary });
  const service = new Service(config, ports, boundary);
  await service.start();
  return service;
}

class Service implements CodeExec {
  readonly boundary: Boundary;
  readonly upstream: Upstream;
  readonly #config: CodeExecConfig;
  readonly #ports: CodeExecPorts;
  readonly #turns: Turns;
  readonly #health: Health;
  readonly #mcp: McpHttpHandler;
  readonly #sweeping: { cancel(): void };
  #listening: Listening | undefined;
  #announcer: Announcer | undefined;
  #stopped: Promise<void> | undefined;

  constructor(config: CodeExecConfig, ports: CodeExecPorts, boundary: Boundary) {
    const { clock, telemetry, sandbox } = ports;
    this.boundary = boundary;
    this.#config = config;
    this.#ports = ports;
    this.#turns = new Turns(config, clock);
    const newId = (): string => randomBytes(16).toString('base64url');
    const kept = new KeptFiles({ keptMs: config.keptMs, bytesMax: config.keptBytesMax, newId }, clock);
    const workspaces = new Workspaces(
      {
        idleMs: config.workspaceIdleMs,
        perOwnerMax: config.workspacesMax,
        // More could not be put into a work folder again.
        bytesMax: Math.min(config.workspaceBytesMax, Math.floor(config.bounds.workBytesMax / 2)),
        totalBytesMax: config.workspacesBytesMax,
      },
      clock,
    );
    this.#sweeping = clock.every(sweepMs, () => {
      kept.sweep();
      workspaces.sweep();
    });
    this.#health = new Health(clock);
    this.#mcp = mcpHandler({
      ...{ sandbox, clock, telemetry, kept, workspaces, boundary },
      turns: this.#turns,
      metrics: codeExecMetrics(telemetry.metrics, this.#turns, kept),
      bounds: config.bounds,
      version: config.version,
      bodyBytesMax: config.bodyBytesMax,
      keptMs: config.keptMs,
    });
    this.upstream = inprocUpstream(this.#mcp);
  }

  get url(): string | undefined {
    const base = this.#listening && (this.#config.publicUrl ?? this.#listening.url);
    return base === undefined ? undefined : `${base.replace(/\/+$/, '')}/mcp`;
  }

  async start(): Promise<void> {
    const { listener, telemetry, bus } = this.#ports;
    const { version, token, publicUrl, allowedHosts, bodyBytesMax } = this.#config;
    if (bus)
      this.#health.add('bus', () => (bus.state() === 'connected' ? undefined : 'not connected to the bus'));
    // Bound before anything is announced: the endpoint needs the port.
    this.#listening = await listener?.listen(
      httpFront({
        mcp: this.#mcp,
        status: { service: serverName, version, health: this.#health, metrics: telemetry.metrics },
        boundary: this.boundary,
        ...{ token, bodyBytesMax },
        allowedHosts: [...allowedHosts, ...(publicUrl === undefined ? [] : [new URL(publicUrl).host])],
        loopback: () => isLoopbackHost(this.#listening?.host ?? ''),
      }),
    );
    if (bus) await this.#announce(bus);
  }

  async #announce(bus: Bus): Promise<void> {
    const { clock, telemetry } = this.#ports;
    const { instanceName, version, subjectPrefix, tenantId, heartbeatIntervalMs } = this.#config;
    const server = readServerName(serverName);
    const instanceId = readInstanceId(`${serverName}.${instanceName}`);
    if (server === undefined || instanceId === undefined)
      throw new Error(`MCP_CODE_EXEC_ID makes no instance id: ${JSON.stringify(instanceName)}`);
    const tools = await listTools(this.upstream);
    const { url } = this;
    const capabilities = { tools: {}, resources: {} };
    this.#announcer = new Announcer(
      {
        ...{ server, instanceId, version, tools, capabilities },
        ...(url === undefined
          ? { transport: 'inproc' as const, endpoint: `inproc://${serverName}/${instanceId}` }
          : { transport: 'http' as const, endpoint: url }),
        capabilitiesHash: createHash('sha256').update(JSON.stringify({ tools, version })).digest('hex'),
      },
      {
        ...{ bus, clock, subjectPrefix, tenantId, heartbeatIntervalMs },
        log: telemetry.log,
        newEventId: randomUUID,
        inFlight: () => this.#turns.running,
      },
    );
  }

  drain(): void {
    this.#health.drain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.drain();
    this.#turns.close();
    this.#sweeping.cancel();
    await this.#announcer?.close('shutdown');
    await this.#listening?.close(this.#config.drainMs);
    await this.#mcp.close();
  }
}

/** As every client sees them, so that what is announced is what is served. */
async function listTools(upstream: Upstream): Promise<readonly JsonObject[]> {
  const answer = await upstream.exchange({
    httpMethod: 'POST',
    endpoint: '',
    headers: { 'mcp-protocol-version': '2025-11-25', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
    signal: new AbortController().signal,
    timeoutMs: 5_000,
    bytesMax: 1 << 20,
  });
  if ('fault' in answer) throw new Error(`the own tools cannot be listed: ${answer.detail}`);
  let text = answer.body.kind === 'text' ? answer.body.text : '';
  if (answer.body.kind === 'stream') for await (const chunk of answer.body.chunks) text += chunk;
  const json = /^data: (\{.*\})$/m.exec(text)?.[1] ?? text;
  const result = parseJsonObject(json)?.['result'];
  const tools = isJsonObject(result) ? result['tools'] : undefined;
  if (!Array.isArray(tools)) throw new Error('the own tools cannot be listed');
  return tools.filter(isJsonObject);
}
