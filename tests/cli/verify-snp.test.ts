import { describe, expect, test } from 'vitest';
import type { AmdCollateralDefects, SimulatedSnpHost, SnpReportRequest } from '../../src/attestation/simulate/index.ts';
import { shippedPolicy } from '../../src/cli/compose/shipped-policy.ts';
import { painter } from '../../src/cli/output.ts';
import { createVerifier } from '../../src/cli/verify/answer.ts';
import { formatResponse } from '../../src/cli/verify/print.ts';
import { parseVerifyRequest } from '../../src/cli/verify/request.ts';
import type { VerifyResponse } from '../../src/cli/verify/response.ts';
import { type Json, toBase64, toHex } from '../../src/core/index.ts';
import { sharedAmd as amd } from '../attestation/simulate/shared-amd.ts';

const NOW = Date.UTC(2026, 10, 24) / 1000;
const WIDTH = 80;
const verifier = createVerifier(shippedPolicy);

type Asked = Readonly<{
  host?: Partial<SimulatedSnpHost>;
  report?: Partial<SnpReportRequest>;
  defects?: AmdCollateralDefects;
  cut?: number;
  more?: object;
}>;

/** What a person sees for a report of the simulated vendor. */
async function screenOf({ host, report, defects, cut = 0, more }: Asked = {}): Promise<string> {
  const of: SimulatedSnpHost = { name: 'birch', line: 'Genoa', ...host };
  const bytes = amd.machine(of).report({ reportData: new Uint8Array(64), ...report });
  const { line: _, ...collateral } = amd.collateral(of, NOW, defects);
  const request = parseVerifyRequest({
    kind: 'snp-report',
    evidence: toBase64(bytes.subarray(0, bytes.length - cut)),
    at: new Date(NOW * 1000).toISOString(),
    collateral,
    trustAnchors: amd.trustAnchors.map(({ spkiSha256 }) => ({ spkiSha256: toHex(spkiSha256) })),
    ...more,
  } as unknown as Json);
  const text = formatResponse('snp-report', await verifier.answer(request), painter(false), WIDTH);
  for (const one of text.split('\n')) expect(one.length).toBeLessThanOrEqual(WIDTH);
  return text.replace(/\s+/g, ' ');
}

test('a genuine report: each check a line, the TCB part by part, the root, and what was not asked', async () => {
  const text = await screenOf();
  expect(text).toContain('VERIFIED genuine, no TCB minimum enforced ✓ passed');
  expect(text).toContain('Genoa TCB reported current committed launch least bootloader 10 10 10 10 none');
  expect(text).toContain('caller: not a pinned vendor root');
  expect(text).toContain('not asked whether it is what you want');
  expect(text).not.toContain('note');
});

test.each<[string, Asked, string]>([
  ['a debug guest', { report: { fields: { policy: 0xb0000n } } }, 'note a debug guest: its host can read and change'],
  ['VMPL 1', { report: { vmpl: 1 } }, 'note asked for at a lower privilege level (VMPL) than 0'],
  ['a VLEK', { host: { signer: 'VLEK' } }, 'any host of its region can make such a report'],
])('genuine, with a note: %s', async (_, asked, words) => {
  const text = await screenOf(asked);
  expect(text).toMatch(/^VERIFIED/);
  expect(text).toContain(words);
});

test.each<[string, Asked, string, string, string]>([
  [
    'a revoked ASK',
    { defects: { revoked: ['ask'] } },
    'EVIDENCE_CHAIN_REVOKED',
    'the ASK is revoked',
    'fetch both anew',
  ],
  [
    'another chip',
    { defects: { leaf: { hwid: new Uint8Array(64).fill(1) } } },
    'EVIDENCE_PLATFORM_MISMATCH',
    'MASK_CHIP_ID',
    'Fetch the VCEK of this chip',
  ],
  [
    'another TCB',
    { defects: { leaf: { tcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 } } } },
    'EVIDENCE_TCB_MISMATCH',
    'another firmware level',
    'Fetch the certificate for the REPORTED_TCB',
  ],
  [
    'a stranger’s signature',
    { report: { signedBy: 'stranger' } },
    'EVIDENCE_SIGNATURE_INVALID',
    'the VCEK did not sign it',
    'new report and its certificate',
  ],
  [
    'an old list',
    { defects: { expired: ['crl'] } },
    'ENDORSEMENT_NOT_CURRENT',
    'past its nextUpdate',
    'Fetch current collateral',
  ],
  ['a report that is cut', { cut: 1 }, 'EVIDENCE_TRUNCATED', 'A report has 1184 bytes', 'Pass the whole report'],
  [
    'an unsigned report',
    { report: { rewrite: (bytes) => bytes.set([2], 0x48) } },
    'EVIDENCE_UNSIGNED',
    'signed nothing',
    'MASK_CHIP_KEY off',
  ],
  [
    'another expectation',
    { more: { expect: { reportData: '01'.repeat(64) } } },
    'EVIDENCE_EXPECTATION_MISMATCH',
    'an old or borrowed one',
    'your own nonce and key',
  ],
])('refused, with what it means and what to do: %s', async (_, asked, code, means, todo) => {
  const text = await screenOf(asked);
  expect(text).toMatch(/^REFUSED {1}not (?:genuine|judged)/);
  for (const words of [code, means, todo, 'What it means', 'What to do']) expect(text).toContain(words);
});

test('without a list nothing is known, and the way to one is said', async () => {
  const text = await screenOf({ defects: { missing: ['crl'] } });
  expect(text).toMatch(/^COULD NOT FIND OUT ENDORSEMENT_MISSING/);
  expect(text).toContain('--fetch');
});

describe('under a policy', () => {
  const answerOf = async (
    policy: Json,
    more: Readonly<Record<string, Json>> = {},
    host: Partial<SimulatedSnpHost> = {},
  ) => {
    const of: SimulatedSnpHost = { name: 'birch', line: 'Genoa', ...host };
    const { line: _, ...collateral } = amd.collateral(of, NOW);
    const request = {
      kind: 'snp-report',
      evidence: toBase64(amd.machine(of).report({ reportData: new Uint8Array(64) })),
      at: new Date(NOW * 1000).toISOString(),
      collateral: collateral as unknown as Json,
      trustAnchors: amd.trustAnchors.map(({ spkiSha256 }) => ({ spkiSha256: toHex(spkiSha256) })),
      policy,
      ...more,
    };
    return verifier.answer(parseVerifyRequest(request as unknown as Json));
  };
  const statusOf = ({ appraisal }: VerifyResponse) =>
    (appraisal as { submods: { cpu: Record<string, Json> } } | null)?.submods.cpu['ear.status'] ?? null;
  const failedOf = ({ checks }: VerifyResponse) =>
    Object.keys(checks).filter((name) => checks[name]?.outcome === 'failed');

  test('accepted: affirming, with the policy’s checks beside the others', async () => {
    const answer = await answerOf('development-simulated');
    expect([answer.verdict, answer.error, statusOf(answer)]).toEqual(['verified', null, 'affirming']);
    expect(answer.checks['policy.image']?.outcome).toBe('passed');
    expect(answer.tcb).toMatchObject({ status: 'MeetsMinimum', platform: { minimum: { snp: 23 } } });
    const text = formatResponse('snp-report', answer, painter(false), WIDTH);
    expect(text).toContain('VERIFIED  genuine, TCB meets the minimum');
    expect(text).not.toContain('not asked');
  });

  test('refused by policy: said as that, and as nothing else', async () => {
    const answer = await answerOf('production-sev-snp');
    expect([answer.verdict, answer.error?.code, statusOf(answer)]).toEqual([
      'refused',
      'EVIDENCE_REFUSED_BY_POLICY',
      'contraindicated',
    ]);
    expect(failedOf(answer)).toEqual(['policy.trustAnchor', 'policy.endorsementAnchors', 'policy.image']);
    expect(answer.claims).toEqual({});
    const text = formatResponse('snp-report', answer, painter(false), WIDTH);
    expect(text).toMatch(/^REFUSED {2}by policy/);
    expect(text).toContain('policy: measurements are those of an accepted image');
  });

  test.each<[string, Json, Readonly<Record<string, Json>>, Partial<SimulatedSnpHost>, string, string]>([
    [
      'a TCB below the floor',
      'development-simulated',
      {},
      { tcb: { snp: 22 } },
      'refused',
      'EVIDENCE_TCB_NOT_SUPPORTED',
    ],
    ['a VLEK', 'development-simulated', {}, { signer: 'VLEK' }, 'refused', 'EVIDENCE_EXPECTATION_MISMATCH'],
    ['no list', 'development-simulated', { collateral: null }, {}, 'unavailable', 'ENDORSEMENT_MISSING'],
    [
      'less revocation than the policy demands',
      'development-simulated',
      { revocation: 'prefer' },
      {},
      'refused',
      'USAGE_INVALID',
    ],
    ['signatures alone', 'development-simulated', { require: ['signature'] }, {}, 'refused', 'USAGE_INVALID'],
    ['no such policy', 'no-such-policy', {}, {}, 'refused', 'USAGE_INVALID'],
    ['a path for a name', '../package', {}, {}, 'refused', 'USAGE_INVALID'],
    ['a document that is none', {}, {}, {}, 'refused', 'POLICY_INVALID'],
  ])('%s', async (_, policy, more, host, verdict, code) => {
    const answer = await answerOf(policy, more, host);
    expect([answer.verdict, answer.error?.code]).toEqual([verdict, code]);
    expect(statusOf(answer)).not.toBe('affirming');
  });
});
