/** Who got which secret, when, from where: in the log and in the events stream, and never the secret. */

import { credentialSubjects, type CredentialAudit } from '@cruvero/contracts';
import type { Json } from '@cruvero/core';
import type { Bus, Clock, Log } from '@cruvero/ports';

export interface AuditParts {
  readonly bus: Pick<Bus, 'publishStored'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Log;
  readonly subjectPrefix: string;
  readonly newId: () => string;
}

export interface Audited {
  readonly action: CredentialAudit['action'];
  readonly asker: string;
  readonly tenant_id: string;
  readonly integration: string;
  readonly lease_id?: string;
  readonly provider?: string;
  readonly reason?: string;
  /** The principal on whose behalf it was asked. */
  readonly by?: string;
}

/** Records that wait for the stream; beyond it they stand in the log alone. */
const pendingMax = 1_000;

export class Audit {
  readonly #parts: AuditParts;
  readonly #pending = new Set<Promise<void>>();

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  record(audited: Audited): void {
    const { clock, log, newId } = this.#parts;
    const record = { event_id: newId(), timestamp: new Date(clock.nowMs()).toISOString(), ...audited };
    log.info('credential audit', record);
    if (this.#pending.size >= pendingMax) return;
    const done = this.#publish(record).finally(() => this.#pending.delete(done));
    this.#pending.add(done);
  }

  /** Resolves when what was recorded is stored, or could not be. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #publish(record: CredentialAudit): Promise<void> {
    const { bus, log, subjectPrefix } = this.#parts;
    const fault = await bus.publishStored(
      credentialSubjects(subjectPrefix).audit,
      record as Json,
      record.event_id,
    );
    if (fault)
      log.warn('an audit record stands in the log only', { event_id: record.event_id, reason: fault.fault });
  }
}
