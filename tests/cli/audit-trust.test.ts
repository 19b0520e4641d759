import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createSimulatedIntel } from '../../src/attestation/simulate/index.ts';
import { loadAuditTrust } from '../../src/cli/audit/trust.ts';
import { fromBase64, toBase64 } from '../../src/core/index.ts';
import { policyText } from '../audit/scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-audit-trust-'));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('roots of stamping authorities come from a PEM file, and from nothing else', () => {
  const policy = file('policy.txt', policyText);
  const { rootCertificate, platformCaCertificate } = createSimulatedIntel((length) => new Uint8Array(length).fill(3));
  const pem = [rootCertificate, platformCaCertificate]
    .map((der) => toBase64(fromBase64(der, 'der')).replace(/.{64}(?=.)/g, '$&\n'))
    .map((body) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`);
  expect(loadAuditTrust({ policy }).stampRoots).toBeUndefined();
  const { stampRoots } = loadAuditTrust({ policy, tsaRoots: file('roots.pem', pem.join('')) });
  expect(stampRoots?.map(({ subject }) => subject.commonName)).toEqual([
    'Intel SGX Root CA',
    'Intel SGX PCK Platform CA',
  ]);
  for (const text of [
    policyText,
    pem[0]?.slice(0, 200) ?? '',
    pem[0]?.replace('MII', 'MIJ') ?? '',
    pem.join('').repeat(33),
  ]) {
    const tsaRoots = file('bad.pem', text);
    expect(() => loadAuditTrust({ policy, tsaRoots })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  }
  expect(() => loadAuditTrust({ policy, tsaRoots: join(folder, 'absent.pem') })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
  expect(() => loadAuditTrust({ policy, tsaRoots: file('empty.pem', '') })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
});
