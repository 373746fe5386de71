/**
 * Reads one HTTP/1.1 response from pieces of bytes: head, then a body by length, in chunks, or up to the end.
 */

type Framing = { readonly by: 'length' | 'chunks'; left: number } | { readonly by: 'end' };

export class ResponseReader {
  status: number | undefined;
  headers: readonly (readonly [name: string, value: string])[] = [];
  whole = false;
  #input: Buffer = Buffer.alloc(0);
  #framing: Framing = { by: 'end' };
  #body: Buffer[] = [];

  feed(piece: Buffer): void {
    this.#input = Buffer.concat([this.#input, piece]);
    while (this.status === undefined && this.#head());
    if (this.status !== undefined) while (!this.whole && this.#step());
  }

  /** The connection ended. */
  end(): void {
    if (this.status !== undefined && this.#framing.by === 'end') this.whole = true;
  }

  /** The decoded body that came since the last call. */
  takeBody(): Buffer {
    return Buffer.concat(this.#body.splice(0));
  }

  /** True where something was read and more may follow. 1xx heads are skipped. */
  #head(): boolean {
    const end = this.#input.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [first = '', ...lines] = this.#input.subarray(0, end).toString('latin1').split('\r\n');
    this.#input = this.#input.subarray(end + 4);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`not an HTTP answer: ${first.slice(0, 60)}`);
    if (status < 200) return true;
    this.status = status;
    this.headers = lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    });
    this.#framing = this.#findFraming(status);
    return true;
  }

  #findFraming(status: number): Framing {
    const value = (name: string): string | undefined =>
      this.headers.find(([own]) => own.toLowerCase() === name)?.[1];
    if (status === 204 || status === 304) return { by: 'length', left: 0 };
    if (value('transfer-encoding')?.toLowerCase() === 'chunked') return { by: 'chunks', left: 0 };
    const length = value('content-length');
    return length === undefined ? { by: 'end' } : { by: 'length', left: Number(length) };
  }

  /** Reads one bit of the body; false where more input is needed. */
  #step(): boolean {
    const framing = this.#framing;
    if (framing.by === 'end') return this.#take(this.#input.length) > 0;
    if (framing.left > 0) {
      const taken = this.#take(framing.left);
      framing.left -= taken;
      return taken > 0;
    }
    if (framing.by === 'length') this.whole = true;
    else return this.#chunkHead(framing);
    return false;
  }

  #chunkHead(framing: { left: number }): boolean {
    if (this.#input.subarray(0, 2).toString('latin1') === '\r\n') this.#input = this.#input.subarray(2);
    const end = this.#input.indexOf('\r\n');
    if (end <= 0) return false;
    framing.left = Number.parseInt(this.#input.subarray(0, end).toString('latin1'), 16);
    this.#input = this.#input.subarray(end + 2);
    if (framing.left === 0) this.whole = true;
    return true;
  }

  #take(bytes: number): number {
    const piece = this.#input.subarray(0, bytes);
    this.#input = this.#input.subarray(piece.length);
    if (piece.length > 0) this.#body.push(piece);
    return piece.length;
  }
}
