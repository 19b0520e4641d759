import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SeenHead } from '../../client/index.ts';
import { fromUtf8, toHex } from '../../core/index.ts';

/** The oldest go; a log that shows another tree of a size that is kept here is found by whoever compares. */
export const HEADS_KEPT = 256;
const ROOT_CHARACTERS = 16;

/**
 * Heads of logs that this client was shown, one a file, for `log monitor --gossip`: a log that tells this client another
 * story than the rest of the world is found by comparing. They say nothing of what was asked.
 */
export function headFolder(folder: string): (head: SeenHead) => void {
  const sizeOf = (name: string) => Number(name.split('-')[0]);
  const keep = ({ size, root, note }: SeenHead): void => {
    const name = `${size}-${toHex(root).slice(0, ROOT_CHARACTERS)}.txt`;
    const path = join(folder, name);
    if (existsSync(path)) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(path, fromUtf8(note, 'checkpoint'), { mode: 0o600 });
    const kept = readdirSync(folder).filter((one) => /^\d+-[0-9a-f]{16}\.txt$/.test(one));
    const old = kept.sort((a, b) => sizeOf(b) - sizeOf(a)).slice(HEADS_KEPT);
    for (const one of old) rmSync(join(folder, one), { force: true });
  };
  return (head) => {
    try {
      keep(head);
    } catch {
      // a disk that is full stops no request: what is compared is less, and the client's own check stands
    }
  };
}
