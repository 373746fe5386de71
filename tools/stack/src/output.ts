/** What a child process says, kept within bounds: its standard output as text, its log in a file and as a tail. */

import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

const stdoutHeadCharsMax = 256 * 1024;
const stdoutTailCharsMax = 768 * 1024;
const logTailCharsMax = 256 * 1024;
const lineCharsMax = 256 * 1024;
const logFileBytesMax = 64 * 1024 * 1024;

/** The first and the last part of a text that may grow without end; the middle is dropped. */
export class BoundedText {
  readonly #headCharsMax: number;
  readonly #tailCharsMax: number;
  #head = '';
  #tail = '';
  #cut = false;

  constructor(headCharsMax: number, tailCharsMax: number) {
    this.#headCharsMax = headCharsMax;
    this.#tailCharsMax = tailCharsMax;
  }

  add(text: string): void {
    const room = this.#headCharsMax - this.#head.length;
    if (room > 0) {
      this.#head += text.slice(0, room);
      text = text.slice(room);
    }
    this.#tail += text;
    // Twice the bound before cutting, so that each character is copied about once.
    if (this.#tail.length > 2 * this.#tailCharsMax) {
      this.#tail = this.#tail.slice(-this.#tailCharsMax);
      this.#cut = true;
    }
  }

  toString(): string {
    return this.#cut ? `${this.#head}\n[…]\n${this.#tail}` : this.#head + this.#tail;
  }
}

/** Turns chunks into lines; a line longer than the bound is broken. */
export class Lines {
  #rest = '';
  readonly #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(chunk: string): void {
    const parts = (this.#rest + chunk).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) this.#onLine(part.endsWith('\r') ? part.slice(0, -1) : part);
    if (this.#rest.length > lineCharsMax) this.end();
  }

  /** Gives out what came without a line end. */
  end(): void {
    if (this.#rest === '') return;
    const rest = this.#rest;
    this.#rest = '';
    this.#onLine(rest);
  }
}

/** A log file that begins again (the old part becomes `<file>.1`) when it is full. Readable by its owner only. */
export class LogFile {
  readonly path: string;
  #fd: number | undefined;
  #bytes: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    if (this.#fd === undefined) return;
    this.#bytes += writeSync(this.#fd, `${line}\n`);
    if (this.#bytes < logFileBytesMax) return;
    closeSync(this.#fd);
    renameSync(this.path, `${this.path}.1`);
    this.#fd = openSync(this.path, 'a', 0o600);
    this.#bytes = 0;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

export interface OutputOptions {
  readonly logFile?: string | undefined;
  /**
   * What of standard output goes to the log. `json`: only lines that look like log records, because the others are for
   * people and may show a fresh key once.
   */
  readonly logStdout: 'all' | 'json';
}

/** Everything that one child process says. */
export class Output {
  readonly #stdout = new BoundedText(stdoutHeadCharsMax, stdoutTailCharsMax);
  readonly #log = new BoundedText(0, logTailCharsMax);
  readonly #file: LogFile | undefined;
  readonly #listeners = new Set<(line: string) => void>();
  readonly fromStdout: Lines;
  readonly fromStderr: Lines;

  constructor({ logFile, logStdout }: OutputOptions) {
    this.#file = logFile === undefined ? undefined : new LogFile(logFile);
    this.fromStdout = new Lines((line) => {
      this.#stdout.add(`${line}\n`);
      if (logStdout === 'all' || line.startsWith('{')) this.#logLine(line);
      for (const listener of this.#listeners) listener(line);
    });
    this.fromStderr = new Lines((line) => this.#logLine(line));
  }

  /** Standard output so far: the first 256 Ki and the last 768 Ki characters at least. */
  stdout(): string {
    return this.#stdout.toString();
  }

  /** The last lines of the log. */
  logTail(linesMax: number): string {
    return this.#log.toString().trimEnd().split('\n').slice(-linesMax).join('\n');
  }

  onStdoutLine(listener: (line: string) => void): void {
    this.#listeners.add(listener);
  }

  end(): void {
    this.fromStdout.end();
    this.fromStderr.end();
    this.#file?.close();
  }

  #logLine(line: string): void {
    this.#log.add(`${line}\n`);
    this.#file?.write(line);
  }
}
