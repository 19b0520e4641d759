import { describe, expect, test } from 'vitest';
import {
  judgeNrasKey,
  NRAS_INTERMEDIATE,
  NVIDIA_DEVICE_ROOT,
  NVIDIA_RIM_ROOT,
  parseNrasKeys,
  parseOpaqueData,
  readDeviceFields,
  rimDemands,
  VerificationCache,
  verifyDeviceChain,
} from '../../../src/attestation/index.ts';
import { createVerifier } from '../../../src/cli/verify/answer.ts';
import { fromHex, fromUtf8, type Json, parseCertificate, parsePem, toBase64, toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Fields = { ueid: string; switchPdis?: string[]; switchPdi?: string };
type Vector = {
  id: string;
  kind: string;
  nonce: string;
  time: string;
  files: Record<string, string>;
  expect: Record<string, Json> & { verdict: string; devices?: { fields: Fields }[] };
};
type Token = Vector & {
  expect: { issuer: string; expiredAt: string; submods: Record<string, { ueid: string; driver: string | null }> };
};

const found = vectorsFolder('nvidia');
const folder = found ?? '';
const vectors = found === null ? [] : readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json').vectors;
const of = (kind: string) => vectors.filter((v) => v.kind === kind);
const verifier = createVerifier();
const textOf = (file: string) => fromUtf8(readVector(folder, file));
const ask = (request: Record<string, Json>) => verifier.answerLine(JSON.stringify(request));
const seconds = (time: string) => Date.parse(time) / 1000;

test.skipIf(found === null)(`every kind of vector is judged somewhere (${WHY_SKIPPED})`, () => {
  const judgedHere = ['device-chain', 'trust-anchor', 'nras-token', 'nras-cert', 'nras-jwks', 'opaque-data'];
  const elsewhere = ['gpu-evidence', 'switch-evidence', 'rim', 'rim-attack'];
  const formatSamples = ['claims'];
  const kinds = new Set(vectors.map(({ kind }) => kind));
  expect([...kinds].sort()).toEqual([...judgedHere, ...elsewhere, ...formatSamples].sort());
});

describe.skipIf(found === null)('documents of collectors', () => {
  const documents = vectors.filter(({ files }) => files?.evidence !== undefined);
  const request = (v: Vector) => ({
    id: v.id,
    kind: 'nvidia-devices',
    evidence: toBase64(readVector(folder, v.files.evidence as string)),
    expect: { nonce: v.nonce },
    at: v.time,
  });

  test.each(documents)('$id: $expect.verdict', async (v) => {
    const isGenuine = v.expect.verdict === 'valid-evidence';
    const full = await ask({ ...request(v), revocation: 'off' });
    expect(full).toMatchObject({ verdict: isGenuine ? 'unavailable' : 'refused' });
    const signatures = await ask({ ...request(v), require: ['signature'] });
    expect(signatures).toMatchObject({ verdict: isGenuine ? 'verified' : 'refused' });
    if (!isGenuine) {
      expect(signatures.error).toMatchObject({ facts: { check: 'distinctDevices' } });
      return;
    }
    const known = v.expect.devices?.map(({ fields }) => fields) ?? [];
    const said = signatures.claims.devices as unknown as Fields[];
    expect(said.map(({ ueid }) => ueid)).toEqual(known.map(({ ueid }) => ueid));
    for (const [index, { switchPdis }] of known.entries()) {
      if (switchPdis !== undefined) expect([...new Set(said[index]?.switchPdis)].sort()).toEqual(switchPdis);
    }
  });

  test('another nonce than the one expected is refused, and so is one that the document only states', async () => {
    const v = documents.find(({ id }) => id === 'gpu-hopper-590.12-multi4') as Vector;
    const nonce = '00'.repeat(32);
    expect((await ask({ ...request(v), expect: { nonce } })).verdict).toBe('refused');
    const restated = textOf(v.files.evidence as string).replaceAll(v.nonce, nonce);
    const answer = await ask({ ...request(v), evidence: toBase64(new TextEncoder().encode(restated)) });
    expect(answer).toMatchObject({ verdict: 'refused', error: { facts: { check: 'oneNonce' } } });
  });

  test('fewer devices than expected are refused', async () => {
    const v = documents.find(({ id }) => id === 'gpu-hopper-590.12-multi4') as Vector;
    const answer = await ask({ ...request(v), expect: { nonce: v.nonce, gpus: 8 }, require: ['signature'] });
    expect(answer).toMatchObject({ verdict: 'refused', error: { facts: { check: 'expectedDevices' } } });
  });
});

describe.skipIf(found === null)('chains and anchors', () => {
  const anchors = [NVIDIA_DEVICE_ROOT, NVIDIA_RIM_ROOT];

  test.each(of('device-chain'))('$id: $expect.reason', async (v) => {
    const chain = parsePem(textOf(v.files.chain as string), 'CERTIFICATE', 8);
    const judged = await verifyDeviceChain(chain, anchors, new VerificationCache());
    expect(judged).toMatchObject({ state: 'failed', code: 'EVIDENCE_CHAIN_INVALID' });
  });

  test.each(of('trust-anchor'))('$id is pinned by its key', (v) => {
    const [der] = parsePem(textOf(v.files.cert as string), 'CERTIFICATE', 1);
    const certificate = parseCertificate(der as Uint8Array, { earlyGeneralizedTime: true });
    expect(toHex(certificate.sha256)).toBe(v.expect.certSha256);
    expect(toHex(certificate.spkiSha256)).toBe(v.expect.spkiSha256);
    expect(anchors.map(({ spkiSha256 }) => toHex(spkiSha256))).toContain(toHex(certificate.spkiSha256));
  });
});

describe.skipIf(found === null)('tokens of the remote service', () => {
  const tokens = of('nras-token') as Token[];
  const request = (v: Token, jwks: Json = readVectorJson<Json>(folder, v.files.jwks as string)) => ({
    id: v.id,
    kind: 'nras-token',
    evidence: toBase64(readVector(folder, v.files.eat as string)),
    collateral: { jwks },
    expect: { nonce: v.nonce },
    at: v.time,
  });

  test.each(tokens)('$id: $expect.verdict', async (v) => {
    const answer = await ask(request(v));
    expect(answer).toMatchObject({ verdict: v.expect.verdict === 'valid' ? 'verified' : 'refused' });
    const named = await ask({ ...request(v), collateral: { ...request(v).collateral, issuer: v.expect.issuer } });
    expect({ error: named.error, verdict: named.verdict }).toEqual({ error: null, verdict: 'verified' });
    for (const [name, { ueid, driver }] of Object.entries(v.expect.submods)) {
      expect(named.claims.devices).toMatchObject({ [name]: { ueid, driverVersion: driver } });
    }
    if (v.expect.verdict !== 'valid') expect(answer.error).toMatchObject({ facts: { check: 'issuer' } });
    const late = await ask({ ...request(v), at: v.expect.expiredAt });
    expect(late.checks.tokensCurrent?.outcome).toBe('failed');
    const other = await ask({ ...request(v), expect: { nonce: '11'.repeat(32) } });
    expect(other).toMatchObject({ verdict: 'refused' });
  });

  test('without a JWKS, or with one that lacks the key, nothing is known', async () => {
    const v = tokens[0] as Token;
    expect((await ask({ ...request(v), collateral: {} })).verdict).toBe('unavailable');
    expect((await ask(request(v, { keys: [] }))).verdict).toBe('unavailable');
  });

  test('the certificate of a published key is of that key, in date and of the pinned intermediate', async () => {
    const [v] = of('nras-jwks') as [Vector];
    const [key] = [...parseNrasKeys(readVectorJson<Json>(folder, v.files.jwks as string)).values()];
    if (key === undefined) throw new Error('no key');
    expect(await judgeNrasKey(key, [NRAS_INTERMEDIATE], seconds(v.time))).toMatchObject({ state: 'ok' });
    expect(await judgeNrasKey(key, [NRAS_INTERMEDIATE], seconds('2026-09-20T00:00:00Z'))).toMatchObject({
      code: 'ENDORSEMENT_NOT_CURRENT',
    });
    expect(await judgeNrasKey({ ...key, x: key.y }, [NRAS_INTERMEDIATE], seconds(v.time))).toMatchObject({
      code: 'ENDORSEMENT_CHAIN_INVALID',
    });
    expect(await judgeNrasKey(key, [NVIDIA_DEVICE_ROOT], seconds(v.time))).toMatchObject({ state: 'missing' });
  });

  test.each(of('nras-cert'))('$id parses', (v) => {
    const [pem] =
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(textOf(v.files.cert as string)) ?? [];
    const [der] = parsePem(pem ?? '', 'CERTIFICATE', 1);
    expect(parseCertificate(der as Uint8Array).publicKey?.curve).toBe('P-384');
  });
});

describe.skipIf(found === null)('opaque data with a header', () => {
  test.each(of('opaque-data'))('$id', (v) => {
    const opaque = parseOpaqueData(fromHex(textOf(v.files.opaque as string).trim()));
    const entries = v.expect.entries as { type: number; valueType: number; size: number }[];
    expect([...opaque.fields].map(([type, { valueType, value }]) => ({ type, valueType, size: value.length }))).toEqual(
      entries.map(({ type, valueType, size }) => ({ type, valueType, size })),
    );
    const fields = readDeviceFields(opaque, 'gpu');
    expect(fields).toMatchObject({ nvdec0: 'enabled' });
    const ids = rimDemands(fields, 'HOPPER', 'GH100').map(({ id }) => id);
    expect(ids).toEqual([v.expect.driverRimId, v.expect.vbiosRimId]);
  });
});
