/** One piece of text that outlives the process. */

export interface StateFile {
  /** What was last written whole; undefined where there is nothing, or nothing readable. */
  read(): Promise<string | undefined>;
  /** Replaces it atomically: a reader sees the old or the new text, never a part. Rejects when the disk refuses. */
  write(text: string): Promise<void>;
}
