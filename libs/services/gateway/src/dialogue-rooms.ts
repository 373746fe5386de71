/** What sessions and dialogues need, put together: they span several requests, which may reach several replicas. */

import type { Snapshot } from '@cruvero/core';
import type { Bus, Cache, Clock, Telemetry } from '@cruvero/ports';
import { Dialogues } from './callers/dialogues.ts';
import type { RequestStates } from './callers/request-states.ts';
import type { GatewayConfig } from './config.ts';
import type { LegacyTasks } from './legacy-tasks.ts';
import type { Links } from './links.ts';
import { ResourceEars } from './listening/resource-ears.ts';
import { Replicas } from './replicas.ts';
import type { Seal } from './seal.ts';
import { SessionTalk, type Noted } from './session-talk.ts';
import type { ClientSession, SessionChange } from './sessions/client-session.ts';
import { SessionEars, takeHeard } from './sessions/session-ears.ts';
import { SessionMethods } from './sessions/session-methods.ts';
import { ClientSessions } from './sessions/sessions.ts';
import type { TaskIds } from './task-ids.ts';
import { termsOfSession } from './terms.ts';

export interface DialoguePorts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Shared by replicas; without it what changes in a session is lost with its replica. */
  readonly cache?: Cache;
}

export interface DialogueRoomParts {
  readonly links: Links;
  readonly states: RequestStates;
  readonly taskIds: TaskIds;
  readonly legacyTasks: LegacyTasks;
  readonly seal: Seal;
  readonly snapshot: () => Snapshot;
}

export interface DialogueRooms {
  readonly dialogues: Dialogues;
  readonly sessions: ClientSessions;
  readonly replicas: Replicas;
  readonly talk: SessionTalk;
  readonly ears: SessionEars;
  readonly sessionMethods: SessionMethods;
  readonly resourceEars: ResourceEars;
}

export function dialogueRooms(
  config: GatewayConfig,
  ports: DialoguePorts,
  parts: DialogueRoomParts,
): DialogueRooms {
  const { links, states, legacyTasks, seal } = parts;
  const { gatewayId, questionMs, subjectPrefix, callDeadlineMs } = config;
  const { clock, bus, telemetry } = ports;
  const dialogues: Dialogues = new Dialogues(config, {
    clock,
    gatewayId,
    states,
    elsewhere: (...asked) => replicas.resumeElsewhere(...asked),
    log: telemetry.log,
  });
  const sessions: ClientSessions = new ClientSessions(config, {
    clock,
    seal,
    shared: ports.cache,
    onEnd: (uid) => replicas.ended(uid),
    onChange: (uid, change) => talk.changed(uid, change),
    onOver: (session) => endUpstream(session, links),
  });
  const replicas = new Replicas({
    bus,
    clock,
    gatewayId,
    subjectPrefix,
    log: telemetry.log,
    stepMsMax: callDeadlineMs,
    resumeHere: (...asked) => dialogues.resumeHere(...asked),
    answered: (uid, idText, reply) => sessions.byUid(uid)?.workIfAny()?.questions.get(idText)?.answer(reply),
    ended: (uid) => sessions.endedElsewhere(uid),
    cancelled: (uid, requestId) => sessions.byUid(uid)?.workIfAny()?.running.get(requestId)?.abort(),
  });
  const talk = sessionTalk(config, ports, sessions, parts, (session, change) => {
    const { door, principal } = session.facts;
    sessionMethods.follow({ door, principal, snapshot: parts.snapshot() }, session, change);
  });
  const ears = new SessionEars({
    ...{ links, legacyTasks, clock, gatewayId, questionMs },
    elsewhere: (uid, text) => talk.put(uid, text),
    heard: (uid, heard) => talk.heard(uid, heard),
  });
  const sessionMethods = new SessionMethods({ sessions, ears, links, clock });
  const resourceEars = new ResourceEars({ links, taskIds: parts.taskIds });
  return { dialogues, sessions, replicas, talk, ears, sessionMethods, resourceEars };
}

function sessionTalk(
  { gatewayId, subjectPrefix }: GatewayConfig,
  { bus, clock }: DialoguePorts,
  sessions: ClientSessions,
  { links }: DialogueRoomParts,
  follow: (session: ClientSession, change: SessionChange) => void,
): SessionTalk {
  return new SessionTalk({
    ...{ bus, clock, gatewayId, subjectPrefix },
    changed: (uid, change) => {
      const session = sessions.changedElsewhere(uid, change);
      if (session) follow(session, change);
    },
    heard: (uid, heard) => {
      const session = sessions.byUid(uid);
      if (session?.stream) takeHeard(session, heard);
    },
    put: (uid, text) => sessions.byUid(uid)?.stream?.send(text) ?? false,
    noted: (uid, noted) => void pass(sessions.byUid(uid), noted, links),
    progressed: (uid, idText, paramsText) =>
      sessions.byUid(uid)?.workIfAny()?.questions.get(idText)?.progress?.(paramsText),
  });
}

/** What the client told another replica, in the sessions that this one has at servers. */
async function pass(
  session: ClientSession | undefined,
  { told, ...notification }: Noted,
  links: Links,
): Promise<void> {
  if (!session) return;
  const { tenantId } = session.facts.principal;
  await links.notifySessions(tenantId, termsOfSession(session), notification, new Set(told));
}

/** Its servers need not wait until they notice that nobody comes any more; one that cannot be told will notice. */
function endUpstream(session: ClientSession, links: Links): void {
  const work = session.workIfAny();
  if (!work || work.called.size + work.feeds.size === 0) return;
  const servers = new Set([...work.called, ...work.feeds.keys()]);
  void links.endSessions(session.facts.principal.tenantId, servers, termsOfSession(session));
}
