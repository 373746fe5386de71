/** How answers look: aligned columns for people, JSON for programs; nothing from the bus reaches a terminal raw. */

export type Format = 'table' | 'json';

export type Cell = string | number | boolean | readonly string[] | undefined;

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => Cell;
}

/** One JSON document, indented. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** A heading and a line a row; numbers to the right. */
export function tableText<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const texts = [columns.map((column) => column.title), ...cells.map((line) => line.map(cellText))];
  const widths = columns.map((_, i) => Math.max(...texts.map((line) => line[i]?.length ?? 0)));
  const right = columns.map((_, i) => cells.length > 0 && cells.every((line) => typeof line[i] === 'number'));
  const lines = texts.map((line) =>
    line
      .map((text, i) => (right[i] ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** A line a field, for one thing. */
export function fieldsText(fields: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, cell]) => `${name.padEnd(width)}  ${cellText(cell)}`.trimEnd()).join('\n') + '\n';
}

function cellText(cell: Cell): string {
  if (cell === undefined || cell === '') return '-';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  return printable(Array.isArray(cell) ? cell.join(' ') : String(cell));
}

/** Control characters as escapes: a message must not be able to drive the terminal that shows it. */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Three digits and a unit, for people. */
export function roundBytes(bytes: number): string {
  if (bytes < 0) return 'unbounded';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let left = bytes;
  let unit = 0;
  while (left >= 1_024 && unit < units.length - 1) {
    left /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${units[unit]}`;
}

/** The largest unit that divides it, for people. */
export function roundDuration(ms: number): string {
  if (ms === 0) return 'unbounded';
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const fitting = units.find(([, factor]) => ms % factor === 0);
  return fitting ? `${ms / fitting[1]}${fitting[0]}` : `${ms}ms`;
}
