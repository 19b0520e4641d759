import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PINNED_ANCHORS, type TrustAnchor } from '../../attestation/index.ts';
import { openSimulatedNvidiaDevice, type SimulatedDevicesState } from '../../attestation/simulate/index.ts';
import { CodedError, fromBase64, fromHex, parseStrictJson } from '../../core/index.ts';
import {
  type CheckedDevices,
  checkDevices,
  type Device,
  type DeviceTrust,
  NO_DEVICES,
  openNvidiaDevices,
  type RunProgram,
  setGpusReady,
} from '../../worker/index.ts';
import { codedFromSystem } from '../output.ts';
import { readBounded, readText, systemRandomness } from './files.ts';
import { runProgram } from './run-program.ts';

const MANIFESTS_MAX = 64;
const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

const nowSeconds = () => Math.floor(Date.now() / 1000);

/** `ID.xml`, as NVIDIA's manifest service names them. @throws CodedError CONFIG_INVALID */
function manifestsIn(folder: string): ReadonlyMap<string, Uint8Array> {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.xml'));
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
  if (names.length === 0 || names.length > MANIFESTS_MAX) {
    throw new CodedError(
      'CONFIG_INVALID',
      `${folder} has ${names.length} manifests (ID.xml), not 1 to ${MANIFESTS_MAX}`,
    );
  }
  return new Map(
    names.map((name) => {
      const bytes = readBounded(join(folder, name), MANIFEST_BYTES_MAX);
      if (bytes === null) throw new CodedError('CONFIG_INVALID', `${name} is too large for a manifest`);
      return [name.slice(0, -'.xml'.length), bytes];
    }),
  );
}

/**
 * The guest's own NVIDIA devices: collected, checked against NVIDIA's pinned roots and the image's manifests, and made
 * ready for work only then.
 * @param from what runs programs, and the roots: a test's own
 * @throws CodedError DEVICES_REFUSED, CONFIG_INVALID, PLATFORM_UNSUPPORTED, DEADLINE_EXCEEDED, PROCESS_FAILED
 */
export async function nvidiaDevices(
  manifests: string | undefined,
  switches: boolean,
  from: Readonly<{ run: RunProgram; anchors: readonly TrustAnchor[] }> = { run: runProgram, anchors: PINNED_ANCHORS },
): Promise<CheckedDevices> {
  if (manifests === undefined) return NO_DEVICES;
  const of = (purpose: TrustAnchor['purpose']) => from.anchors.filter((anchor) => anchor.purpose === purpose);
  const trust: DeviceTrust = {
    deviceAnchors: of('nvidia-device'),
    manifestAnchors: of('nvidia-manifest'),
    manifests: manifestsIn(manifests),
  };
  const devices = await openNvidiaDevices({ run: from.run, randomness: systemRandomness, switches });
  const checked = await checkDevices(devices, trust, nowSeconds(), systemRandomness);
  await setGpusReady(from.run);
  return checked;
}

/** @throws CodedError DEVICES_REFUSED, CONFIG_INVALID */
export async function simulatedDevices(path: string | undefined): Promise<CheckedDevices> {
  if (path === undefined) return NO_DEVICES;
  const state = parseStrictJson(readText(path), 'devices') as unknown as SimulatedDevicesState;
  if (state?.kind !== 'chrysalis-simulated-devices') {
    throw new CodedError('CONFIG_INVALID', `${path} holds no simulated devices`);
  }
  const opened = state.devices.map(openSimulatedNvidiaDevice).map(
    ({ kind, id, chain, report }): Device => ({
      kind: kind === 'gpu' ? 1 : 2,
      id,
      chain,
      report: async (nonce) => report(nonce, systemRandomness(32)),
    }),
  );
  const anchorsOf = (purpose: TrustAnchor['purpose']) =>
    state.trustAnchors
      .filter((anchor) => anchor.purpose === purpose)
      .map(({ spkiSha256, name }): TrustAnchor => {
        return { spkiSha256: fromHex(spkiSha256, 'spkiSha256'), kind: 'simulated', name, purpose };
      });
  const manifests = Object.entries(state.manifests).map(([id, text]): [string, Uint8Array] => [id, fromBase64(text)]);
  const trust = {
    deviceAnchors: anchorsOf('nvidia-device'),
    manifestAnchors: anchorsOf('nvidia-manifest'),
    manifests: new Map(manifests),
  };
  return checkDevices(opened, trust, nowSeconds(), systemRandomness);
}
