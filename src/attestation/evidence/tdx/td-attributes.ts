import { isZero } from '../../../core/index.ts';
import type { TdReport } from './td-report.ts';

/** One bit of TDATTRIBUTES: its position (0 is the least significant), its name in Intel's TDX module specification, and what it means. */
export type TdAttributeBit = Readonly<{ bit: number; name: string; meaning: string }>;

/** Intel TDX module specification, TDATTRIBUTES; bits that are not listed are reserved and must be zero. */
export const TD_ATTRIBUTE_BITS: readonly TdAttributeBit[] = [
  { bit: 0, name: 'DEBUG', meaning: 'the host may read and change the TD: nothing in it is confidential' },
  { bit: 1, name: 'TUD_1', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 2, name: 'TUD_2', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 3, name: 'TUD_3', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 4, name: 'TUD_4', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 5, name: 'TUD_5', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 6, name: 'TUD_6', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 7, name: 'TUD_7', meaning: 'untrusted TD: a profiling bit of the TUD group' },
  { bit: 16, name: 'ICSSD', meaning: 'the TD may be migrated by its service TD under ICSSD rules' },
  { bit: 17, name: 'SERVTD_EXT', meaning: 'extended service-TD information is reported' },
  { bit: 27, name: 'LASS', meaning: 'the TD may use linear address space separation' },
  { bit: 28, name: 'SEPT_VE_DISABLE', meaning: 'no #VE on access to a pending page: Linux guests rely on it' },
  { bit: 29, name: 'MIGRATABLE', meaning: 'a migration TD may move this TD: it is in the trusted base' },
  { bit: 30, name: 'PKS', meaning: 'the TD may use supervisor protection keys' },
  { bit: 31, name: 'KL', meaning: 'the TD may use key locker' },
  { bit: 62, name: 'TPA', meaning: 'the TD is a TDX provisioning agent' },
  { bit: 63, name: 'PERFMON', meaning: 'the TD may use performance monitoring' },
];

/** Facts about a TD that its TDATTRIBUTES state; whether they are acceptable is for the appraisal policy. */
export type TdAttributes = Readonly<{
  value: bigint;
  /** Names of the bits that are set, in bit order. */
  names: readonly string[];
  debug: boolean;
  septVeDisable: boolean;
  migratable: boolean;
  /** Positions of set bits that the table does not know. */
  reservedBits: readonly number[];
}>;

/** Reads TDATTRIBUTES (8 bytes, little-endian; Intel TDX module specification). Every bit is reported, none judged. */
export function readTdAttributes(tdAttributes: Uint8Array): TdAttributes {
  const value = new DataView(tdAttributes.buffer, tdAttributes.byteOffset, 8).getBigUint64(0, true);
  const isSet = (bit: number) => ((value >> BigInt(bit)) & 1n) === 1n;
  const known = new Map(TD_ATTRIBUTE_BITS.map((entry) => [entry.bit, entry.name]));
  const names: string[] = [];
  const reservedBits: number[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (!isSet(bit)) continue;
    const name = known.get(bit);
    if (name === undefined) reservedBits.push(bit);
    else names.push(name);
  }
  const has = (name: string) => names.includes(name);
  return {
    value,
    names,
    debug: has('DEBUG'),
    septVeDisable: has('SEPT_VE_DISABLE'),
    migratable: has('MIGRATABLE'),
    reservedBits,
  };
}

/**
 * Whether another TD is part of this one's trusted base: it may be migrated, or a service TD is bound to it (TDX 1.5;
 * a version 4 quote can't say). Such a TD can read and change this one.
 */
export function hasServiceTd(report: TdReport): boolean {
  const { names, migratable } = readTdAttributes(report.tdAttributes);
  const { extension, mrServiceTd } = report;
  return (
    migratable ||
    names.includes('ICSSD') ||
    names.includes('SERVTD_EXT') ||
    (mrServiceTd !== null && !isZero(mrServiceTd)) ||
    (extension !== null && !(isZero(extension.initialServiceTdHash) && isZero(extension.currentServiceTdHash)))
  );
}
