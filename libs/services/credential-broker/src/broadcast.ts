/** What holders are told without a secret: signed for each of them, so that nobody else can have them ask again. */

import { readAskerKey, sign, type CredentialRevoked } from '@cruvero/contracts';
import type { Json, SecretText } from '@cruvero/core';

/** So that no message grows beyond what a bus takes. */
const askersPerMessage = 256;

/** The same claims for everybody, in as many messages as it takes. */
export async function broadcastsOf(
  askers: ReadonlyMap<string, SecretText>,
  claims: CredentialRevoked,
): Promise<readonly Json[]> {
  const signed = await Promise.all(
    [...askers].map(async ([asker, text]): Promise<readonly [string, string][]> => {
      const key = readAskerKey(text.reveal());
      return key ? [[asker, await sign('cruvero-credential-revoked', asker, key, claims)]] : [];
    }),
  );
  const all = signed.flat();
  const messages: Json[] = [];
  for (let from = 0; from < all.length; from += askersPerMessage)
    messages.push({ to: Object.fromEntries(all.slice(from, from + askersPerMessage)) });
  return messages;
}
