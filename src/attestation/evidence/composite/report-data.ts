import { sha512 } from '#crypto';
import { type Bytes, CodedError, concat, encodeObject, utf8 } from '../../../core/index.ts';

export type Tee = 'tdx' | 'sev-snp';

/** Everything that REPORT_DATA commits to (AIS/1 section 3, item 3). */
export type ReportDataInputs = Readonly<{
  tee: Tee;
  /** 32 bytes. */
  keysetDigest: Uint8Array;
  /** N, 32 bytes. */
  nonceRoot: Uint8Array;
  /** The beacon object, encoded. */
  beacon: Uint8Array;
  /** G, 32 bytes. */
  gpuSetDigest: Uint8Array;
  /** M, 32 bytes. */
  modelDigest: Uint8Array;
  /** `H("ek", u16 kem, EK_pub)` for each suite of the keyset, in its order, 32 bytes each. */
  epochKeyDigests: readonly Uint8Array[];
}>;

/**
 * REPORT_DATA = SHA-512(LP("ais/1 report-data") ‖ LP(tee) ‖ LP(keyset_digest) ‖ LP(N) ‖ LP(beacon) ‖ LP(G) ‖ LP(M) ‖
 * LP(ek_digests)), 64 bytes; ek_digests are the digests end to end, without a count (AIS/1 section 0, list fields).
 * @throws CodedError INVARIANT_BROKEN for an input of another length
 */
export function reportData(inputs: ReportDataInputs): Bytes {
  const digests = [inputs.keysetDigest, inputs.nonceRoot, inputs.gpuSetDigest, inputs.modelDigest];
  if ([...digests, ...inputs.epochKeyDigests].some((digest) => digest.length !== 32)) {
    throw new CodedError('INVARIANT_BROKEN', 'REPORT_DATA is made of 32-byte digests');
  }
  return sha512(
    encodeObject([
      utf8('ais/1 report-data'),
      utf8(inputs.tee),
      inputs.keysetDigest,
      inputs.nonceRoot,
      inputs.beacon,
      inputs.gpuSetDigest,
      inputs.modelDigest,
      concat(...inputs.epochKeyDigests),
    ]),
  );
}
