/** What a server offers, asked of the server itself: all its tools, its capabilities, its version. */

import { capabilitiesHash, toolsMax } from '@cruvero/contracts';
import { faultMessage, isFault, parseJsonObject, type Fault, type JsonObject } from '@cruvero/core';
import { linkTerms, type SessionTerms, type UpstreamLink } from '@cruvero/upstream';

export interface Offer {
  readonly tools: readonly (JsonObject & { readonly name: string })[];
  readonly capabilities: JsonObject;
  /** As the server calls it. */
  readonly version: string | undefined;
  readonly hash: string;
}

const terms: SessionTerms = { ...linkTerms, key: 'announce' };
const toolNameMax = 512;

/** One look at the server: a sign of life first, then everything it lists. */
export async function look(link: UpstreamLink): Promise<Offer | Fault> {
  const alive = await link.probe(terms);
  if (isFault(alive)) return alive;
  const face = await link.face();
  if (isFault(face)) return face;
  const { capabilities, serverInfo } = face;
  const items = 'tools' in capabilities ? await link.listAll('tools', terms, new AbortController()) : [];
  if (isFault(items)) return items;
  const tools = items.flatMap((item) => asTool(item.text)).slice(0, toolsMax);
  const version = serverInfo['version'];
  return {
    tools,
    capabilities,
    version: typeof version === 'string' ? version.slice(0, 128) : undefined,
    hash: capabilitiesHash(tools, capabilities),
  };
}

/** Definitions are announced exactly as listed; one without a usable name cannot be called and is left out. */
function asTool(text: string): Offer['tools'] {
  const tool = parseJsonObject(text);
  const name = tool?.['name'];
  return tool && typeof name === 'string' && name !== '' && name.length <= toolNameMax
    ? [{ ...tool, name }]
    : [];
}

/** Why a look failed, as the rest of a sentence. */
export function reasonOf(fault: Fault): string {
  const whole = 'detail' in fault ? fault.detail : faultMessage(fault);
  return whole.replace(/\.$/, '');
}
