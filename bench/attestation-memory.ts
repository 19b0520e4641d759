/**
 * `node bench/attestation-memory.ts [COUNT]`: verifies that many TDX quotes (100,000 by default), each another one, of
 * more platforms than any cache holds, one in ten changed, with new collateral now and then; prints the resident memory
 * at intervals and exits 1 where it still grows at the end.
 */
import {
  type IntelEndorsements,
  loadIntelEndorsements,
  parseTdxQuote,
  VerificationCache,
  verifyTdxQuote,
} from '../src/attestation/index.ts';
import {
  createSimulatedIntel,
  openSimulatedIntel,
  type SimulatedTdxMachine,
} from '../src/attestation/simulate/index.ts';

const NOW = 1_780_000_000;
const count = Number(process.argv[2] ?? 100_000);
const PLATFORMS = Math.min(2000, Math.ceil(count / 20));
const INTERVALS = 20;
const COLLATERAL_EVERY = 500;
/** What the allocator may take and give back; a leak of 1 kB a verification would grow by 25 MB in that time. */
const GROWTH_BYTES_MAX = 16 * 1024 * 1024;

const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(42)));
const anchors = [intel.trustAnchor];
const machines: SimulatedTdxMachine[] = [];
for (let i = 0; i < PLATFORMS; i++) machines.push(intel.machine({ name: `m-${i}` }));

const cache = new VerificationCache();
let endorsements: IntelEndorsements | null = null;
const rss: number[] = [];
const started = performance.now();
for (let i = 0; i < count; i++) {
  if (endorsements === null || i % COLLATERAL_EVERY === 0) {
    endorsements = await loadIntelEndorsements(intel.collateral(NOW), anchors, cache);
  }
  const reportData = new Uint8Array(64);
  new DataView(reportData.buffer).setUint32(0, i);
  const quote = (machines[i % PLATFORMS] as SimulatedTdxMachine).quote({ reportData });
  const isChanged = i % 10 === 9;
  if (isChanged) quote[568] = (quote[568] as number) ^ 1;
  const { verdict } = await verifyTdxQuote(parseTdxQuote(quote), endorsements, anchors, NOW);
  if (verdict !== (isChanged ? 'refused' : 'verified')) throw new Error(`quote ${i} is ${verdict}`);
  if ((i + 1) % Math.ceil(count / INTERVALS) === 0 || i + 1 === count) {
    rss.push(process.memoryUsage.rss());
    const mebibytes = ((rss.at(-1) ?? 0) / 2 ** 20).toFixed(1);
    console.log(`${i + 1} verified  ${mebibytes} MiB resident  ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
}
const quarter = Math.ceil(rss.length / 4);
const growth = Math.max(...rss.slice(-quarter)) - Math.max(...rss.slice(quarter, -quarter));
console.log(`most in the last quarter above most in the middle half: ${(growth / 2 ** 20).toFixed(1)} MiB`);
if (growth > GROWTH_BYTES_MAX) {
  console.error('memory still grows');
  process.exit(1);
}
