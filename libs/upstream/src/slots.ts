/** Sessions side by side under the same terms: each is a slot, and callers take the lowest free one. */

/** The first slot bears the terms' own key. No caller's key holds the separator. */
export function slotKey(key: string, slot: number): string {
  return slot === 0 ? key : `${key}\u0000${slot}`;
}

/** So that few sessions serve many callers who come one after the other, and the rest grow idle. */
export function lowestSlot(taken: (slot: number) => boolean): number {
  for (let slot = 0; ; slot += 1) if (!taken(slot)) return slot;
}
