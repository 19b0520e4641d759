/** OVMF builds of our own making: small, and each part of them can be written wrong. */
import { concat, concatAll, guidBytes, utf8 } from '../../../src/core/index.ts';
import { little } from '../encode.ts';

const FOOTER = '96b582de-1fb2-45f7-baea-a366c55a082d';
export const SEV_METADATA = 'dc886566-984a-4798-a75e-5585a7bf67cc';
export const TDX_METADATA = 'e47a6535-984a-4798-865e-4685a7bf8ec2';
export const HASH_TABLE = '7255371f-3a3b-4b04-927b-1da6efa8d454';
export const AP_RESET = '00f771de-1a7e-4fcb-890e-68c77e2fb44e';

type Entry = readonly [guid: string, data: Uint8Array];
export type SevSection = readonly [gpa: number, size: number, type: number];
export type TdSection = readonly [
  dataAt: number,
  dataBytes: number,
  address: number,
  size: number,
  type: number,
  attributes: number,
];

export const entry = (guid: string, data: Uint8Array) => concat(data, little(data.length + 18, 2), guidBytes(guid));

export const SEV_SECTIONS: readonly SevSection[] = [
  [0x800000, 0x9000, 1],
  [0x80d000, 0x1000, 2],
  [0x80e000, 0x1000, 3],
  [0x80f000, 0x1000, 4],
  [0x810000, 0x1000, 16],
];

/** A configuration volume of a page, a boot volume of the rest, memory as OVMF lays it out. */
export function tdSections(firmwareBytes: number, cfvBytes = 0x1000): TdSection[] {
  const base = 0x1_0000_0000 - firmwareBytes;
  return [
    [cfvBytes, firmwareBytes - cfvBytes, base + cfvBytes, firmwareBytes - cfvBytes, 0, 1],
    [0, cfvBytes, base, cfvBytes, 1, 0],
    [0, 0, 0x810000, 0x10000, 3, 0],
    [0, 0, 0x80b000, 0x2000, 3, 0],
    [0, 0, 0x809000, 0x2000, 2, 0],
    [0, 0, 0x800000, 0x6000, 3, 0],
  ];
}

export type Build = Readonly<{
  size: number;
  sev: readonly SevSection[];
  td: readonly TdSection[];
  sevHeader: Uint8Array | null;
  tdHeader: Uint8Array | null;
  entries: (metadata: readonly Entry[]) => readonly Entry[];
  footerSize: number | null;
}>;

/** The last pages of the build hold metadata and table; the others are numbered, so that each page differs. */
export function firmware(changes: Partial<Build> = {}): Uint8Array {
  const size = changes.size ?? 0x4000;
  const { sev = SEV_SECTIONS, td = tdSections(size), entries = (all: readonly Entry[]) => all } = changes;
  const sevHeader =
    changes.sevHeader ?? concat(utf8('ASEV'), little(16 + 12 * sev.length, 4), little(1, 4), little(sev.length, 4));
  const tdHeader =
    changes.tdHeader ?? concat(utf8('TDVF'), little(16 + 32 * td.length, 4), little(1, 4), little(td.length, 4));
  const sevBlob = concat(sevHeader, concatAll(sev.map((section) => concatAll(section.map((one) => little(one, 4))))));
  const tdBlob = concat(
    tdHeader,
    concatAll(td.map((section) => concatAll(section.map((one, at) => little(one, at === 2 || at === 3 ? 8 : 4))))),
  );
  const out = new Uint8Array(size);
  for (let at = 0; at < size; at += 0x100) out.fill((at / 0x100) & 0xff, at, at + 0x100);
  const place = (blob: Uint8Array, distance: number) => out.set(blob, size - distance);
  place(sevBlob, 0x600);
  place(tdBlob, 0x1000);
  const body = concatAll(
    entries([
      [AP_RESET, little(0x80b004, 4)],
      [HASH_TABLE, concat(little(0x810c00, 4), little(0x400, 4))],
      [SEV_METADATA, little(0x600, 4)],
      [TDX_METADATA, little(0x1000, 4)],
    ]).map(([guid, data]) => entry(guid, data)),
  );
  const footer = concat(little(changes.footerSize ?? body.length + 18, 2), guidBytes(FOOTER));
  place(concat(body, footer), 32 + body.length + footer.length);
  return out;
}

/** A PE32+ image with these sections, one after the other from 0x400. */
export function pe(
  sections: readonly (readonly [name: string, data: Uint8Array])[],
  certificates = new Uint8Array(0),
): Uint8Array {
  const head = new Uint8Array(0x400);
  const view = new DataView(head.buffer);
  view.setUint16(0, 0x5a4d, true);
  view.setUint32(0x3c, 0x80, true);
  view.setUint32(0x80, 0x4550, true);
  view.setUint16(0x84, 0x8664, true);
  view.setUint16(0x86, sections.length, true);
  view.setUint16(0x94, 112 + 16 * 8, true);
  const optional = 0x98;
  view.setUint16(optional, 0x20b, true);
  view.setUint32(optional + 60, head.length, true);
  view.setUint32(optional + 64, 0xdeadbeef, true); // checksum
  view.setUint32(optional + 108, 16, true);
  let at = head.length;
  const bodies = sections.map(([name, data], index) => {
    const padded = new Uint8Array(Math.ceil(data.length / 0x200) * 0x200);
    padded.set(data);
    const row = optional + 112 + 128 + 40 * index;
    head.set(utf8(name), row);
    view.setUint32(row + 8, data.length, true);
    view.setUint32(row + 12, 0x10000 * (index + 1), true);
    view.setUint32(row + 16, padded.length, true);
    view.setUint32(row + 20, padded.length === 0 ? 0 : at, true);
    at += padded.length;
    return padded;
  });
  if (certificates.length > 0) {
    view.setUint32(optional + 112 + 32, at, true);
    view.setUint32(optional + 112 + 36, certificates.length, true);
  }
  return concat(head, concatAll(bodies), certificates);
}

/** A kernel with an EFI stub: PE headers in the first sector, the setup header of the x86 boot protocol at 0x1f1. */
export function linuxKernel(protocol = 0x20f, loadFlags = 1, bodyBytes = 0x2000): Uint8Array {
  const image = pe([['.text', new Uint8Array(bodyBytes).fill(0x90)]]);
  const view = new DataView(image.buffer);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, protocol, true);
  view.setUint8(0x211, loadFlags);
  view.setUint32(0x22c, 0x7fffffff, true);
  view.setUint16(0x236, 0x7f, true);
  return image;
}
