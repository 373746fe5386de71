/** Streams that say the same for a while, one about to replace the other: what several say is passed on once. */

/** Different messages remembered; beyond it a message may be passed on twice. */
const rememberedMax = 1_000;

export class Chorus {
  readonly #pass: (text: string) => void;
  /** How often each voice has said each text, while there are several. */
  readonly #voices = new Map<object, Map<string, number>>();

  constructor(pass: (text: string) => void) {
    this.#pass = pass;
  }

  get size(): number {
    return this.#voices.size;
  }

  /** What was said before is no debt of the new voice. */
  join(voice: object): void {
    const said = new Map<string, number>();
    for (const counts of this.#voices.values())
      for (const [text, count] of counts) said.set(text, Math.max(count, said.get(text) ?? 0));
    this.#voices.set(voice, said);
  }

  /** The n-th time that a voice says something is news unless another has said it n times. */
  say(voice: object, text: string): void {
    const said = this.#voices.get(voice);
    if (!said) return;
    if (this.#voices.size === 1 || (said.size >= rememberedMax && !said.has(text))) return this.#pass(text);
    const count = (said.get(text) ?? 0) + 1;
    said.set(text, count);
    for (const [other, counts] of this.#voices)
      if (other !== voice && (counts.get(text) ?? 0) >= count) return;
    this.#pass(text);
  }

  leave(voice: object): void {
    this.#voices.delete(voice);
    if (this.#voices.size === 1) for (const said of this.#voices.values()) said.clear();
  }
}
