import { describe, expect, test } from 'vitest';
import { createVerifier } from '../../../src/cli/verify/answer.ts';
import { fromHex, fromUtf8, type Json, toBase64 } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Golden = { compared: number; matched: number; mismatched: { index: number }[] | number[]; skipped: number[] };
type Vector = {
  id: string;
  kind: string;
  arch: string;
  nonce: string;
  time: string;
  files: Record<string, string>;
  expect: {
    verdict: string;
    reason: string | null;
    checks?: Record<string, boolean | number | string>;
    fields?: Record<string, Json>;
    golden?: Golden;
    rims?: { status: string }[];
  };
};

const found = vectorsFolder('nvidia');
const folder = found ?? '';
const vectors = found === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
const devices = vectors.filter((v) => v.files?.report !== undefined && v.kind.endsWith('-evidence'));
const verifier = createVerifier();
const textOf = (file: string) => fromUtf8(readVector(folder, file));

async function ask(v: Vector, more: Record<string, Json>): Promise<Awaited<ReturnType<typeof verifier.answerLine>>> {
  const rims: Record<string, string> = {};
  for (const [role, file] of [
    ['driver', v.files.driverRim],
    ['vbios', v.files.vbiosRim],
    ['switch', v.files.switchBiosRim],
  ] as const) {
    if (file !== undefined) rims[role] = toBase64(readVector(folder, file));
  }
  const request = {
    id: v.id,
    kind: 'nvidia-gpu',
    evidence: toBase64(fromHex(textOf(v.files.report as string).trim())),
    collateral: { certificates: textOf(v.files.chain as string), nonce: v.nonce, arch: v.arch, rims },
    at: v.time,
    ...more,
  };
  return verifier.answerLine(JSON.stringify(request));
}

test.skipIf(found === null)(`there is evidence of devices (${WHY_SKIPPED})`, () => {
  expect(devices.length).toBeGreaterThan(10);
});

describe.skipIf(found === null)('real reports', () => {
  test.each(devices)('$id: $expect.verdict', async (v) => {
    const full = await ask(v, { revocation: 'off' });
    const expected = { valid: 'verified', 'valid-evidence': 'unavailable', invalid: 'refused' }[v.expect.verdict];
    expect({ verdict: full.verdict, error: full.error }).toMatchObject({ verdict: expected });
    // No comparison for a report that was refused before its measurements, nor with values of a manifest whose digest
    // does not hold: the vectors count those too.
    const isGenuine = v.expect.rims?.every(({ status }) => status !== 'digest') === true;
    const isCompared = isGenuine && full.claims.golden !== null && full.claims.golden !== undefined;
    if (v.expect.golden !== undefined && isCompared) {
      const { compared, matched, skipped } = v.expect.golden;
      expect(full.claims.golden).toMatchObject({ compared, matched, skipped });
    }
    // Without anything on revocation nothing is verified by default.
    if (v.expect.verdict === 'valid') expect((await ask(v, {})).verdict).toBe('unavailable');
    const signatures = await ask(v, { require: ['signature'] });
    const outcome = (name: string) => signatures.checks[name]?.outcome;
    if (v.expect.checks === undefined || v.expect.checks.trailingBytes !== 0) return;
    expect(outcome('reportSignature')).toBe(v.expect.checks.signature ? 'passed' : 'failed');
    expect(outcome('expectedNonce')).toBe(v.expect.checks.nonce ? 'passed' : 'failed');
    expect(outcome('deviceChainToPinnedRoot')).toBe(v.expect.checks.chain ? 'passed' : 'failed');
    if (v.expect.verdict === 'valid-evidence') expect(signatures.verdict).toBe('verified');
  });

  test('a refusal of the stale manifest names index 9 alone and its likely cause', async () => {
    const v = devices.find(({ id }) => id === 'gpu-hopper-580.159.03-stale-vbios-rim') as Vector;
    const { error, claims } = await ask(v, { revocation: 'off' });
    expect(error?.code).toBe('EVIDENCE_MEASUREMENT_MISMATCH');
    expect(claims.golden).toMatchObject({ mismatched: [{ index: 9, source: 'vbios' }] });
    expect(error?.message).toContain('fetch the manifest again');
  });

  test('a missing manifest is named by its id', async () => {
    const v = devices.find(({ id }) => id === 'gpu-hopper-550.90.07-full') as Vector;
    const { driverRim, ...files } = v.files as Record<string, string>;
    expect(driverRim).toBeDefined();
    const { verdict, error } = await ask({ ...v, files }, { revocation: 'off' });
    expect(verdict).toBe('unavailable');
    expect(error?.message).toContain('NV_GPU_DRIVER_GH100_550.90.07');
  });

  test.each(devices.filter(({ expect: { verdict } }) => verdict.startsWith('valid')))('fields of $id', async (v) => {
    const { claims } = await ask(v, { require: ['signature'] });
    const known = v.expect.fields as Record<string, Json>;
    expect(claims).toMatchObject({ ueid: known.ueid, hwmodel: known.hwmodel, nonce: known.requestNonce });
    for (const [ours, theirs] of [
      ['driverVersion', 'driverVersion'],
      ['vbiosVersion', 'vbiosVersion'],
      ['biosVersion', 'switchBiosVersion'],
      ['pdi', 'switchPdi'],
      ['project', 'project'],
      ['chipSku', 'chipSku'],
      ['fwid', 'fwid'],
      ['responderNonce', 'responseNonce'],
      ['measurementBlocks', 'blocks'],
    ] as const) {
      if (known[theirs] !== undefined) expect({ [ours]: claims[ours] }).toEqual({ [ours]: known[theirs] });
    }
  });
});
