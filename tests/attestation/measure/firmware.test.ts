/** What is wrong with a firmware file, one thing at a time; then any bytes at all. */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '#crypto';
import {
  authenticodeDigest,
  FIRMWARE_BYTES_MAX,
  kernelHashes,
  mrTd,
  parseFirmwareTable,
  parsePe,
  parseSnpFirmware,
  parseTdvf,
  readIdBlock,
  signatureOfModel,
  snpKeyDigest,
  snpLaunchDigest,
  tdHandOffBlock,
  ukiContents,
} from '../../../src/attestation/measure/index.ts';
import { concat, toHex, utf8 } from '../../../src/core/index.ts';
import { little } from '../encode.ts';
import { answerOf, hostileBytes } from '../hostile.ts';
import {
  AP_RESET,
  type Build,
  firmware,
  HASH_TABLE,
  linuxKernel,
  pe,
  SEV_METADATA,
  SEV_SECTIONS,
  TDX_METADATA,
  tdSections,
} from './firmware.ts';

const refused = (code: string) => expect.objectContaining({ code });
const without =
  (guid: string): Build['entries'] =>
  (all) =>
    all.filter(([one]) => one !== guid);
const replaced =
  (guid: string, data: Uint8Array): Build['entries'] =>
  (all) =>
    all.map(([one, old]) => [one, one === guid ? data : old]);
const twice =
  (guid: string): Build['entries'] =>
  (all) => [...all, ...all.filter(([one]) => one === guid)];
const header = (magic: string, length: number, version: number, count: number) =>
  concat(utf8(magic), little(length, 4), little(version, 4), little(count, 4));
const TD = tdSections(0x4000);
const tdWith = (at: number, field: number, value: number) =>
  TD.map((section, index) => (index === at ? section.with(field, value) : section)) as unknown as typeof TD;

describe('the table at the end of a build', () => {
  test('is read entry by entry', () => {
    const table = parseFirmwareTable(firmware());
    expect([...table.keys()].sort()).toEqual([AP_RESET, HASH_TABLE, SEV_METADATA, TDX_METADATA].sort());
  });

  test.each([
    ['no footer', new Uint8Array(4096), 'IMAGE_UNSUPPORTED'],
    ['nothing at all', new Uint8Array(0), 'IMAGE_UNSUPPORTED'],
    ['more bytes than any firmware has', new Uint8Array(FIRMWARE_BYTES_MAX + 1), 'IMAGE_UNSUPPORTED'],
    ['a footer larger than the file', firmware({ footerSize: 0xffff }), 'IMAGE_MALFORMED'],
    ['a footer smaller than itself', firmware({ footerSize: 17 }), 'IMAGE_MALFORMED'],
    ['a table that begins within an entry', firmware({ footerSize: 18 + 30 }), 'IMAGE_MALFORMED'],
    ['an entry twice', firmware({ entries: twice(AP_RESET) }), 'IMAGE_MALFORMED'],
  ] as const)('%s: refused', (_, image, code) => {
    expect(() => parseFirmwareTable(image)).toThrow(refused(code));
  });
});

describe('SEV metadata', () => {
  const cases: readonly [why: string, changes: Partial<Build>, code?: string][] = [
    ['none', { entries: without(SEV_METADATA) }, 'IMAGE_UNSUPPORTED'],
    ['outside the file', { entries: replaced(SEV_METADATA, little(0x100000, 4)) }],
    ['at the very end', { entries: replaced(SEV_METADATA, little(8, 4)) }],
    ['an entry of another size', { entries: replaced(SEV_METADATA, little(0x800, 8)) }],
    ['another signature', { sevHeader: header('ASEW', 76, 1, 5) }],
    ['another version', { sevHeader: header('ASEV', 76, 2, 5) }, 'IMAGE_UNSUPPORTED'],
    ['no section', { sevHeader: header('ASEV', 16, 1, 0) }],
    ['65 sections', { sevHeader: header('ASEV', 16 + 12 * 65, 1, 65) }],
    ['a length that contradicts the count', { sevHeader: header('ASEV', 75, 1, 5) }],
    ['an unknown type', { sev: [[0x800000, 0x1000, 5]] }, 'IMAGE_UNSUPPORTED'],
    ['a section of no size', { sev: [[0x800000, 0, 1]] }],
    ['a section of half a page', { sev: [[0x800000, 0x800, 1]] }],
    ['a section within a page', { sev: [[0x800800, 0x1000, 1]] }],
    ['a section beyond 4 GiB', { sev: [[0xfffff000, 0x2000, 1]] }],
    ['a section of 2 GiB', { sev: [[0, 0x8000_0000, 1]] }],
    ['a section in the firmware', { sev: [[0xffffc000, 0x1000, 1]] }],
    [
      'sections that overlap',
      {
        sev: [
          [0x800000, 0x2000, 1],
          [0x801000, 0x1000, 2],
        ],
      },
    ],
    ['two pages of secrets', { sev: [[0x800000, 0x2000, 2]] }],
    [
      'two CPUID pages',
      {
        sev: [
          [0x800000, 0x1000, 3],
          [0x801000, 0x1000, 3],
        ],
      },
    ],
    ['hashes outside their page', { entries: replaced(HASH_TABLE, concat(little(0x811c00, 4), little(0x400, 4))) }],
    ['hashes over its end', { entries: replaced(HASH_TABLE, concat(little(0x810c00, 4), little(0x401, 4))) }],
    ['a reset block of another size', { entries: replaced(AP_RESET, little(0, 2)) }],
  ];
  test.each(cases)('%s: refused', (_, changes, code = 'IMAGE_MALFORMED') => {
    expect(() => parseSnpFirmware(firmware(changes))).toThrow(refused(code));
  });

  const guest = { hashes: null, vmm: 'qemu', vcpus: 1, vcpuSignature: 0x800f12, guestFeatures: 1n } as const;

  test('a kernel or a second vCPU that the build cannot start is refused', () => {
    const plain = parseSnpFirmware(firmware({ sev: SEV_SECTIONS.slice(0, 4), entries: without(AP_RESET) }));
    const hashes = kernelHashes(new Uint8Array(1), null, '');
    expect(snpLaunchDigest({ ...guest, firmware: plain }).length).toBe(48);
    expect(() => snpLaunchDigest({ ...guest, firmware: plain, hashes })).toThrow(refused('IMAGE_UNSUPPORTED'));
    expect(() => snpLaunchDigest({ ...guest, firmware: plain, vcpus: 2 })).toThrow(refused('IMAGE_UNSUPPORTED'));
    const small = firmware({ entries: replaced(HASH_TABLE, concat(little(0x810c00, 4), little(175, 4))) });
    expect(() => snpLaunchDigest({ ...guest, firmware: parseSnpFirmware(small), hashes })).toThrow(
      refused('IMAGE_UNSUPPORTED'),
    );
  });

  test('a guest that cannot be is refused', () => {
    const build = parseSnpFirmware(firmware());
    for (const change of [
      { vcpus: 0 },
      { vcpus: 1.5 },
      { vcpus: 4097 },
      { guestFeatures: 0x20n },
      { guestFeatures: -1n },
    ])
      expect(() => snpLaunchDigest({ ...guest, firmware: build, ...change })).toThrow(refused('USAGE_INVALID'));
  });

  test('every input of the digest is in it', () => {
    const base = { ...guest, firmware: parseSnpFirmware(firmware()), hashes: kernelHashes(utf8('k'), utf8('i'), 'c') };
    const flipped = firmware();
    flipped[0] = 1;
    const others = [
      {},
      { firmware: parseSnpFirmware(flipped) },
      { firmware: parseSnpFirmware(firmware({ sev: SEV_SECTIONS.toReversed() })) },
      { firmware: parseSnpFirmware(firmware({ entries: replaced(AP_RESET, little(0x80b008, 4)) })), vcpus: 2 },
      { hashes: null },
      { hashes: kernelHashes(utf8('K'), utf8('i'), 'c') },
      { hashes: kernelHashes(utf8('k'), null, 'c') },
      { hashes: kernelHashes(utf8('k'), utf8('i'), 'c ') },
      { vcpus: 2 },
      { vcpus: 3 },
      { vcpuSignature: signatureOfModel('EPYC-Milan') },
      { guestFeatures: 0x21n },
      { vmm: 'ec2' as const },
      { vmm: 'gce' as const },
    ].map((change) => toHex(snpLaunchDigest({ ...base, ...change })));
    expect(new Set(others).size).toBe(others.length);
  });
});

describe('TDVF metadata', () => {
  const cases: readonly [why: string, changes: Partial<Build>, code?: string][] = [
    ['none', { entries: without(TDX_METADATA) }, 'IMAGE_UNSUPPORTED'],
    ['outside the file', { entries: replaced(TDX_METADATA, little(0x100000, 4)) }],
    ['another signature', { tdHeader: header('TDVE', 208, 1, 6) }],
    ['another version', { tdHeader: header('TDVF', 208, 2, 6) }, 'IMAGE_UNSUPPORTED'],
    ['no section', { tdHeader: header('TDVF', 16, 1, 0) }],
    ['a length that contradicts the count', { tdHeader: header('TDVF', 207, 1, 6) }],
    ['an unknown type', { td: tdWith(5, 4, 7) }, 'IMAGE_UNSUPPORTED'],
    ['an unknown attribute', { td: tdWith(5, 5, 4) }, 'IMAGE_UNSUPPORTED'],
    ['pages that the guest accepts itself', { td: tdWith(5, 5, 2) }, 'IMAGE_UNSUPPORTED'],
    ['an address within a page', { td: tdWith(5, 2, 0x800800) }],
    ['a size of half a page', { td: tdWith(5, 3, 0x800) }],
    ['no size', { td: tdWith(5, 3, 0) }],
    ['an address beyond 64 TiB', { td: tdWith(5, 2, 2 ** 46) }],
    ['a volume without data', { td: tdWith(1, 1, 0) }],
    ['memory with data', { td: tdWith(5, 1, 16) }],
    ['memory with a place in the file', { td: tdWith(5, 0, 16) }],
    ['more data than memory', { td: tdWith(1, 1, 0x1001) }],
    ['measured memory that is loaded in part', { td: tdWith(0, 1, 0x2000) }, 'IMAGE_UNSUPPORTED'],
    ['data outside the file', { td: tdWith(0, 0, 0x3000) }],
    ['two volumes from the same bytes', { td: tdWith(1, 0, 0x1000) }],
    ['sections over each other', { td: tdWith(5, 2, 0x80b000) }],
    ['no hand-off block', { td: TD.filter(([, , , , type]) => type !== 2) }],
    ['two hand-off blocks', { td: tdWith(5, 4, 2) }],
    ['no boot volume', { td: TD.slice(1) }],
    ['two configuration volumes', { td: [...TD, [0x1000, 0, 0, 0, 1, 0].with(0, 0) as never] }],
    ['more pages than a firmware has', { td: tdWith(5, 3, 0x2000_0000) }],
  ];
  test.each(cases)('%s: refused', (_, changes, code = 'IMAGE_MALFORMED') => {
    expect(() => parseTdvf(firmware(changes))).toThrow(refused(code));
  });

  test('a hand-off block that does not fit its section is refused', () => {
    const many = Array.from({ length: 50 }, (_, at) => [0, 0, 0x900000 + 0x2000 * at, 0x1000, 3, 0] as const);
    const build = parseTdvf(
      firmware({
        size: 0x8000,
        td: [...tdSections(0x8000).map((one) => (one[4] === 2 ? one.with(3, 0x1000) : one) as never), ...many],
      }),
    );
    expect(() => tdHandOffBlock(build, 2 ** 32)).toThrow(refused('IMAGE_UNSUPPORTED'));
  });
});

describe('ID blocks', () => {
  const keys = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey);
  const numbers = (key: (typeof keys)[number]) => {
    const { x = '', y = '' } = key.export({ format: 'jwk' });
    return [x, y].map((one) => Uint8Array.from(Buffer.from(one, 'base64url'))) as [Uint8Array, Uint8Array];
  };
  const slot = (big: Uint8Array) => concat(Uint8Array.from(big).reverse(), new Uint8Array(24));
  const keyBytes = (key: (typeof keys)[number]) =>
    concat(little(2, 4), ...numbers(key).map(slot), new Uint8Array(0x370));
  const signature = (key: (typeof keys)[number], message: Uint8Array) => {
    const rs = sign('sha384', message, {
      key: createPrivateKey(key.export({ format: 'pem', type: 'pkcs8' })),
      dsaEncoding: 'ieee-p1363',
    });
    return concat(slot(rs.subarray(0, 48)), slot(rs.subarray(48)), new Uint8Array(368));
  };
  const block = concat(
    new Uint8Array(48).fill(9),
    utf8('chrysalis-family'),
    utf8('chrysalis-image1'),
    little(1, 4),
    little(7, 4),
    little(0x30000, 8),
  );
  const [id, author] = keys as [(typeof keys)[number], (typeof keys)[number]];
  const auth = (withAuthor: boolean) =>
    concat(
      little(1, 4),
      little(withAuthor ? 1 : 0, 4),
      new Uint8Array(56),
      signature(id, block),
      keyBytes(id),
      new Uint8Array(60),
      withAuthor ? signature(author, keyBytes(id)) : new Uint8Array(512),
      withAuthor ? keyBytes(author) : new Uint8Array(0x404),
      new Uint8Array(892),
    );

  test('are read with the digests that a report then carries', async () => {
    const read = await readIdBlock(block, auth(true));
    expect({ ...read, launchDigest: toHex(read.launchDigest) }).toMatchObject({
      launchDigest: '09'.repeat(48),
      guestSvn: 7,
      policy: 0x30000n,
    });
    expect(toHex(read.idKeyDigest)).toBe(toHex(snpKeyDigest(...numbers(id))));
    expect(toHex(read.authorKeyDigest)).toBe(toHex(snpKeyDigest(...numbers(author))));
    expect(toHex((await readIdBlock(block, auth(false))).authorKeyDigest)).toBe('00'.repeat(48));
  });

  test('any byte changed, but those that no signature covers, is refused', async () => {
    const good = auth(true);
    for (const at of [0, 4, 9, 0x40, 0x88, 0x240, 0x244, 0x280, 0x644, 0x680, 0x880, 0x884, 0xc84, 0xfff]) {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] as number) ^ 0x10;
      await expect(readIdBlock(block, bad), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^IMAGE_/),
      });
    }
    for (let at = 0; at < block.length; at += 5) {
      const bad = Uint8Array.from(block);
      bad[at] = (bad[at] as number) ^ 1;
      await expect(readIdBlock(bad, good), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/^IMAGE_/),
      });
    }
    await expect(readIdBlock(block.subarray(1), good)).rejects.toMatchObject({ code: 'IMAGE_MALFORMED' });
    await expect(readIdBlock(block, concat(good, new Uint8Array(1)))).rejects.toMatchObject({
      code: 'IMAGE_MALFORMED',
    });
  });
});

describe('any bytes are read or refused with a code, in time', () => {
  const RUNS = { numRuns: Number(process.env.CHRYSALIS_FUZZ_RUNS ?? 300) };
  const build = firmware({ size: 0x4000 });
  const tail = { from: build.length - 0x1100 };
  /** Edits where the metadata are: elsewhere a firmware is only numbers. */
  const hostileBuild = hostileBytes(build.subarray(tail.from)).map((end) => concat(build.subarray(0, tail.from), end));
  const image = pe(
    [
      ['.linux', linuxKernel()],
      ['.initrd', utf8('i')],
      ['.cmdline', utf8('ro')],
    ],
    new Uint8Array(8),
  );
  const hostileImage = hostileBytes(image.subarray(0, 0x400)).map((head) => concat(head, image.subarray(0x400)));

  test('firmware for SEV-SNP', () => {
    fc.assert(
      fc.property(hostileBuild, (bytes) => {
        const { value } = answerOf(() => parseSnpFirmware(bytes));
        for (const { gpa, size } of value?.sections ?? []) expect(gpa + size).toBeLessThanOrEqual(0x1_0000_0000);
      }),
      RUNS,
    );
  });

  test('firmware for TDX', () => {
    fc.assert(
      fc.property(hostileBuild, (bytes) => {
        const { value } = answerOf(() => parseTdvf(bytes));
        if (value !== null) expect(mrTd(value, 'interleaved').length).toBe(48);
      }),
      RUNS,
    );
  });

  test('EFI applications and unified kernel images', () => {
    fc.assert(
      fc.property(hostileImage, (bytes) => {
        answerOf(() => authenticodeDigest(parsePe(bytes)));
        answerOf(() => ukiContents(parsePe(bytes)));
      }),
      RUNS,
    );
  });

  test('every length of a build and of an image', () => {
    for (let length = 0; length < build.length; length += 61) answerOf(() => parseTdvf(build.subarray(0, length)));
    for (let length = 0; length < image.length; length += 7) answerOf(() => parsePe(image.subarray(0, length)));
  });
});

/** Debian's ovmf 2022.11-6+deb12u2, where it is installed: 2 MiB of real firmware for both technologies. */
const OVMF = process.env.CHRYSALIS_OVMF ?? '/usr/share/ovmf/OVMF.fd';
const OVMF_SHA256 = '7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773';
const isOvmf = existsSync(OVMF) && toHex(sha256(new Uint8Array(readFileSync(OVMF)))) === OVMF_SHA256;

test.skipIf(!isOvmf)(`a real firmware file measures as other programs say${isOvmf ? '' : ': not installed'}`, () => {
  const bytes = new Uint8Array(readFileSync(OVMF));
  // MRTD by a second program written from the specification; launch digests by sev-snp-measure 0.0.13.
  const td = parseTdvf(bytes);
  expect(toHex(mrTd(td, 'interleaved'))).toBe(
    '4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057fb887fed0744d5631a212967fb231c47',
  );
  expect(toHex(mrTd(td, 'two-pass'))).toBe(
    'acccbcc870a381adab0d3919d90a7f268ac3b0364771f202ed4bb4e892d045b33db3b32e6924cba830a724eed443f7e1',
  );
  const firmware = parseSnpFirmware(bytes);
  const digest = (vcpus: number, model: string, guestFeatures: bigint) =>
    toHex(
      snpLaunchDigest({
        firmware,
        hashes: null,
        vmm: 'qemu',
        vcpus,
        vcpuSignature: signatureOfModel(model),
        guestFeatures,
      }),
    );
  expect(digest(1, 'EPYC-v4', 1n)).toBe(
    '11570979c77a0adb515761a702527c8b9e11554e730552621d950988613a3a75c6ff1703f540bd22a9beede8fe7a97e3',
  );
  expect(digest(8, 'EPYC-Genoa', 1n)).toBe(
    'f76ed5c5b28b344cff13890c4479cd8a31e598a4b70cc8aa22df5733f7ef07692a11f82ac0c0001254d12abdca90baca',
  );
  expect(digest(64, 'EPYC-Turin', 0x21n)).toBe(
    'a05defb4937ca6d251d6f3a8a150c433a891377d1e286d6c0f344749696e8f877b318ea220351c2c07b7a3fa71fc8647',
  );
});
