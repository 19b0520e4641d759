/** Launch digests that an independent tool publishes for its own tests, and the digests on the way to them. */
import { describe, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import {
  kernelHashes,
  kernelHashesPage,
  parseSnpFirmware,
  readIdBlock,
  signatureOfModel,
  snpDigestBeforeVcpus,
  snpDigestsByVcpus,
  snpFirmwareDigest,
  snpKeyDigest,
  snpLaunchDigest,
  type Vmm,
} from '../../../src/attestation/measure/index.ts';
import { RESET_EIP, vmsaPage } from '../../../src/attestation/measure/vmsa.ts';
import { fromBase64, fromHex, toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';

type Case = Readonly<{
  id: string;
  firmware: string;
  vcpus: number;
  vcpu_type: string | null;
  vmm: Vmm;
  guest_features: string;
  kernel: string | null;
  cmdline: string | null;
  ovmf_hash_seed: string | null;
  launch_digest?: string;
  expected_error?: string;
}>;
type Vectors = Readonly<{
  measurement: Readonly<{
    firmwares: readonly Readonly<{
      file: string;
      load_gpa: string;
      sev_hashes_table_gpa: string;
      ap_reset_eip: string;
      sections: readonly Readonly<{ gpa: string; size: number; type: number }>[];
    }>[];
    vcpu_signatures: Readonly<Record<string, string>>;
    cases: readonly Case[];
    intermediate: Readonly<{
      ovmf_page_chain_after_firmware: Readonly<Record<string, string>>;
      vmsa_page_sha384: readonly Readonly<{
        vmm: Vmm;
        eip: string;
        features: string;
        vcpu_sig: string;
        sha384: string;
      }>[];
      hashes_page_sha384: Readonly<Record<string, string>>;
    }>;
    id_block: Readonly<
      Record<'id_key' | 'author_key', Readonly<{ qx_hex: string; qy_hex: string; key_digest_hex: string }>>
    > &
      Readonly<{ id_block_base64: string }>;
  }>;
}>;

const folder = vectorsFolder('snp');
const EMPTY = new Uint8Array(0);

describe.skipIf(folder === null)(`launch digests of SEV-SNP${folder === null ? `: ${WHY_SKIPPED}` : ''}`, () => {
  if (folder === null) return;
  const { measurement } = readVectorJson<Vectors>(folder, 'vectors.json');
  const firmwareOf = (file: string) => parseSnpFirmware(readVector(folder, `measure/${file}`));
  const hashesOf = (one: Case) => (one.kernel === null ? null : kernelHashes(EMPTY, EMPTY, one.cmdline ?? ''));

  test('there are all of them', () => {
    expect(measurement.cases.filter((one) => one.launch_digest !== undefined).length).toBe(9);
    expect(measurement.cases.filter((one) => one.expected_error !== undefined).length).toBe(1);
  });

  test.each(measurement.firmwares)('$file is read as published', (expected) => {
    const firmware = firmwareOf(expected.file.replace('measure/', ''));
    expect(firmware.loadGpa).toBe(Number(expected.load_gpa));
    expect(firmware.apResetEip).toBe(Number(expected.ap_reset_eip));
    expect(firmware.hashTable?.gpa ?? 0).toBe(Number(expected.sev_hashes_table_gpa));
    const types = { secMem: 1, secrets: 2, cpuid: 3, svsmCaa: 4, kernelHashes: 16 };
    expect(firmware.sections.map(({ gpa, size, kind }) => [gpa, size, types[kind]])).toEqual(
      expected.sections.map(({ gpa, size, type }) => [Number(gpa), size, type]),
    );
  });

  test.each(measurement.cases)('$id', (one) => {
    const firmware = firmwareOf(one.firmware);
    const vcpuSignature = one.vcpu_type === null ? 0 : signatureOfModel(one.vcpu_type);
    const guest = { firmware, vmm: one.vmm, vcpuSignature, guestFeatures: BigInt(one.guest_features) };
    const digest = () => snpLaunchDigest({ ...guest, vcpus: one.vcpus, hashes: hashesOf(one) });
    if (one.launch_digest === undefined) {
      expect(digest).toThrowError(expect.objectContaining({ code: 'IMAGE_UNSUPPORTED' }));
      return;
    }
    expect(toHex(digest())).toBe(one.launch_digest);
    // The same through the saved hash of the firmware, and as one of many guests of it.
    const seed = one.ovmf_hash_seed === null ? snpFirmwareDigest(firmware) : fromHex(one.ovmf_hash_seed);
    const all = snpDigestsByVcpus(snpDigestBeforeVcpus(firmware, seed, hashesOf(one), one.vmm), guest);
    expect(toHex([...all.take(one.vcpus)].at(-1) ?? EMPTY)).toBe(one.launch_digest);
  });

  test('the digests on the way', () => {
    const { intermediate } = measurement;
    for (const [file, digest] of Object.entries(intermediate.ovmf_page_chain_after_firmware)) {
      expect(toHex(snpFirmwareDigest(firmwareOf(file)))).toBe(digest);
    }
    for (const { vmm, eip, features, vcpu_sig: signature, sha384: digest } of intermediate.vmsa_page_sha384) {
      const isFirst = Number(eip) === RESET_EIP;
      const input = { vmm, eip: Number(eip), isFirst, signature: Number(signature), features: BigInt(features) };
      expect(toHex(sha384(vmsaPage(input)))).toBe(digest);
    }
    const pages = ['', 'console=ttyS0 loglevel=7'].map((line) =>
      toHex(sha384(kernelHashesPage(firmwareOf('ovmf_AmdSev_suffix.bin'), kernelHashes(EMPTY, null, line)))),
    );
    expect(pages).toEqual(Object.values(intermediate.hashes_page_sha384));
  });

  test('signatures of vCPU models', () => {
    const entries = Object.entries(measurement.vcpu_signatures);
    expect(entries.length).toBe(5);
    for (const [name, signature] of entries) {
      for (const version of ['', '-v1', '-v2']) expect(signatureOfModel(name + version)).toBe(Number(signature));
    }
    expect(signatureOfModel('EPYC-IBPB')).toBe(0x800f12);
    for (const name of [
      '',
      'EPYC-',
      'EPYC-Naples',
      'EPYC-Milan-IBPB',
      'EPYC-v0',
      'epyc',
      'EPYC-Milan-v10',
      'constructor',
    ])
      expect(() => signatureOfModel(name)).toThrowError(expect.objectContaining({ code: 'IMAGE_UNSUPPORTED' }));
  });

  test('digests of the keys of an ID block; without its signatures it is refused', async () => {
    const { id_key: idKey, author_key: authorKey, id_block_base64: block } = measurement.id_block;
    for (const { qx_hex: x, qy_hex: y, key_digest_hex: digest } of [idKey, authorKey]) {
      expect(toHex(snpKeyDigest(fromHex(x), fromHex(y)))).toBe(digest);
    }
    const unsigned = new Uint8Array(4096);
    unsigned[0] = 1;
    unsigned[0x240] = 2;
    await expect(readIdBlock(fromBase64(block), unsigned)).rejects.toMatchObject({ code: 'IMAGE_MALFORMED' });
  });
});
