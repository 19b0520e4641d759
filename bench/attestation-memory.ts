/**
 * `node bench/attestation-memory.ts [COUNT] [tdx|sev-snp]`: verifies that many pieces of CPU evidence (100,000 TDX quotes
 * by default), each another one, of more machines than any cache holds, one in ten changed, with new collateral now and
 * then; prints the resident memory at intervals and exits 1 where it still grows at the end.
 */
import {
  AmdCache,
  amdCollateralOf,
  type IntelEndorsements,
  loadAmdEndorsements,
  loadIntelEndorsements,
  parseSnpReport,
  parseTdxQuote,
  VerificationCache,
  verifySnpReport,
  verifyTdxQuote,
} from '../src/attestation/index.ts';
import {
  createSimulatedAmd,
  createSimulatedIntel,
  openSimulatedAmd,
  openSimulatedIntel,
} from '../src/attestation/simulate/index.ts';
import type { Json } from '../src/core/index.ts';

const NOW = 1_780_000_000;
const count = Number(process.argv[2] ?? 100_000);
const MACHINES = Math.min(2500, Math.ceil(count / 20));
const INTERVALS = 20;
const COLLATERAL_EVERY = 500;
/** What the allocator may take and give back; a leak of 1 kB a verification would grow by 25 MB in that time. */
const GROWTH_BYTES_MAX = 16 * 1024 * 1024;

/** Verifies the evidence of one machine over this REPORT_DATA, changed or not; answers the verdict. */
type VerifyOne = (at: number, reportData: Uint8Array, isChanged: boolean) => Promise<string>;

function tdx(): VerifyOne {
  const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(42)));
  const machines = Array.from({ length: MACHINES }, (_, index) => intel.machine({ name: `m-${index}` }));
  const anchors = [intel.trustAnchor];
  const cache = new VerificationCache();
  let endorsements: IntelEndorsements | null = null;
  return async (at, reportData, isChanged) => {
    if (endorsements === null || at % COLLATERAL_EVERY === 0) {
      endorsements = await loadIntelEndorsements(intel.collateral(NOW), anchors, cache);
    }
    const quote = (machines[at % MACHINES] as (typeof machines)[number]).quote({ reportData });
    if (isChanged) quote[568] = (quote[568] as number) ^ 1;
    return (await verifyTdxQuote(parseTdxQuote(quote), endorsements, anchors, NOW)).verdict;
  };
}

/** Each report comes with its certificates: they are loaded every time, as the command does it. */
async function sevSnp(): Promise<VerifyOne> {
  const amd = openSimulatedAmd(await createSimulatedAmd((length) => new Uint8Array(length).fill(42), ['Genoa']));
  const machines = Array.from({ length: MACHINES }, (_, index) => {
    const host = { name: `m-${index}`, line: 'Genoa' } as const;
    return { guest: amd.machine(host), collateral: amdCollateralOf(amd.collateral(host, NOW) as unknown as Json) };
  });
  const cache = new AmdCache();
  return async (at, reportData, isChanged) => {
    const { guest, collateral } = machines[at % MACHINES] as (typeof machines)[number];
    const report = guest.report({ reportData });
    if (isChanged) report[0x90] = (report[0x90] as number) ^ 1;
    const from = loadAmdEndorsements(collateral, cache);
    return (await verifySnpReport(parseSnpReport(report), from, amd.trustAnchors, NOW)).verdict;
  };
}

const verifyOne = process.argv[3] === 'sev-snp' ? await sevSnp() : tdx();
const rss: number[] = [];
const started = performance.now();
for (let at = 0; at < count; at++) {
  const reportData = new Uint8Array(64);
  new DataView(reportData.buffer).setUint32(0, at);
  const isChanged = at % 10 === 9;
  const verdict = await verifyOne(at, reportData, isChanged);
  if (verdict !== (isChanged ? 'refused' : 'verified')) throw new Error(`evidence ${at} is ${verdict}`);
  if ((at + 1) % Math.ceil(count / INTERVALS) === 0 || at + 1 === count) {
    rss.push(process.memoryUsage.rss());
    const mebibytes = ((rss.at(-1) ?? 0) / 2 ** 20).toFixed(1);
    console.log(
      `${at + 1} verified  ${mebibytes} MiB resident  ${((performance.now() - started) / 1000).toFixed(0)} s`,
    );
  }
}
const quarter = Math.ceil(rss.length / 4);
const growth = Math.max(...rss.slice(-quarter)) - Math.max(...rss.slice(quarter, -quarter));
console.log(`most in the last quarter above most in the middle half: ${(growth / 2 ** 20).toFixed(1)} MiB`);
if (growth > GROWTH_BYTES_MAX) {
  console.error('memory still grows');
  process.exit(1);
}
