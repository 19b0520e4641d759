import { appendFileSync, closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { encodeAnswerReceipt, parseAnswerReceipt, RECEIPTS_MAX, type ReceiptStore } from '../../client/index.ts';
import { codedFromSystem } from '../output.ts';
import { readIfThere, writeDurably } from './files.ts';

/**
 * Receipts in a file, one a line, on disk before an answer is said to be done. It holds at most twice as many as are
 * kept; then the oldest go. A last line that a crash cut short is left out.
 */
export function receiptFile(path: string): ReceiptStore {
  const written = (readIfThere(path) ?? '').split('\n');
  const cut = written.pop() !== '';
  let lines = written.slice(-RECEIPTS_MAX);
  const receipts = lines.map(parseAnswerReceipt);
  const compact = () => writeDurably(path, lines.map((line) => `${line}\n`).join(''));
  if (cut || written.length > RECEIPTS_MAX) compact();
  return {
    load: () => receipts,
    async add(receipt) {
      const line = encodeAnswerReceipt(receipt);
      lines.push(line);
      if (lines.length > 2 * RECEIPTS_MAX) {
        lines = lines.slice(-RECEIPTS_MAX);
        compact();
        return;
      }
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        const file = openSync(path, 'a', 0o600);
        try {
          appendFileSync(file, `${line}\n`);
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
      } catch (thrown) {
        throw codedFromSystem(thrown);
      }
    },
  };
}
