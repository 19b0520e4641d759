import type { Appraisal, earDigest, encodeRecordedInputs } from '../attestation/index.ts';
import type { Bytes, NonceProof, Randomness, UnixMs } from '../core/index.ts';
import type { Devices } from './devices.ts';
import type { Evictions } from './evictions.ts';
import type { Fleet, Worker } from './fleet.ts';
import type { Meter } from './meter.ts';
import type { BeaconSource, KnownBeacon, LogPort } from './ports.ts';
import type { Standings } from './standings.ts';
import type { Tickets } from './tickets.ts';

/** An appraisal with all that is needed to make it again: who relies on the log must not have to believe it. */
export type JudgedEvidence = Readonly<{
  appraisal: Appraisal;
  judgedAt: UnixMs;
  /** The vendor's collateral, as it was judged with. */
  collateral: Bytes;
  /** {@link encodeRecordedInputs} */
  inputs: Bytes;
  /** The attestation result, detached: {@link earDigest}. */
  result: Bytes;
}>;
export type AppraiseEvidence = (
  evidence: Readonly<{ bundle: Bytes; certificates: readonly Bytes[] }>,
  nonce: Readonly<{ input: Bytes; proof: NonceProof }>,
  beacon: KnownBeacon,
) => Promise<JudgedEvidence>;

export type AdmissionDeps = Readonly<{
  fleet: Fleet;
  log: LogPort;
  evictions: Pick<Evictions, 'add' | 'entryOf' | 'written'>;
  tickets: Tickets;
  /** No other router may have a worker of this one. */
  isAlone: boolean;
  meter: Pick<Meter, 'cameBack'>;
  standings: Standings;
  devices: Devices;
  appraise: AppraiseEvidence;
  beacon: () => Promise<BeaconSource>;
  now: () => UnixMs;
  randomness: Randomness;
  /** Name of this router in the log. */
  source: string;
  /** The policy in force, which may change while the router runs. */
  policy: () => Readonly<{ number: number; digest: Bytes }>;
  /** The vendor's collateral in force for the platform of a bundle, the same text that `appraise` judges with. */
  collateral: (bundle: Bytes) => Promise<string>;
  dispatchKey: Bytes;
  /** The price sheet in force for a model, by its digest. */
  priceSheetOf: (model: Uint8Array) => Bytes;
  /** From here on the worker may serve, */
  onAdmitted: (worker: Worker) => void;
  /** and from here on it may not: nothing new goes to it. */
  onEvicted: (worker: Worker) => void;
}>;
