/** One probe of one instance over a link that stays open; an answer counts only if it really is one. */

import { faultMessage, isFault, paramsFrom, type Fault, type ProbeOutcome } from '@cruvero/core';
import { linkTerms, type SessionTerms, type UpstreamLink } from '@cruvero/upstream';

const terms: SessionTerms = { ...linkTerms, key: 'health' };
const methodNotFound = -32601;
const noParams = paramsFrom('{}');

/** `answered`: something came back, it only was not what it should be. */
interface Failure {
  readonly failed: string;
  readonly answered: boolean;
}

/**
 * Undefined where the server answered. A server that answers wrongly although its last probe was good may have been
 * restarted and have forgotten its session or changed its era: it is asked once more from the beginning.
 */
export async function probeLink(
  link: UpstreamLink,
  answeredBefore: boolean,
  timeoutMs: number,
): Promise<ProbeOutcome> {
  const first = await askOnce(link, timeoutMs);
  if (!first?.answered || !answeredBefore) return first;
  await link.reset();
  return askOnce(link, timeoutMs);
}

async function askOnce(link: UpstreamLink, timeoutMs: number): Promise<Failure | undefined> {
  const face = await link.face();
  if (isFault(face)) return failure(face);
  if (face.era === 'legacy') return ping(link, timeoutMs);
  const answer = await link.probe(terms);
  return isFault(answer) ? failure(answer) : undefined;
}

/** Over the one session kept for this. A server without `ping` says so, and thereby lives. */
async function ping(link: UpstreamLink, timeoutMs: number): Promise<Failure | undefined> {
  const answer = await link.request({
    method: 'ping',
    params: noParams,
    meta: undefined,
    metaChanges: {},
    changes: {},
    terms,
    capabilities: {},
    abort: new AbortController(),
    timeoutMs,
    wholeMs: timeoutMs,
  });
  if (isFault(answer)) return failure(answer);
  const { reply } = answer;
  if (reply.kind === 'result' || reply.code === methodNotFound) return undefined;
  return { failed: `it answers ping with the error ${reply.text.slice(0, 200)}`, answered: true };
}

function failure(fault: Fault): Failure {
  switch (fault.fault) {
    case 'upstream_unavailable':
    case 'upstream_broken':
      return { failed: fault.detail, answered: fault.fault === 'upstream_broken' };
    case 'upstream_timeout':
      return { failed: `no answer within ${fault.timeoutMs} ms`, answered: false };
    default:
      return { failed: faultMessage(fault), answered: false };
  }
}
