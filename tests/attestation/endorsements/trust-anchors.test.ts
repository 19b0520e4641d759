import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { AMD_ROOTS, INTEL_SGX_ROOT, NVIDIA_DEVICE_ROOT, NVIDIA_RIM_ROOT } from '../../../src/attestation/index.ts';
import { toHex } from '../../../src/core/index.ts';

const folder = new URL('../../../attestation-policies/trust-anchors/', import.meta.url);

test('every pinned root is written down with its source and validity, and nothing else is', () => {
  const written = readdirSync(folder).map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')));
  const pinned = [INTEL_SGX_ROOT, NVIDIA_DEVICE_ROOT, NVIDIA_RIM_ROOT, ...AMD_ROOTS];
  const sorted = (keys: string[]) => keys.sort();
  expect(sorted(written.map(({ kind, spkiSha256 }) => `${kind} ${spkiSha256}`))).toEqual(
    sorted(pinned.map(({ kind, spkiSha256 }) => `${kind} ${toHex(spkiSha256)}`)),
  );
  for (const { spkiSha256, certificateSha256 } of pinned) {
    const document = written.find((one) => one.spkiSha256 === toHex(spkiSha256));
    if (certificateSha256 !== undefined) expect(document.certificateSha256).toBe(toHex(certificateSha256));
    expect(Date.parse(document.notAfter)).toBeGreaterThan(Date.parse(document.notBefore));
    expect(document.source.length).toBeGreaterThan(10);
  }
});
