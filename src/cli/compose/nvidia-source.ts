import { sha256 } from '#crypto';
import type { CollateralService, NvidiaAsk } from '../../attestation/collateral/index.ts';
import {
  anchorsFor,
  BoundedMap,
  type DeviceEvidence,
  missing,
  parseNvidiaReport,
  type TrustAnchor,
  VerificationCache,
  verifyNvidiaDevice,
} from '../../attestation/index.ts';
import { type Json, toBase64, toHex } from '../../core/index.ts';

/** Where the collateral of a bundle's devices comes from. */
export type NvidiaSource = Readonly<{
  /** For devices that are about to be appraised. @throws CodedError of kind unavailable where it cannot be had */
  collateralFor: (devices: readonly DeviceEvidence[]) => Promise<Json>;
  /** The same for devices that were appraised before; null for others: nobody makes us ask about those. */
  knownFor: (devices: readonly DeviceEvidence[]) => Promise<Json | null>;
}>;

type NvidiaDevice = Parameters<typeof verifyNvidiaDevice>[0];

/** Eight each of two thousand hosts. */
const DEVICES_MAX = 16_384;
/** Of devices that do not come from a trusted root: the appraisal says what is wrong. */
const NOTHING: Json = {};

/** From a file: the same for all. */
export function nvidiaOfFile(collateral: Json): NvidiaSource {
  return { collateralFor: async () => collateral, knownFor: async () => collateral };
}

/** From the service, which is asked only about devices whose reports their own chains vouch for. */
export function nvidiaOfService(service: CollateralService, anchors: readonly TrustAnchor[]): NvidiaSource {
  const cache = new VerificationCache();
  /** What a device is judged with, by its leaf certificate, which is made for one device and one firmware. */
  const asks = new BoundedMap<NvidiaAsk>(DEVICES_MAX);
  const nameOf = ({ chain }: DeviceEvidence) => toHex(sha256(chain[0] as Uint8Array));
  const collateralOf = async (known: readonly (NvidiaAsk | undefined)[]): Promise<Json | null> => {
    const all = known.filter((ask) => ask !== undefined);
    if (all.length < known.length) return null;
    return nvidiaCollateral(service, all);
  };
  return {
    collateralFor: async (devices) => {
      for (const device of devices) {
        const { report, chain } = device;
        const ask = await nvidiaAskOf({ report: parseNvidiaReport(report), certificates: chain }, anchors, cache);
        if (ask === null) return NOTHING;
        asks.set(nameOf(device), ask);
      }
      return (await collateralOf(devices.map((device) => asks.get(nameOf(device))))) ?? NOTHING;
    },
    knownFor: (devices) => collateralOf(devices.map((device) => asks.get(nameOf(device)))),
  };
}

/** What devices are judged with, as `chrysalis verify` takes it. @throws CodedError as the service does */
export async function nvidiaCollateral(service: CollateralService, asks: readonly NvidiaAsk[]): Promise<Json> {
  const { rims, ocsp } = await service.getNvidiaCollateral({
    manifests: asks.flatMap(({ manifests }) => manifests),
    chains: asks.flatMap(({ chains }) => chains),
  });
  const texts = [...rims].map(([id, manifest]) => [id, toBase64(manifest)]);
  return { rims: Object.fromEntries(texts), ocsp: ocsp.map(toBase64) };
}

/** What one device is judged with; null for one whose own chain does not vouch for its report. */
export async function nvidiaAskOf(
  evidence: NvidiaDevice,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<NvidiaAsk | null> {
  const context = { anchors: { device: anchorsFor('nvidia-device', anchors), rim: [] }, cache, now: 0 };
  const given = { rim: () => undefined, revocations: missing('not asked for') };
  const { demands, chain: verified } = await verifyNvidiaDevice(evidence, given, context);
  if (verified === null || demands.length === 0) return null;
  return { manifests: demands.map(({ id }) => id), chains: [verified.certificates] };
}
