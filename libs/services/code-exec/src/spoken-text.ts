/** Output bytes as text: broken UTF-8 becomes replacement characters where it stands, however the bytes were cut. */

export class SpokenText {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #text = '';
  #fresh = '';

  feed(bytes: Uint8Array): void {
    this.#add(this.#decoder.decode(bytes, { stream: true }));
  }

  #add(text: string): void {
    this.#text += text;
    this.#fresh += text;
  }

  /** What came since this was last asked. */
  takeFresh(): string {
    const fresh = this.#fresh;
    this.#fresh = '';
    return fresh;
  }

  /** `cut`: more was written than was handed on, so half a character at the end is not the program's fault. */
  end(cut: boolean): string {
    const rest = this.#decoder.decode();
    if (!cut) this.#add(rest);
    return this.#text;
  }
}
