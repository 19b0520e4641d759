import { sha256 } from '#crypto';
import { type Beacon, utf8 } from '../../core/index.ts';
import { parseCheckpoint, parseNote } from '../../log/index.ts';
import type { BeaconSource, ChainHead, LogPort } from '../../router/index.ts';

const FRESH_MS = 1_000;

/** The newest block and log head, asked for at most once a second. */
export function beaconOf(head: () => Promise<ChainHead>, log: LogPort): () => Promise<BeaconSource> {
  let latest: Promise<BeaconSource> | null = null;
  let askedAt = 0;
  const ask = async (): Promise<BeaconSource> => {
    const [{ network, seqno, rootHash }, checkpoint] = await Promise.all([head(), log.checkpoint()]);
    const { origin, size, root } = parseCheckpoint(parseNote(utf8(checkpoint)).text);
    const beacon: Beacon = {
      network,
      seqno,
      blockRootHash: rootHash,
      logOriginSha256: sha256(utf8(origin)),
      logSize: BigInt(size),
      logRoot: root,
    };
    return { beacon, checkpoint, madeAt: Date.now() };
  };
  return () => {
    if (latest === null || Date.now() - askedAt > FRESH_MS) {
      askedAt = Date.now();
      latest = ask();
      latest.catch(() => {
        latest = null;
      });
    }
    return latest;
  };
}
