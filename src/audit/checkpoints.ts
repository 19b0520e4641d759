import { asCodedError, type Bytes, CodedError } from '../core/index.ts';
import { type Checkpoint, keysOfPolicy, type LogPolicy, policyHolds, verifyCheckpoint } from '../log/index.ts';
import { witnessTime } from './export.ts';

/** A checkpoint that the quorum cosigned. @property witnessedAt seconds */
export type Seen = Readonly<{ checkpoint: Checkpoint; witnessedAt: number }>;

/** @property why it is none; plain data, so that it may come from another thread */
export type SeenOrNot = Seen | Readonly<{ why: string }>;

/** Looks at the signatures of some checkpoints, each by itself. @returns as many answers, in order */
export type LookAtCheckpoints = (notes: readonly Bytes[], origin: string) => Promise<readonly SeenOrNot[]>;

/** @throws CodedError LOG_SIGNATURE_*, LOG_CHECKPOINT_MALFORMED, LOG_ORIGIN_MISMATCH, LOG_NOT_WITNESSED */
export async function seenCheckpoint(note: Bytes, policy: LogPolicy, origin: string): Promise<Seen> {
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy), origin);
  if (!policyHolds(policy, verified)) throw new CodedError('LOG_NOT_WITNESSED', 'the quorum has not cosigned it');
  return { checkpoint: verified.checkpoint, witnessedAt: witnessTime(verified, policy) };
}

export function createCheckpointReader(policy: LogPolicy): LookAtCheckpoints {
  const one = async (note: Bytes, origin: string): Promise<SeenOrNot> => {
    try {
      return await seenCheckpoint(note, policy, origin);
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (error.code === 'INVARIANT_BROKEN') throw error;
      return { why: error.message };
    }
  };
  return async (notes, origin) => {
    const seen: SeenOrNot[] = [];
    for (const note of notes) seen.push(await one(note, origin));
    return seen;
  };
}
