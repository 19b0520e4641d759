import {
  bootEvents,
  bundleReportData,
  type DeviceEvidence,
  type EvidenceBundle,
  encodeEvidenceBundle,
  evidenceDigest,
  gpuNonce,
  type Tee,
} from '../attestation/index.ts';
import { type Beacon, type Bytes, type Keyset, keysetDigest, type NonceProof, nonceTree } from '../core/index.ts';
import { type CheckedDevices, reportOf } from './devices.ts';

/** The machine under the worker: a TEE's quote door and its runtime measurement register, where it has one. */
export type Machine = Readonly<{
  tee: Tee;
  /** Extends RTMR3 with SHA-384 of these bytes; cannot be taken back. Null where the TEE has no such register (SEV-SNP). */
  readonly extendRtmr3: ((event: Bytes) => void) | null;
  /** @param reportData 64 bytes */
  quote(reportData: Bytes): Promise<Bytes>;
  /** Certificates of the key that signed the last quote, DER, as the host handed them over; absent where quotes hold them. */
  certificates?(): readonly Bytes[];
  /** Events of the firmware, as far as the guest shows them; what a TD's registers make of them is for others to check. */
  firmwareLog?: Bytes;
  /** GPUs and switches that this boot has checked, which it measures and asks for evidence of their own. */
  devices: CheckedDevices;
}>;

export type MadeEvidence = Readonly<{ bundle: Bytes; evidenceDigest: Bytes; proofs: readonly NonceProof[] }>;

/**
 * Gathers Evidence of this boot (AIS/1 section 3). The identity, devices and model events are extended once, when the
 * attester is made: before IK signs anything and before the engine starts.
 */
export function createAttester(
  machine: Machine,
  boot: Readonly<{ keyset: Keyset; modelDigest: Bytes; firmwareLog: Bytes }>,
) {
  const { extendRtmr3 } = machine;
  const isMeasured = extendRtmr3 !== null;
  // Without a register events would look measured and not be: such evidence has none.
  const runtimeEvents = isMeasured
    ? bootEvents({
        keysetDigest: keysetDigest(boot.keyset),
        deviceIds: machine.devices.map(({ id }) => id),
        verdict: machine.devices.length === 0 ? 'none' : 'passed',
        modelDigest: boot.modelDigest,
      })
    : [];
  for (const event of runtimeEvents) extendRtmr3?.(event);
  let inFlight: Promise<unknown> = Promise.resolve();

  return {
    /**
     * One quote that answers all these nonces. Quotes are made one after the other: a TDX module is serial.
     * @param nonceInputs leaf inputs, 1 to 65,536
     */
    evidence(nonceInputs: readonly Bytes[], beacon: Beacon, epochKeyDigests: readonly Bytes[]): Promise<MadeEvidence> {
      const make = async (): Promise<MadeEvidence> => {
        const { root, proofs } = nonceTree(nonceInputs);
        // Before the quote, whose REPORT_DATA names exactly these reports.
        const devices = await deviceEvidence(machine.devices, keysetDigest(boot.keyset), root);
        const claims: Omit<EvidenceBundle, 'quote' | 'eventLog'> = {
          tee: machine.tee,
          keyset: boot.keyset,
          nonceRoot: root,
          beacon,
          modelDigest: boot.modelDigest,
          epochKeyDigests,
          devices,
        };
        const quote = await machine.quote(bundleReportData(claims));
        const bundle: EvidenceBundle = {
          ...claims,
          quote,
          eventLog: { firmware: isMeasured ? boot.firmwareLog : new Uint8Array(0), runtimeEvents },
        };
        return { bundle: encodeEvidenceBundle(bundle), evidenceDigest: evidenceDigest(bundle), proofs };
      };
      const made = inFlight.then(make, make);
      inFlight = made.catch(() => undefined);
      return made;
    },
  };
}

async function deviceEvidence(
  devices: CheckedDevices,
  keyset: Uint8Array,
  nonceRoot: Uint8Array,
): Promise<DeviceEvidence[]> {
  const nonce = gpuNonce(keyset, nonceRoot, devices.length);
  const made: DeviceEvidence[] = [];
  for (const device of devices) {
    made.push({ kind: device.kind, report: await reportOf(device, nonce), chain: device.chain });
  }
  return made;
}

export type Attester = ReturnType<typeof createAttester>;
