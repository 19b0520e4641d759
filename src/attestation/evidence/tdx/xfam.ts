/** One bit of XFAM: an extended CPU state (Intel SDM, XCR0 and IA32_XSS) that the TD may use. */
export type XfamBit = Readonly<{ bit: number; name: string }>;

/** What a TD may be given (Intel TDX module specification, XFAM); bits that are not listed are reserved and must be zero. */
export const XFAM_BITS: readonly XfamBit[] = [
  { bit: 0, name: 'X87' },
  { bit: 1, name: 'SSE' },
  { bit: 2, name: 'AVX' },
  { bit: 5, name: 'AVX512_OPMASK' },
  { bit: 6, name: 'AVX512_ZMM_HI256' },
  { bit: 7, name: 'AVX512_HI16_ZMM' },
  { bit: 8, name: 'PT' },
  { bit: 9, name: 'PKRU' },
  { bit: 11, name: 'CET_U' },
  { bit: 12, name: 'CET_S' },
  { bit: 14, name: 'UINTR' },
  { bit: 15, name: 'LBR' },
  { bit: 17, name: 'AMX_TILECFG' },
  { bit: 18, name: 'AMX_TILEDATA' },
];

/** What XFAM states; whether it is acceptable is for the appraisal policy. */
export type Xfam = Readonly<{
  /** Names of the bits that are set, in bit order. */
  names: readonly string[];
  /** X87 and SSE, without which no TD is made. */
  hasRequired: boolean;
  /** Positions of set bits that the table does not know. */
  reservedBits: readonly number[];
}>;

/** Reads XFAM (8 bytes, little-endian). Every bit is reported, none judged. */
export function readXfam(xfam: Uint8Array): Xfam {
  const value = new DataView(xfam.buffer, xfam.byteOffset, 8).getBigUint64(0, true);
  const known = new Map(XFAM_BITS.map(({ bit, name }) => [bit, name]));
  const set = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((value >> BigInt(bit)) & 1n) === 1n);
  return {
    names: set.flatMap((bit) => known.get(bit) ?? []),
    hasRequired: (value & 3n) === 3n,
    reservedBits: set.filter((bit) => !known.has(bit)),
  };
}
