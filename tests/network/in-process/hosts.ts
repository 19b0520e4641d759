import {
  type Appraisal,
  joinCollateral,
  parseEvidenceBundle,
  parseSnpReport,
  type Tee,
} from '../../../src/attestation/index.ts';
import {
  createSimulatedIntel,
  openSimulatedIntel,
  SIMULATED_H100,
  type SimulatedNvidiaDevice,
} from '../../../src/attestation/simulate/index.ts';
import { type Bytes, toBase64, toHex } from '../../../src/core/index.ts';
import { type CheckedDevices, checkDevices, type Device, type Machine, NO_DEVICES } from '../../../src/worker/index.ts';
import { vendor as nvidiaVendor } from '../../attestation/nvidia/scene.ts';
import type { InProcessOptions } from './options.ts';
import { randomness } from './randomness.ts';

/** One simulated host for each TEE, and what its vendor says of it. */
export async function simulatedHosts(tees: readonly Tee[], options: InProcessOptions) {
  const now = Math.floor(Date.now() / 1000);
  const intel = openSimulatedIntel(createSimulatedIntel(randomness));
  // AMD's RSA keys are read, or made, only where they are needed.
  const amd = tees.includes('sev-snp') ? (await import('../../attestation/simulate/shared-amd.ts')).sharedAmd : null;
  const intelCollateral = JSON.stringify(intel.collateral(now));
  const byChip = new Map<string, string>();
  const devices = await Promise.all(tees.map((_, i) => devicesOf(options.gpus?.[i], now)));
  const machines = tees.map((tee, i): Machine => {
    const name = `host-${i}`;
    const own = { devices: devices[i] ?? NO_DEVICES };
    if (tee === 'tdx' || amd === null) {
      const td = intel.machine({ name, ...options.machine, ...options.machines?.[i] });
      return { tee: 'tdx', extendRtmr3: td.extendRtmr3, quote: async (reportData) => td.quote({ reportData }), ...own };
    }
    const host = { name, line: 'Genoa' } as const;
    const guest = amd.machine(host);
    byChip.set(toHex(guest.chipId), JSON.stringify(amd.collateral(host, now)));
    const quote: Machine['quote'] = async (reportData) => guest.report({ ...options.report, reportData });
    return { tee, extendRtmr3: null, quote, certificates: () => options.certificates ?? [], ...own };
  });
  return {
    intel,
    machines,
    trustAnchors: [
      intel.trustAnchor,
      ...(amd?.trustAnchors ?? []),
      ...(options.gpus === undefined ? [] : [nvidiaVendor.deviceAnchor, nvidiaVendor.rimAnchor]),
    ],
    collateralOf: (bundle: Bytes): string => {
      const { tee, quote, devices: asked } = parseEvidenceBundle(bundle);
      const cpu = tee === 'tdx' ? intelCollateral : (byChip.get(toHex(parseSnpReport(quote).chipId)) ?? '{}');
      if (asked.length === 0) return cpu;
      const gpus = (options.gpus ?? []).filter((gpu) => gpu !== undefined);
      const rims = nvidiaVendor.manifests(SIMULATED_H100).map(({ id, manifest }) => [id, toBase64(manifest)]);
      const ocsp = gpus.flatMap((gpu) => nvidiaVendor.ocspOf(gpu, now)).map(toBase64);
      return joinCollateral(cpu, { rims: Object.fromEntries(rims), ocsp });
    },
  };
}

/** Devices that a router takes for others each time it sees them. */
export function withOtherSerials(appraisal: Appraisal): Appraisal {
  return { ...appraisal, devices: appraisal.devices.map((one) => ({ ...one, serial: toHex(randomness(19)) })) };
}

/** What the enclave checks before it boots on them. */
function devicesOf(gpu: SimulatedNvidiaDevice | undefined, now: number): Promise<CheckedDevices> {
  const manifests = nvidiaVendor.manifests(SIMULATED_H100).map(({ id, manifest }): [string, Bytes] => [id, manifest]);
  const trust = {
    deviceAnchors: [nvidiaVendor.deviceAnchor],
    manifestAnchors: [nvidiaVendor.rimAnchor],
    manifests: new Map(manifests),
  };
  const own = gpu === undefined ? [] : [gpu];
  const doors = own.map(({ id, chain, report }): Device => {
    return { kind: 1, id, chain, report: async (nonce) => report(nonce, randomness(32)) };
  });
  return checkDevices(doors, trust, now, randomness);
}
