/** TDX predictions against a second computation written from the specification alone, and how they depend on inputs. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  authenticodeDigest,
  mrTd,
  parsePe,
  parseTdvf,
  qemuRules,
  registerOf,
  rtmr1Events,
  rtmr2Events,
  tdHandOffBlock,
  ukiContents,
} from '../../../src/attestation/measure/index.ts';
import { kernelAsQemuPatchesIt } from '../../../src/attestation/measure/linux-header.ts';
import { concat, toHex, utf8 } from '../../../src/core/index.ts';
import { firmware, linuxKernel, pe, tdSections } from './firmware.ts';

const GIB = 2 ** 30;
const refused = (code: string) => expect.objectContaining({ code });
const sha384 = (...parts: readonly Uint8Array[]) => {
  const hash = createHash('sha384');
  for (const one of parts) hash.update(one);
  return hash.digest('hex');
};

describe('MRTD', () => {
  /** Section by section, page by page, a hash that runs along: nothing shared with the code under test. */
  function independent(image: Uint8Array, isTwoPass: boolean): string {
    const hash = createHash('sha384');
    const write = (name: string, address: bigint) => {
      const record = Buffer.alloc(128);
      record.write(name, 'latin1');
      record.writeBigUInt64LE(address, 16);
      hash.update(record);
    };
    for (const [dataAt, , address, size, , attributes] of tdSections(image.length)) {
      const steps = Array.from({ length: size / 4096 }, (_, page) => ({
        add: () => write('MEM.PAGE.ADD', BigInt(address) + BigInt(page) * 4096n),
        extend: () => {
          for (let chunk = 0; attributes === 1 && chunk < 16; chunk++) {
            const offset = page * 4096 + chunk * 256;
            write('MR.EXTEND', BigInt(address) + BigInt(offset));
            hash.update(image.subarray(dataAt + offset, dataAt + offset + 256));
          }
        },
      }));
      if (isTwoPass) for (const { add } of steps) add();
      for (const { add, extend } of steps) {
        if (!isTwoPass) add();
        extend();
      }
    }
    return hash.digest('hex');
  }

  test('is what a second computation makes of it, in both orders', () => {
    const image = firmware({ size: 0x8000 });
    const build = parseTdvf(image);
    expect(toHex(mrTd(build, 'interleaved'))).toBe(independent(image, false));
    expect(toHex(mrTd(build, 'two-pass'))).toBe(independent(image, true));
  });

  test('every page of the boot volume is in it, and the configuration volume is not', () => {
    const image = firmware();
    const whole = toHex(mrTd(parseTdvf(image), 'interleaved'));
    const changedAt = (at: number) => {
      const copy = Uint8Array.from(image);
      copy[at] = (copy[at] as number) ^ 1;
      return toHex(mrTd(parseTdvf(copy), 'interleaved'));
    };
    for (let at = 0x1000; at < image.length - 0x1000; at += 0x100) expect(changedAt(at)).not.toBe(whole);
    for (const at of [0, 0x800, 0xfff]) expect(changedAt(at)).toBe(whole);
  });
});

describe('the TD hand-off block', () => {
  const build = parseTdvf(firmware());
  const rows = (memory: number) => {
    const block = tdHandOffBlock(build, memory);
    const view = new DataView(block.buffer);
    expect(view.getBigUint64(48, true)).toBe(BigInt(0x809000 + block.length + 8));
    return Array.from({ length: (block.length - 56) / 48 }, (_, row) => {
      const at = 56 + 48 * row;
      return [view.getUint32(at + 24, true), view.getBigUint64(at + 32, true), view.getBigUint64(at + 40, true)];
    });
  };

  test('holds all of memory once, in order, split below 4 GiB from 2.75 GiB on', () => {
    for (const memory of [0x1000_0000, GIB, 0xafff_f000, 0xb000_0000, 4 * GIB, 512 * GIB]) {
      const ranges = rows(memory);
      expect(ranges.reduce((sum, [, , length]) => sum + (length as bigint), 0n)).toBe(BigInt(memory));
      const isSplit = ranges.some(([, start]) => (start as bigint) >= 0x1_0000_0000n);
      expect(isSplit).toBe(memory >= 0xb000_0000);
      expect(ranges.filter(([type]) => type === 0).length).toBe(4);
      for (const [at, [, start, length]] of ranges.slice(0, -1).entries()) {
        expect(ranges[at + 1]?.[1] as bigint).toBeGreaterThanOrEqual((start as bigint) + (length as bigint));
      }
    }
  });

  test.each([0, -4096, 4097, 1.5, Number.NaN, 2 ** 47])('memory of %s bytes is refused', (memory) => {
    expect(() => tdHandOffBlock(build, memory)).toThrow(refused('USAGE_INVALID'));
  });

  test('a guest too small for its firmware is refused', () => {
    expect(() => tdHandOffBlock(build, 0x800000)).toThrow(refused('IMAGE_UNSUPPORTED'));
  });
});

describe('images that the firmware starts', () => {
  const body = utf8('a kernel');
  const image = pe([
    ['.text', body],
    ['.data', utf8('data')],
  ]);

  test('their digest is over all but the checksum and the certificates', () => {
    const whole = toHex(authenticodeDigest(parsePe(image)));
    expect(whole).toBe(sha384(image.subarray(0, 0xd8), image.subarray(0xdc, 0x128), image.subarray(0x130)));
    const flipped = (at: number) => {
      const copy = Uint8Array.from(image);
      copy[at] = (copy[at] as number) ^ 1;
      return toHex(authenticodeDigest(parsePe(copy)));
    };
    for (const at of [0xd8, 0xdb]) expect(flipped(at)).toBe(whole);
    for (const at of [0x10, 0xd0, 0xdc, 0x400, 0x5ff, image.length - 1]) expect(flipped(at)).not.toBe(whole);
  });

  test('a signature changes nothing, and what stands before it does', () => {
    const sections = [['.text', body]] as const;
    const bare = toHex(authenticodeDigest(parsePe(pe(sections))));
    const signed = pe(sections, new Uint8Array(64).fill(7));
    expect(toHex(authenticodeDigest(parsePe(signed)))).toBe(bare);
    const trailing = concat(pe(sections), new Uint8Array(8));
    expect(toHex(authenticodeDigest(parsePe(trailing)))).not.toBe(bare);
  });

  const broken: readonly [why: string, code: string, edit: (view: DataView) => void][] = [
    ['no MZ', 'IMAGE_UNSUPPORTED', (view) => view.setUint16(0, 0)],
    ['headers beyond the end', 'IMAGE_MALFORMED', (view) => view.setUint32(0x3c, 0xffff_fff0, true)],
    ['no PE signature', 'IMAGE_MALFORMED', (view) => view.setUint8(0x82, 1)],
    ['another machine', 'IMAGE_UNSUPPORTED', (view) => view.setUint16(0x84, 0x14c, true)],
    ['no sections', 'IMAGE_MALFORMED', (view) => view.setUint16(0x86, 0, true)],
    ['97 sections', 'IMAGE_MALFORMED', (view) => view.setUint16(0x86, 97, true)],
    ['an optional header of another size', 'IMAGE_MALFORMED', (view) => view.setUint16(0x94, 0x70, true)],
    ['PE32', 'IMAGE_UNSUPPORTED', (view) => view.setUint16(0x98, 0x10b, true)],
    ['17 directories', 'IMAGE_MALFORMED', (view) => view.setUint32(0x98 + 108, 17, true)],
    ['headers shorter than the table', 'IMAGE_MALFORMED', (view) => view.setUint32(0x98 + 60, 0x100, true)],
    ['headers longer than the file', 'IMAGE_MALFORMED', (view) => view.setUint32(0x98 + 60, 0x10000, true)],
    ['certificates in the middle', 'IMAGE_MALFORMED', (view) => view.setUint32(0x98 + 144, 0x400, true)],
    ['data beyond the end', 'IMAGE_MALFORMED', (view) => view.setUint32(0x188 + 16, 0x10000, true)],
    ['data in the headers', 'IMAGE_MALFORMED', (view) => view.setUint32(0x188 + 20, 0x200, true)],
    ['data over data', 'IMAGE_MALFORMED', (view) => view.setUint32(0x188 + 40 + 20, 0x400, true)],
    ['a name with bytes after its end', 'IMAGE_MALFORMED', (view) => view.setUint8(0x188 + 7, 0x41)],
  ];
  test.each(broken)('%s: refused', (_, code, edit) => {
    const copy = Uint8Array.from(image);
    edit(new DataView(copy.buffer));
    expect(() => parsePe(copy)).toThrow(refused(code));
  });

  test('a length that tools and firmware hash differently is refused', () => {
    expect(() => authenticodeDigest(parsePe(concat(image, Uint8Array.of(0))))).toThrow(refused('IMAGE_UNSUPPORTED'));
  });
});

describe('the setup header as QEMU fills it in', () => {
  const load = { kernel: linuxKernel(), initrdBytes: 0x12345, commandLine: 'quiet', memoryBytes: 4 * GIB };

  test('a kernel of today', () => {
    const view = new DataView(kernelAsQemuPatchesIt(load).buffer);
    expect([view.getUint8(0x210), view.getUint8(0x211), view.getUint16(0x224, true)]).toEqual([0xb0, 0x81, 0xfe00]);
    expect([view.getUint32(0x228, true), view.getUint32(0x21c, true)]).toEqual([0x20000, 0x12345]);
    // Below the ACPI tables at the end of the 2 GiB that are left below 4 GiB.
    expect(view.getUint32(0x218, true)).toBe(Math.floor((0x8000_0000 - 0x28000 - 1 - 0x12345) / 4096) * 4096);
  });

  test('goes by memory and the size of the initial RAM disk, not by what is in it', () => {
    const digests = [2, 2.5, 2.75, 8].map((gib) =>
      toHex(kernelAsQemuPatchesIt({ ...load, memoryBytes: gib * GIB }).subarray(0, 0x400)),
    );
    expect(digests[0]).not.toBe(digests[1]);
    expect(digests[3]).toBe(digests[2]);
    expect(digests[0]).toBe(digests[2]); // 2 GiB below 4 GiB in both
  });

  test('what is no bzImage loses four bytes of its DOS header', () => {
    const image = pe([['.text', new Uint8Array(0x2000)]]);
    const patched = kernelAsQemuPatchesIt({ ...load, kernel: image, initrdBytes: 0, commandLine: '' });
    expect(toHex(patched.subarray(0x20, 0x24))).toBe('3fa3f09f');
    expect(patched.filter((byte, at) => byte !== image[at]).length).toBe(4);
  });

  test.each([
    ['a file of less than a page', { kernel: new Uint8Array(0xfff) }, 'IMAGE_MALFORMED'],
    ['vga= on the command line', { commandLine: 'vga=ask' }, 'IMAGE_UNSUPPORTED'],
    ['an initial RAM disk as large as memory', { initrdBytes: 0x8000_0000 }, 'IMAGE_UNSUPPORTED'],
    [
      'an initial RAM disk for what takes none',
      { kernel: pe([['.text', new Uint8Array(0x2000)]]) },
      'IMAGE_UNSUPPORTED',
    ],
  ] as const)('%s: refused', (_, change, code) => {
    expect(() => kernelAsQemuPatchesIt({ ...load, ...change })).toThrow(refused(code));
  });
});

describe('a unified kernel image', () => {
  const kernel = linuxKernel();
  const uki = (...extra: readonly (readonly [string, Uint8Array])[]) =>
    pe([['.text', new Uint8Array(0x1000)], ['.linux', kernel], ['.initrd', utf8('initrd')], ...extra]);
  const commandLine = ['.cmdline', utf8('quiet ro')] as const;

  test('measures as itself, then as the kernel in it with its own command line', () => {
    const image = uki(commandLine);
    const rules = { pageOrder: 'interleaved', patchesKernel: 'none' } as const;
    const rtmr1 = rtmr1Events({ kind: 'uki', image }, GIB, rules);
    expect(rtmr1.map(({ name }) => name)).toEqual([
      'unified kernel image',
      'action: Calling EFI Application from Boot Option',
      'separator',
      'kernel in the image',
      'action: Exit Boot Services Invocation',
      'action: Exit Boot Services Returned with Success',
    ]);
    expect(toHex(rtmr1[0]?.digest as never)).toBe(toHex(authenticodeDigest(parsePe(image))));
    expect(toHex(rtmr1[3]?.digest as never)).toBe(toHex(authenticodeDigest(parsePe(kernel))));
    // QEMU of a time between left it alone already; one before wrote into it.
    const of = (patchesKernel: 'all' | 'linux') =>
      rtmr1Events({ kind: 'uki', image }, GIB, { ...rules, patchesKernel });
    expect(of('linux')).toEqual(rtmr1);
    expect(toHex(of('all')[0]?.digest as never)).not.toBe(toHex(rtmr1[0]?.digest as never));
    const rtmr2 = rtmr2Events({ kind: 'uki', image });
    expect(toHex(rtmr2[0]?.digest as never)).toBe(sha384(Buffer.from('quiet ro\0', 'utf16le')));
    expect(toHex(rtmr2[1]?.digest as never)).toBe(sha384(utf8('initrd')));
  });

  test.each([
    ['no kernel', () => pe([['.text', kernel]]), 'IMAGE_UNSUPPORTED'],
    ['two command lines', () => uki(commandLine, commandLine), 'IMAGE_MALFORMED'],
    ['a command line with a line feed at its end', () => uki(['.cmdline', utf8('ro\n')]), 'IMAGE_UNSUPPORTED'],
    ['a command line with a NUL', () => uki(['.cmdline', utf8('ro\0')]), 'IMAGE_MALFORMED'],
    ['a command line that is not UTF-8', () => uki(['.cmdline', Uint8Array.of(0xff)]), 'ENCODING_INVALID'],
  ] as const)('%s: refused', (_, image, code) => {
    expect(() => ukiContents(parsePe(image()))).toThrow(refused(code));
  });
});

describe('command line and initial RAM disk', () => {
  const events = (initrd: Uint8Array | null, commandLine: string) =>
    rtmr2Events({ kind: 'linux', kernel: new Uint8Array(0), initrd, commandLine });

  test('OVMF appends where the initial RAM disk is found, if there is one', () => {
    const digests = (...all: readonly string[]) => all.map((text) => sha384(Buffer.from(`${text}\0`, 'utf16le')));
    expect(toHex(events(utf8('x'), 'ro')[0]?.digest as never)).toBe(digests('ro initrd=initrd')[0]);
    expect(toHex(events(null, 'ro')[0]?.digest as never)).toBe(digests('ro')[0]);
    expect(toHex(events(utf8('x'), '')[0]?.digest as never)).toBe(digests(' initrd=initrd')[0]);
    expect(events(null, '')).toEqual([]);
    expect(toHex(registerOf([]))).toBe('00'.repeat(48));
  });

  test('versions of QEMU', () => {
    expect(qemuRules('8.2.4')).toEqual({ pageOrder: 'two-pass', patchesKernel: 'all' });
    expect(qemuRules('8.2.9')).toEqual({ pageOrder: 'two-pass', patchesKernel: 'linux' });
    expect(qemuRules('9.0.0')).toEqual({ pageOrder: 'interleaved', patchesKernel: 'all' });
    expect(qemuRules('9.2.0')).toEqual({ pageOrder: 'interleaved', patchesKernel: 'all' });
    expect(qemuRules('9.2')).toEqual({ pageOrder: 'interleaved', patchesKernel: 'all' });
    expect(qemuRules('9.2.1')).toEqual({ pageOrder: 'interleaved', patchesKernel: 'linux' });
    expect(qemuRules('10.1')).toEqual({ pageOrder: 'interleaved', patchesKernel: 'linux' });
    expect(qemuRules('10.2.0')).toEqual({ pageOrder: 'interleaved', patchesKernel: 'none' });
    for (const version of ['', '7.2.0', '9', 'v9.1', '9.1.0-rc1', '99999.1']) {
      expect(() => qemuRules(version)).toThrow(refused('USAGE_INVALID'));
    }
  });
});
