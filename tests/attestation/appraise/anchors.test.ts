import { expect, test } from 'vitest';
import {
  INTEL_SGX_ROOT,
  type IntelCollateral,
  loadIntelEndorsements,
  parseTdxQuote,
  verifyTdxQuote,
} from '../../../src/attestation/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { intel } from './scene.ts';

/**
 * A real vendor and the simulated one side by side, both trusted: neither may lend its documents to the other's quotes.
 * A lenient set from the simulator would otherwise make any real platform up to date.
 */
const folder = vectorsFolder('tdx');
const unless = folder === null ? ` (skipped: ${WHY_SKIPPED})` : '';
const AT = Date.UTC(2025, 6, 1) / 1000;
const ANCHORS = [INTEL_SGX_ROOT, intel.trustAnchor];

type Vectors = Readonly<{
  vectors: readonly Readonly<{
    tee: string;
    pck?: { fmspc: string };
    files: { quote: string };
  }>[];
}>;

const realCollateral = () => readVectorJson<IntelCollateral>(folder as string, 'collateral/tdx-b0c06f-2025-07.json');

/** A real quote that is verified with the real set at that time: otherwise a refusal below would say nothing. */
async function realQuote() {
  const { vectors } = readVectorJson<Vectors>(folder as string, 'vectors.json');
  const from = await loadIntelEndorsements(realCollateral(), ANCHORS);
  for (const vector of vectors) {
    if (vector.tee !== 'TDX' || vector.pck?.fmspc.toLowerCase() !== 'b0c06f000000') continue;
    const quote = parseTdxQuote(readVector(folder as string, vector.files.quote));
    if ((await verifyTdxQuote(quote, from, ANCHORS, AT)).verdict === 'verified') return quote;
  }
  throw new Error('no quote among the vectors is verified with this set');
}

test.skipIf(folder === null)(
  'a real quote gets nothing from simulated documents, and the other way round',
  async () => {
    const simulated = intel.collateral(AT, { fmspc: 'B0C06F000000' });
    const real = await verifyTdxQuote(await realQuote(), await loadIntelEndorsements(simulated, ANCHORS), ANCHORS, AT);
    expect(real.checks.quoteSignature.outcome).toBe('passed');
    expect(real.checks.pckChainToPinnedRoot.outcome).toBe('passed');
    expect(real.verdict).toBe('refused');
    expect(real.checks.tcbInfoSigned.outcome).toBe('failed');
    expect(real.tcb).toBe(null);
    const quote = parseTdxQuote(intel.machine({ name: 'alder' }).quote({ reportData: new Uint8Array(64) }));
    const mixed = await verifyTdxQuote(quote, await loadIntelEndorsements(realCollateral(), ANCHORS), ANCHORS, AT);
    expect(mixed.verdict).toBe('refused');
    expect(mixed.tcb).toBe(null);
  },
);

test.skipIf(folder === null)(`a real set with one simulated document in it is refused${unless}`, async () => {
  const simulated = intel.collateral(AT, { fmspc: 'B0C06F000000' });
  const swaps: Partial<IntelCollateral>[] = [
    {
      tcb_info: simulated.tcb_info,
      tcb_info_signature: simulated.tcb_info_signature,
      tcb_info_issuer_chain: simulated.tcb_info_issuer_chain,
    },
    {
      qe_identity: simulated.qe_identity,
      qe_identity_signature: simulated.qe_identity_signature,
      qe_identity_issuer_chain: simulated.qe_identity_issuer_chain,
    },
    { pck_crl: simulated.pck_crl, pck_crl_issuer_chain: simulated.pck_crl_issuer_chain },
    { pck_crl: simulated.pck_crl },
    { root_ca_crl: simulated.root_ca_crl },
  ];
  const quote = await realQuote();
  for (const swap of swaps) {
    const from = await loadIntelEndorsements({ ...realCollateral(), ...swap }, ANCHORS);
    const verdict = await verifyTdxQuote(quote, from, ANCHORS, AT);
    expect(verdict.verdict, Object.keys(swap).join()).not.toBe('verified');
  }
});
