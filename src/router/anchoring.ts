import { CodedError, toBase64, utf8 } from '../core/index.ts';
import { parseCheckpoint, type VerifierKey, verifyNote } from '../log/index.ts';
import type { AnchoredLogPort, AnchorPort } from './ports.ts';

/** Entries that an anchoring adds itself: a log that nothing else is written to is not anchored for ever. */
const OWN_ENTRIES = 1;

/** Brings the log's newest head to the chain (contracts section 1.4), and enters where it was anchored into the log. */
export function createAnchoring(
  deps: Readonly<{ log: AnchoredLogPort; anchor: AnchorPort; logKey: VerifierKey; source: string }>,
) {
  const { log, anchor, logKey, source } = deps;
  return {
    /**
     * @returns the size that was anchored now, null where the chain has the newest head
     * @throws CodedError CHAIN_REFUSED where the chain refuses the head: the log has forked, or was frozen or slashed
     */
    async round(): Promise<number | null> {
      const note = utf8(await log.checkpoint());
      const { text, verified } = await verifyNote(note, [logKey]);
      const { origin, size, root, extensions } = parseCheckpoint(text);
      const [own] = verified;
      if (own === undefined || origin !== logKey.name || extensions.length > 0) {
        throw new CodedError(
          'LOG_ORIGIN_MISMATCH',
          'this checkpoint cannot be anchored: another log, or extension lines',
        );
      }
      const before = await anchor.view();
      const from = Number(before?.head.size ?? 0n);
      if (size - from <= OWN_ENTRIES) return null;
      const proof = from === 0 ? [] : await log.consistency(from, size);
      const head = { size: BigInt(size), root, signature: own.signature };
      const { view, transaction } = await anchor.anchor(head, proof);
      const address = view.address.toRawString();
      const body = { size, root: toBase64(root), address, transaction };
      const idempotencyKey = `anchor:${address}:${size}`;
      await log.append({ type: 'anchor', src: source, subject: `anchor:${address}`, body }, { idempotencyKey });
      return size;
    },
  };
}
