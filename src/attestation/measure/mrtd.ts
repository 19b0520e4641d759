import { sha384 } from '#crypto';
import { type Bytes, utf8 } from '../../core/index.ts';
import { PAGE_BYTES } from './image-bytes.ts';
import type { TdvfFirmware, TdvfSection } from './tdvf.ts';

const RECORD_BYTES = 128;
const CHUNK_BYTES = 256;
const CHUNKS_PER_PAGE = PAGE_BYTES / CHUNK_BYTES;
const GPA_AT = 16;
const PAGE_ADD = utf8('MEM.PAGE.ADD');
const EXTEND = utf8('MR.EXTEND');

/** Whether each page is extended right after it is added, or all pages of a section are added first. */
export type PageOrder = 'interleaved' | 'two-pass';

/**
 * Predicts MRTD, 48 bytes: SHA-384 over what TDH.MEM.PAGE.ADD and TDH.MR.EXTEND record, in the order in which the VMM
 * calls them (Intel TDX module specification, "Measurement and attestation").
 */
export function mrTd({ sections }: TdvfFirmware, order: PageOrder): Bytes {
  const records = new Uint8Array(sections.reduce((sum, section) => sum + recordBytes(section), 0));
  let at = 0;
  const record = (name: Uint8Array, gpa: number) => {
    records.set(name, at);
    new DataView(records.buffer).setBigUint64(at + GPA_AT, BigInt(gpa), true);
    at += RECORD_BYTES;
  };
  const add = (section: TdvfSection, page: number) => record(PAGE_ADD, section.address + page * PAGE_BYTES);
  const extend = ({ address, data, isExtended }: TdvfSection, page: number) => {
    if (!isExtended) return;
    for (let offset = page * PAGE_BYTES; offset < (page + 1) * PAGE_BYTES; offset += CHUNK_BYTES) {
      record(EXTEND, address + offset);
      records.set(data.subarray(offset, offset + CHUNK_BYTES), at);
      at += CHUNK_BYTES;
    }
  };
  for (const section of sections) {
    const pages = section.size / PAGE_BYTES;
    for (let page = 0; page < pages; page++) {
      add(section, page);
      if (order === 'interleaved') extend(section, page);
    }
    if (order === 'two-pass') for (let page = 0; page < pages; page++) extend(section, page);
  }
  return sha384(records);
}

function recordBytes({ size, isExtended }: TdvfSection): number {
  const perPage = RECORD_BYTES + (isExtended ? CHUNKS_PER_PAGE * (RECORD_BYTES + CHUNK_BYTES) : 0);
  return (size / PAGE_BYTES) * perPage;
}
