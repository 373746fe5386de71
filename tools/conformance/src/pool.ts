/** Does the same with each of many things, a few at once. */

/** @returns the results in the order of the things. */
export async function eachOf<T, R>(
  things: readonly T[],
  atOnceMax: number,
  work: (thing: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = things.entries();
  const worker = async (): Promise<void> => {
    for (const [at, thing] of queue) results[at] = await work(thing);
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, things.length) }, worker));
  return results;
}
