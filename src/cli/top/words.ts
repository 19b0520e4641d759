import { printable } from '../output.ts';

const BARS = '▁▂▃▄▅▆▇█';
/** Letters that take two columns of a terminal, */
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u;

/** and those that take none. */
const NARROW = /[\p{Mn}\p{Me}\p{Cf}]/u;
/** Milliseconds since 1970 that a Date can be. */
const DATE_MAX = 8.64e15;

/** What came from elsewhere, on one line, moving no cursor. */
export function oneLine(text: string): string {
  return printable(text.toWellFormed()).replace(/\s/g, ' ');
}

/** `10:42:07 UTC` */
export function clock(ms: number): string {
  return `${new Date(Math.min(ms, DATE_MAX)).toISOString().replace(/^.*T(.*)\..*$/, '$1')} UTC`;
}

/** Columns that a text without control characters takes. */
export function columnsOf(text: string): number {
  return [...text].reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : NARROW.test(letter) ? 0 : 1), 0);
}

/** The text in exactly so many columns, cut with `…` where it is longer. */
export function fit(text: string, columns: number, right = false): string {
  let shown = text;
  if (columnsOf(text) > columns) {
    shown = '';
    let taken = 0;
    for (const letter of text) {
      const wide = columnsOf(letter);
      if (taken + wide > columns - 1) break;
      shown += letter;
      taken += wide;
    }
    if (columns > 0) shown += '…';
  }
  const space = ' '.repeat(Math.max(0, columns - columnsOf(shown)));
  return right ? space + shown : shown + space;
}

/** Bars from nothing to the highest value; a value of nothing is the lowest bar. */
export function sparkline(values: readonly number[], columns: number): string {
  const shown = values.slice(-columns);
  const most = Math.max(...shown, 0);
  return shown.map((value) => BARS[most === 0 ? 0 : Math.round((value / most) * (BARS.length - 1))]).join('');
}

/** `0.4`, `12.3`, `1,204`; `–` where it is not known. */
export function number(value: number | null): string {
  if (value === null) return '–';
  return value < 100 ? value.toFixed(1) : count(Math.round(value));
}

/** `1,204` */
export function count(value: number): string {
  return value.toLocaleString('en');
}

/** `120 ms`, `2.4 s`, `19 min`, `3 h`, `12 d`. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.floor(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.floor(ms / 3_600_000)} h` : `${Math.floor(ms / 86_400_000)} d`;
}
