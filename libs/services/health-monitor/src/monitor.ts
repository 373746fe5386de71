/** The health monitor: hears who lives, probes who can be asked, and says on the bus what follows from it. */

import { streams } from '@cruvero/contracts';
import { lifeStatuses, type HealthStatus, type LifeStatus } from '@cruvero/core';
import type { Bus, BusState, Clock, Random, Telemetry, Upstreams } from '@cruvero/ports';
import type { HealthMonitorConfig } from './config.ts';
import { askEveryMs, Ear } from './ear.ts';
import { Fleet, ownerOf, type InstanceName, type Reach, type Watched } from './fleet.ts';
import { Prober } from './prober.ts';
import { VerdictPublisher } from './publisher.ts';

export interface HealthMonitorPorts {
  readonly bus: Bus;
  /** What this process can speak; instances of other transports are judged by their heartbeats only. */
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
}

/** One instance as the monitor sees it now. */
export interface InstanceVerdict extends InstanceName, Omit<Reach, 'guarded'> {
  readonly status: LifeStatus;
  readonly health: HealthStatus;
  /** A sentence for a person. */
  readonly reason: string;
  /** Since the last sign of life. */
  readonly ageMs: number;
}

export interface HealthMonitor {
  /** All instances known now, in no order. */
  verdicts(): readonly InstanceVerdict[];
  /** Why the monitor is not of use now; undefined while it is. */
  unready(): string | undefined;
  /** Stops listening and probing and ends its sessions. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Silence is looked at so often. */
const lookEveryMs = 250;
/** A look that comes later than this says that the process itself stood still and heard nothing. */
const standstillMs = 5_000;
const bucketsSeconds = [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10];

/**
 * Never rejects: a bus that is away is waited for. Silence counts from the start at the earliest, so a monitor that was
 * restarted does not declare a fleet stale that it has not heard yet.
 */
export async function startHealthMonitor(
  config: HealthMonitorConfig,
  ports: HealthMonitorPorts,
): Promise<HealthMonitor> {
  const monitor = new Monitor(config, ports);
  await monitor.open();
  return monitor;
}

class Monitor implements HealthMonitor {
  readonly #config: HealthMonitorConfig;
  readonly #ports: HealthMonitorPorts;
  readonly #fleet: Fleet;
  readonly #ear: Ear;
  readonly #prober: Prober;
  readonly #publisher: VerdictPublisher;
  readonly #closers: (() => void | Promise<void>)[] = [];
  #lookedMs: number;
  #fullSaid = false;

  constructor(config: HealthMonitorConfig, ports: HealthMonitorPorts) {
    const { bus, clock, random, telemetry, upstreams } = ports;
    const log = telemetry.log.with({ part: 'health-monitor' });
    const { policy, tenantId, instancesMax } = config;
    this.#config = config;
    this.#ports = ports;
    this.#lookedMs = clock.monotonicMs();
    this.#fleet = new Fleet({ policy, tenantId, instancesMax, announcementAgeMs: askEveryMs }, this.#acts());
    this.#ear = new Ear(config, { bus, clock, random, log, fleet: this.#fleet });
    this.#prober = new Prober(
      {
        intervalMs: config.probeIntervalMs,
        timeoutMs: config.probeTimeoutMs,
        atOnceMax: config.probesMax,
        strangerAfter: policy.probes.failuresMax,
        clientInfo: { name: 'cruvero-health-monitor', version: config.version },
      },
      { upstreams, clock, random, onOutcome: this.#takeOutcome() },
    );
    this.#publisher = new VerdictPublisher(config.subjectPrefix, {
      bus,
      clock,
      random,
      log,
      onStored: this.#count(log),
    });
  }

  async open(): Promise<void> {
    const { bus, clock, telemetry } = this.#ports;
    telemetry.metrics.gauge('health_instances', 'Instances watched, by status', () => this.#perStatus());
    const state = bus.onState((now) => void this.#takeState(now));
    const looking = clock.every(lookEveryMs, () => this.#look());
    this.#closers.push(
      () => looking.cancel(),
      () => state.close(),
    );
    const fault = await bus.ensureStream(streams(this.#config.subjectPrefix).mcp);
    if (fault)
      telemetry.log.debug('the stream of verdicts is made when the bus is there', { detail: fault.detail });
    this.#ear.open();
  }

  verdicts(): readonly InstanceVerdict[] {
    const nowMs = this.#ports.clock.monotonicMs();
    return [...this.#fleet.all()].map((watched) => {
      const { tenantId, server, instanceId, transport, endpoint } = watched;
      return { tenantId, server, instanceId, transport, endpoint, ...this.#fleet.verdict(watched, nowMs) };
    });
  }

  unready(): string | undefined {
    return this.#ports.bus.state() === 'connected'
      ? undefined
      : 'the bus is away, so neither heartbeats nor verdicts get through';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers) await close();
    await this.#ear.close();
    this.#publisher.close();
    await this.#prober.close();
  }

  /** What follows from a change of the table. */
  #acts(): ConstructorParameters<typeof Fleet>[1] {
    return {
      reach: (watched) => this.#prober.watch(watched.key, watched, watched),
      evidence: (watched) => this.#consider(watched),
      believed: (watched, health) => {
        const verdict = this.#fleet.verdict(watched, this.#ports.clock.monotonicMs());
        if (verdict.health !== health) this.#publisher.remind(watched.key, verdict);
      },
      gone: (watched) => {
        this.#prober.forget(watched.key);
        this.#publisher.forget(watched.key);
      },
      full: (name) => {
        if (this.#fullSaid) return;
        this.#fullSaid = true;
        const { instancesMax } = this.#config;
        this.#ports.telemetry.log.error('too many instances; further ones are not watched', {
          instancesMax,
          server: ownerOf(name),
        });
      },
    };
  }

  #takeOutcome(): ConstructorParameters<typeof Prober>[1]['onOutcome'] {
    const { clock, telemetry } = this.#ports;
    const failures = telemetry.metrics.counter(
      'health_probe_failures_total',
      'Probes that had no good answer',
    );
    const duration = telemetry.metrics.histogram(
      'health_probe_duration_seconds',
      'Probes, good and bad',
      bucketsSeconds,
    );
    return (key, outcome, tookMs) => {
      duration.record(tookMs / 1_000);
      if (outcome) failures.add(1);
      const watched = this.#fleet.find(key);
      if (watched) this.#fleet.step(watched, { kind: 'probed', outcome }, clock.monotonicMs());
    };
  }

  #count(log: Telemetry['log']): ConstructorParameters<typeof VerdictPublisher>[1]['onStored'] {
    const verdicts = this.#ports.telemetry.metrics.counter(
      'health_verdicts_total',
      'Verdicts published, by new status',
    );
    return ({ tenant_id, payload }) => {
      verdicts.add(1, { to: payload.new_status });
      log.info('verdict', { tenant: tenant_id, ...payload });
    };
  }

  #consider(watched: Watched): void {
    this.#publisher.consider(
      watched.key,
      watched,
      this.#fleet.verdict(watched, this.#ports.clock.monotonicMs()),
    );
  }

  /** Time alone makes an instance stale; while the bus is away nobody can be heard, so nobody is judged. */
  #look(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    const stoodStill = nowMs - this.#lookedMs > standstillMs;
    const deafSinceMs = this.#lookedMs;
    this.#lookedMs = nowMs;
    if (this.#ports.bus.state() !== 'connected') return;
    if (stoodStill) this.#fleet.resumed(deafSinceMs, nowMs);
    for (const watched of this.#fleet.all()) this.#consider(watched);
  }

  /** Back again: whatever was missed is asked for, and everything is said again, since somebody may have missed it. */
  async #takeState(state: BusState): Promise<void> {
    if (state !== 'connected') return;
    const nowMs = this.#ports.clock.monotonicMs();
    this.#fleet.resumed(Math.min(nowMs, this.#ear.lastHeardMs), nowMs);
    this.#lookedMs = nowMs;
    this.#ear.ask(true);
    await this.#ports.bus.ensureStream(streams(this.#config.subjectPrefix).mcp);
    for (const watched of this.#fleet.all()) {
      this.#publisher.repeat(watched.key, this.#fleet.verdict(watched, this.#ports.clock.monotonicMs()));
    }
    this.#publisher.wake();
  }

  *#perStatus(): Generator<{ value: number; labels: { status: LifeStatus } }> {
    const nowMs = this.#ports.clock.monotonicMs();
    const counts = new Map<LifeStatus, number>(lifeStatuses.map((status) => [status, 0]));
    for (const watched of this.#fleet.all()) {
      const { status } = this.#fleet.verdict(watched, nowMs);
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    for (const [status, value] of counts) yield { value, labels: { status } };
  }
}
