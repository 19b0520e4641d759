import { ecdsaVerify, rsaPssVerify } from '#crypto';
import {
  AMD_ROOTS,
  AmdCache,
  type AmdCollateral,
  amdCollateralOf,
  loadAmdEndorsements,
  parseSnpReport,
  type SnpVerifyOptions,
  type TrustAnchor,
  verifyAmdChain,
  verifySnpReport,
} from '../src/attestation/index.ts';
import { createSimulatedAmd, openSimulatedAmd } from '../src/attestation/simulate/index.ts';
import type { Json } from '../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder } from '../tests/vectors.ts';
import { type BenchLine, quantile } from './report.ts';

const ROUNDS = 60;
/** A long-running process is what is measured: the runtime compiles for hundreds of calls first. */
const WARM_UP_ROUNDS = 30;

type Subject = Readonly<{
  report: Uint8Array;
  collateral: AmdCollateral;
  anchors: readonly TrustAnchor[];
  now: number;
  options: SnpVerifyOptions;
}>;

type Vector = Readonly<{
  expected: { verdict: string };
  verification_time?: string;
  files: Record<'report' | 'leaf' | 'intermediate' | 'root', string>;
}>;

/** All real reports that are genuine, with the certificates they come with; the lists of their times are not known. */
function realSubjects(folder: string): Subject[] {
  const { vectors } = readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json');
  return vectors
    .filter(({ expected }) => expected.verdict === 'valid')
    .map(({ files, verification_time = '' }) => ({
      report: readVector(folder, files.report),
      collateral: { certs: [files.leaf, files.intermediate, files.root].map((file) => readVector(folder, file)) },
      anchors: AMD_ROOTS,
      now: Date.parse(verification_time) / 1000,
      options: { revocation: 'off' },
    }));
}

async function simulatedSubjects(): Promise<Subject[]> {
  const amd = openSimulatedAmd(await createSimulatedAmd((length) => new Uint8Array(length).fill(42), ['Genoa']));
  const now = 1_780_000_000;
  return Array.from({ length: 12 }, (_, index) => {
    const host = { name: `bench-${index}`, line: 'Genoa' } as const;
    return {
      report: amd.machine(host).report({ reportData: new Uint8Array(64).fill(index) }),
      collateral: amdCollateralOf(amd.collateral(host, now) as unknown as Json),
      anchors: amd.trustAnchors,
      now,
      options: {},
    };
  });
}

type Signature = () => Promise<boolean>;

/** Exactly the signatures that a verification has to check, with nothing around them: of the report, and of everything. */
async function bareSignatures(subject: Subject): Promise<{ warm: Signature[]; cold: Signature[] }> {
  const report = parseSnpReport(subject.report);
  const from = loadAmdEndorsements(subject.collateral);
  const chain = await verifyAmdChain(from, report.signer, subject.anchors);
  if (chain.state !== 'ok') throw new Error('the chain does not hold');
  const { leaf, intermediate, root } = chain.value;
  const { point } = leaf.publicKey as { point: Uint8Array };
  const warm = [() => ecdsaVerify('P-384', point, report.signedBytes, report.signature)];
  const issued =
    ({ tbs, signature }: Readonly<{ tbs: Uint8Array; signature: Uint8Array }>, spki: Uint8Array) =>
    () =>
      rsaPssVerify(spki, 'sha384', 48, tbs, signature);
  const cold = [
    ...warm,
    issued(leaf, intermediate.spki),
    issued(intermediate, root.spki),
    ...from.crls.map((crl) => issued(crl, root.spki)),
  ];
  return { warm, cold };
}

async function checkAll(signatures: readonly Signature[]): Promise<void> {
  for (const signature of signatures) if (!(await signature())) throw new Error('a signature does not hold');
}

async function verify(subject: Subject, cache: AmdCache): Promise<void> {
  const { report, collateral, anchors, now, options } = subject;
  const from = loadAmdEndorsements(collateral, cache);
  const { verdict } = await verifySnpReport(parseSnpReport(report), from, anchors, now, options);
  if (verdict !== 'verified') throw new Error(`the report is ${verdict}`);
}

/** Microseconds a report, of each way to verify, in turns. */
async function measure(subjects: readonly Subject[]) {
  const bare = await Promise.all(subjects.map(bareSignatures));
  const held = new AmdCache();
  const ways = {
    cold: (index: number) => verify(subjects[index] as Subject, new AmdCache()),
    bareCold: (index: number) => checkAll(bare[index]?.cold ?? []),
    warm: (index: number) => verify(subjects[index] as Subject, held),
    bareWarm: (index: number) => checkAll(bare[index]?.warm ?? []),
  };
  const times: Record<keyof typeof ways, number[]> = { cold: [], bareCold: [], warm: [], bareWarm: [] };
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    for (let index = 0; index < subjects.length; index++) {
      // In turns, one by one: what else the machine does falls on each way alike.
      for (const [name, way] of Object.entries(ways)) {
        const start = performance.now();
        await way(index);
        if (round >= WARM_UP_ROUNDS) times[name as keyof typeof ways].push((performance.now() - start) * 1000);
      }
    }
  }
  const low = (list: readonly number[]) => quantile(list, 0.25);
  return { cold: low(times.cold), bareCold: low(times.bareCold), warm: low(times.warm), bareWarm: low(times.bareWarm) };
}

/**
 * SEV-SNP reports verified a second on one thread: with everything cold (certificates parsed and verified for each
 * report) and with the certificates seen before, each beside the bare signature checks on the same input. Ratios are of
 * times: 1 is the floor, and everything cold is to stay within 1.4.
 */
export async function benchSnp(): Promise<BenchLine[]> {
  const folder = vectorsFolder('snp');
  const subjects = folder === null ? await simulatedSubjects() : realSubjects(folder);
  const { cold, bareCold, warm, bareWarm } = await measure(subjects);
  const title = `${subjects.length} ${folder === null ? 'simulated' : 'real'} reports`;
  const line = (name: string, ours: number, floor: number, of: string): BenchLine => ({
    name: `SEV-SNP, ${name}`,
    value: 1e6 / ours,
    unit: 'reports/s',
    floor: { name: `its ${of} alone`, value: 1e6 / floor },
    ratio: ours / floor,
  });
  return [
    line(`everything cold, ${title}`, cold, bareCold, folder === null ? '4 signatures' : '3 signatures'),
    line('certificates seen before', warm, bareWarm, '1 signature'),
  ];
}
