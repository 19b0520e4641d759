import { ecdsaVerify } from '#crypto';
import { canonicalize } from '../src/attestation/endorsements/nvidia/c14n.ts';
import { parseRimSignature } from '../src/attestation/endorsements/nvidia/rim-signature.ts';
import { parseXml, type XmlElement } from '../src/attestation/endorsements/nvidia/xml.ts';
import {
  CACHE_CHAINS_MAX,
  CACHE_SIGNATURES_MAX,
  type DeviceChain,
  loadNvidiaRevocations,
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
  type NvidiaAnchors,
  type NvidiaDeviceEvidence,
  type NvidiaEndorsements,
  parseNvidiaReport,
  type RimDemand,
  VerificationCache,
  verifyDeviceChain,
  verifyNvidiaDevice,
  verifyNvidiaDevices,
  verifyRim,
} from '../src/attestation/index.ts';
import { createSimulatedNvidia, openSimulatedNvidia, SIMULATED_H100 } from '../src/attestation/simulate/index.ts';
import { fromHex, fromUtf8, parsePem, signedBy, utf8, type X509Certificate } from '../src/core/index.ts';
import { readVector, vectorsFolder } from '../tests/vectors.ts';
import { type BenchLine, quantile } from './report.ts';

const ROUNDS = 16;
const PASSES = 5;
/** A long-running process is what is measured: the runtime compiles first. */
const WARM_UP_ROUNDS = 10;
const GPUS = 8;
const NONCE = new Uint8Array(32).fill(5);

/** One GPU with its manifests, and another of the same family whose chain makes the shared authorities known. */
type Input = Readonly<{
  title: string;
  evidence: () => NvidiaDeviceEvidence;
  sibling: readonly Uint8Array[];
  rims: readonly Uint8Array[];
  given: NvidiaEndorsements;
  anchors: NvidiaAnchors;
  now: number;
}>;

const vendor = openSimulatedNvidia(createSimulatedNvidia((length) => new Uint8Array(length).fill(42)));
const noRevocations = loadNvidiaRevocations([], []);

function simulatedInput(): Input {
  const device = vendor.device('bench-0', SIMULATED_H100);
  const report = device.report(NONCE, NONCE);
  const manifests = new Map(vendor.manifests(SIMULATED_H100).map(({ id, manifest }) => [id, manifest]));
  return {
    title: 'simulated H100',
    evidence: () => ({ report: parseNvidiaReport(report), certificates: device.chain }),
    sibling: vendor.device('bench-1', SIMULATED_H100).chain,
    rims: [...manifests.values()],
    given: { rim: ({ id }) => manifests.get(id), revocations: noRevocations },
    anchors: { device: [vendor.deviceAnchor], rim: [vendor.rimAnchor] },
    now: Date.UTC(2026, 10, 26) / 1000,
  };
}

/** NVIDIA's published sample: an H100 with driver 550.90.07, whose both manifests were valid on this day. */
function realInput(folder: string): Input {
  const text = (file: string) => fromUtf8(readVector(folder, file)).trim();
  const report = fromHex(text('evidence/hopper-550.90.07.report.hex'));
  const certificates = parsePem(text('evidence/hopper-550.90.07.chain.pem'), 'CERTIFICATE', 8);
  const [driver, vbios] = ['NV_GPU_DRIVER_GH100_550.90.07', 'NV_GPU_VBIOS_1010_0200_882_96009F0001'].map((id) =>
    readVector(folder, `rim/${id}.xml`),
  ) as [Uint8Array, Uint8Array];
  return {
    title: 'real H100',
    evidence: () => ({ report: parseNvidiaReport(report), certificates }),
    sibling: parsePem(text('evidence/hopper-535.86.09.chain.pem'), 'CERTIFICATE', 8),
    rims: [driver, vbios],
    given: { rim: ({ role }: RimDemand) => (role === 'driver' ? driver : vbios), revocations: noRevocations },
    anchors: { device: [NVIDIA_DEVICE_ROOT], rim: [NVIDIA_RIM_ROOT] },
    now: Date.UTC(2026, 2, 1) / 1000,
  };
}

/** Manifests and the family's authorities are known; of this device nothing is. */
async function warmCache({ sibling, rims, anchors }: Input): Promise<VerificationCache> {
  const cache = new VerificationCache();
  const judged = [await verifyDeviceChain(sibling, anchors.device, cache)];
  for (const rim of rims) judged.push((await verifyRim(rim, anchors.rim, cache)) as never);
  if (judged.some(({ state }) => state !== 'ok')) throw new Error('the input does not hold');
  return cache;
}

async function verifyOnce({ evidence, given, anchors, now }: Input, cache: VerificationCache): Promise<void> {
  const { verdict } = await verifyNvidiaDevice(evidence(), given, { anchors, cache, now }, { revocation: 'off' });
  if (verdict !== 'verified') throw new Error(`the GPU is ${verdict}`);
}

type Signature = () => Promise<boolean>;

/** Exactly the signatures that have to be checked, with nothing around them; each distinct one once. */
async function bareSignatures(input: Input): Promise<{ warm: Signature[]; cold: Signature[] }> {
  const cache = new VerificationCache();
  const { report, certificates } = input.evidence();
  const chain = await verifyDeviceChain(certificates, input.anchors.device, cache);
  if (chain.state !== 'ok') throw new Error('the chain does not hold');
  const point = ({ publicKey }: X509Certificate) => (publicKey as { point: Uint8Array }).point;
  const links = (list: readonly X509Certificate[]): Signature[] =>
    list.map((one, i) => () => signedBy(one, (list[Math.min(i + 1, list.length - 1)] as X509Certificate).publicKey));
  // The roots are pinned by their very bytes.
  const ofChain = links((chain.value as DeviceChain).certificates).slice(0, -1);
  const ofReport = () => ecdsaVerify('P-384', point(chain.value.leaf), report.signedBytes, report.signature);
  const ofManifests = new Map<string, Signature>();
  for (const rim of input.rims) {
    const judged = await verifyRim(rim, input.anchors.rim, cache);
    if (judged.state !== 'ok') throw new Error('a manifest does not hold');
    const { certificates: signers } = judged.value.chain;
    for (const [i, link] of links(signers).slice(0, -1).entries()) {
      ofManifests.set(Buffer.from((signers[i] as X509Certificate).sha256).toString('hex'), link);
    }
    const root = parseXml(fromUtf8(rim));
    const element = root.children.findLast((child): child is XmlElement => typeof child !== 'string') as XmlElement;
    const signature = parseRimSignature(element);
    const message = utf8(canonicalize(signature.signedInfo));
    ofManifests.set(Buffer.from(judged.value.sha256).toString('hex'), () =>
      ecdsaVerify('P-384', point(judged.value.chain.leaf), message, signature.signature),
    );
  }
  return {
    warm: [ofReport, ...ofChain.slice(0, 2)],
    cold: [ofReport, ...ofChain, ...ofManifests.values()],
  };
}

async function checkAll(signatures: readonly Signature[]): Promise<void> {
  for (const signature of signatures) if (!(await signature())) throw new Error('a signature does not hold');
}

/** Milliseconds of each way, in turns. */
async function measure(input: Input) {
  const bare = await bareSignatures(input);
  const times: Record<'warm' | 'cold' | 'bareWarm' | 'bareCold', number[]> = {
    warm: [],
    cold: [],
    bareWarm: [],
    bareCold: [],
  };
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    for (const [name, list] of Object.entries(times)) {
      for (let pass = 0; pass <= PASSES; pass++) {
        const cache = name === 'warm' ? await warmCache(input) : new VerificationCache();
        const start = performance.now();
        if (name === 'warm' || name === 'cold') await verifyOnce(input, cache);
        else await checkAll(name === 'bareWarm' ? bare.warm : bare.cold);
        // The first pass pays for what ran before it: garbage, and code made for other shapes.
        if (round >= WARM_UP_ROUNDS && pass > 0) list.push(performance.now() - start);
      }
    }
  }
  const low = (list: readonly number[]) => quantile(list, 0.1);
  const { warm, cold, bareWarm, bareCold } = times;
  return { warm: low(warm), cold: low(cold), bareWarm: low(bareWarm), bareCold: low(bareCold), bare };
}

/** The longest that nothing else could run while eight GPUs are verified, everything cold; the least disturbed round's. */
async function longestBlock(): Promise<number> {
  const devices = Array.from({ length: GPUS }, (_, i) => vendor.device(`loop-${i}`, SIMULATED_H100));
  const reports = devices.map((device) => device.report(NONCE, NONCE));
  const { given, anchors, now } = simulatedInput();
  const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    let longest = 0;
    let last = performance.now();
    let running = true;
    const tick = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      if (running) setImmediate(tick);
    };
    setImmediate(tick);
    await pause();
    const items = reports.map((report, i) => ({
      report: parseNvidiaReport(report),
      certificates: devices[i]?.chain ?? [],
    }));
    const cache = new VerificationCache(CACHE_SIGNATURES_MAX, CACHE_CHAINS_MAX, pause);
    const context = { anchors, cache, now };
    const { verdict } = await verifyNvidiaDevices(items, given, context, { revocation: 'off' });
    if (verdict !== 'verified') throw new Error(`the GPUs are ${verdict}`);
    await pause();
    running = false;
    least = Math.min(least, longest);
  }
  return least;
}

/**
 * Milliseconds to verify one GPU with both manifests: warm (manifests and the family's authorities known, of the device
 * nothing) and with everything cold, each beside its signature checks alone; and how long eight GPUs, everything cold,
 * keep an event loop from turning.
 */
export async function benchNvidia(): Promise<BenchLine[]> {
  const folder = vectorsFolder('nvidia');
  const input = folder === null ? simulatedInput() : realInput(folder);
  const { warm, cold, bareWarm, bareCold, bare } = await measure(input);
  const line = (name: string, value: number, floor: number, signatures: number): BenchLine => ({
    name: `${input.title}, both manifests, ${name}`,
    value,
    unit: 'ms',
    floor: { name: `its ${signatures} signatures alone, want ratio ≤ 1.6`, value: floor },
    ratio: value / floor,
  });
  return [
    line('warm, want ≤ 2', warm, bareWarm, bare.warm.length),
    line('cold, want ≤ 10', cold, bareCold, bare.cold.length),
    { name: `${GPUS} GPUs cold: longest block, want ≤ 5`, value: await longestBlock(), unit: 'ms' },
  ];
}
