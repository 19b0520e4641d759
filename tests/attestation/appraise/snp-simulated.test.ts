import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AMD_ROOTS,
  type AmdEndorsements,
  amdCollateralOf,
  appraise,
  bundleReportData,
  encodeEvidenceBundle,
  loadAmdEndorsements,
  loadPolicy,
  parseEvidenceBundle,
  SNP_REPORT_BYTES,
  type Trust,
  type TrustAnchor,
  trustUnder,
} from '../../../src/attestation/index.ts';
import { CodedError, type Json } from '../../../src/core/index.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';
import { beacon, block, development, developmentWith, fill, keyset, model, NOW, nonce, nonceRoot } from './scene.ts';

const HOST = { name: 'birch', line: 'Genoa' } as const;
const preset = (name: string) =>
  loadPolicy(readFileSync(new URL(`../../../attestation-policies/${name}.json`, import.meta.url), 'utf8'));

const claims = {
  tee: 'sev-snp' as const,
  keyset,
  nonceRoot,
  beacon,
  modelDigest: model,
  epochKeyDigests: [fill(10, 32), fill(11, 32)],
  devices: [],
};
const quote = amd.machine(HOST).report({ reportData: bundleReportData(claims) });
const intact = encodeEvidenceBundle({ ...claims, quote, eventLog: { firmware: fill(0, 0), runtimeEvents: [] } });
const endorsements = loadAmdEndorsements(amdCollateralOf(amd.collateral(HOST, NOW / 1000) as unknown as Json));

function judge(
  bundle: Uint8Array,
  trust: Trust = trustUnder(development, amd.trustAnchors),
  from: AmdEndorsements = endorsements,
) {
  return appraise({
    ...trust,
    bundle,
    endorsements: { amd: from },
    now: NOW,
    expectedNonce: nonce,
    knownBlocks: [block],
  });
}

/** `affirming`, `coded`, or the status and the first check that stands in the way. */
async function outcomeOf(bundle: Uint8Array): Promise<string> {
  try {
    const appraisal = await judge(bundle);
    return appraisal.status === 'affirming'
      ? 'affirming'
      : `${appraisal.status} ${appraisal.because[0] ?? 'no reason'}`;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return error.code === 'INVARIANT_BROKEN' ? 'a bug' : `coded ${error.code}`;
  }
}

describe('the simulated AMD and production', () => {
  const presets = ['production-sev-snp', 'production-tdx'];

  test.each(presets)('%s cannot be paired with its roots, whatever they call themselves', (name) => {
    for (const root of amd.trustAnchors) {
      for (const kind of ['simulated', 'caller', 'vendor'] as const) {
        expect(() => trustUnder(preset(name), [...AMD_ROOTS, { ...root, kind }])).toThrow(
          expect.objectContaining({ code: 'CONFIG_INVALID' }),
        );
      }
    }
    expect(() => trustUnder(development, amd.trustAnchors)).not.toThrow();
    expect(() => trustUnder(developmentWith({ simulated: 'refuse' }), amd.trustAnchors)).toThrow(CodedError);
  });

  test.each(presets)('%s refuses its evidence even where a cast lets its roots through', async (name) => {
    for (const kind of ['simulated', 'vendor'] as const) {
      const trustAnchors: TrustAnchor[] = amd.trustAnchors.map((root) => ({ ...root, kind }));
      const appraisal = await judge(intact, { policy: preset(name), trustAnchors } as unknown as Trust);
      expect(appraisal.status).toBe('refused');
      expect(appraisal.groups.cpu.reportSignature?.outcome).toBe('passed');
      expect(appraisal.groups.policy.trustAnchor?.outcome).toBe('failed');
    }
  });

  test("under AMD's own roots the chain does not even begin", async () => {
    const appraisal = await judge(intact, trustUnder(preset('production-sev-snp'), AMD_ROOTS));
    expect(appraisal.status === 'refused' && appraisal.because).toContain('cpu.chainToPinnedArk');
  });
});

describe('tampering with a bundle of a simulated SNP worker', () => {
  test('every byte of the report flipped is refused by a named check or as malformed', async () => {
    expect(await outcomeOf(intact)).toBe('affirming');
    const start = Buffer.from(intact).indexOf(quote);
    expect(parseEvidenceBundle(intact).quote).toHaveLength(SNP_REPORT_BYTES);
    const seen = new Set<string>();
    for (let at = 0; at < SNP_REPORT_BYTES; at++) {
      const changed = Uint8Array.from(intact);
      changed[start + at] = (changed[start + at] as number) ^ (1 << (at % 8));
      const outcome = await outcomeOf(changed);
      expect([at, outcome]).toEqual([
        at,
        expect.stringMatching(/^(refused (cpu|binding|policy)\.\w+|coded EVIDENCE_\w+)$/),
      ]);
      seen.add(outcome);
    }
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'refused cpu.reportSignature',
        'refused cpu.chipIdMatchesLeaf',
        'coded EVIDENCE_MALFORMED',
      ]),
    );
  });

  test('a flipped bit anywhere in the bundle is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(intact.length - 1), fc.nat(7), async (at, bit) => {
        const changed = Uint8Array.from(intact);
        changed[at] = (changed[at] as number) ^ (1 << bit);
        expect(await outcomeOf(changed)).toMatch(/^(refused|coded) /);
      }),
      { numRuns: 400 },
    );
  });

  test('bytes cut off, or added after the report, are refused', async () => {
    for (let length = 0; length < intact.length; length += 7) {
      expect(await outcomeOf(intact.subarray(0, length))).toMatch(/^coded /);
    }
    const longer = encodeEvidenceBundle({ ...parseEvidenceBundle(intact), quote: Uint8Array.from([...quote, 0]) });
    expect(await outcomeOf(longer)).toBe('coded EVIDENCE_TRAILING_BYTES');
  });
});
