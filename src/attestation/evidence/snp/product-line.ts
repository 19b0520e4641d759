import { type Bytes, isZero } from '../../../core/index.ts';

/** One security patch level of an SNP TCB (AMD 56860, TCB_VERSION); `fmc` exists on Turin alone. */
export type SnpTcbPart = 'fmc' | 'bootloader' | 'tee' | 'snp' | 'microcode';
/** Levels of 0 to 255 by part. */
export type SnpTcb = Readonly<Partial<Record<SnpTcbPart, number>>>;

type CpuModels = Readonly<{ family: number; models: readonly (readonly [first: number, last: number])[] }>;
type ProductLine = Readonly<{
  cpu: CpuModels;
  /** Bytes of HWID in a VCEK and of CHIP_ID that mean something. */
  hwidBytes: 64 | 8;
  /** The struct version (extension .1) of the line's VCEKs and VLEKs. */
  structVersion: number;
  /** Byte of TCB_VERSION that holds each part; other bytes are reserved. */
  tcbLayout: Readonly<Partial<Record<SnpTcbPart, number>>>;
}>;

const OLD_LAYOUT = { bootloader: 0, tee: 1, snp: 6, microcode: 7 } as const;

/**
 * AMD's product lines: one root key each. The layout of a TCB goes by line, never by report version. Genoa vouches for
 * Bergamo and Siena too. CPUID values are the combined ones that the report holds.
 */
export const SNP_LINES = {
  Milan: { cpu: { family: 0x19, models: [[0x00, 0x0f]] }, hwidBytes: 64, structVersion: 0, tcbLayout: OLD_LAYOUT },
  Genoa: {
    cpu: {
      family: 0x19,
      models: [
        [0x10, 0x1f],
        [0xa0, 0xaf],
      ],
    },
    hwidBytes: 64,
    structVersion: 0,
    tcbLayout: OLD_LAYOUT,
  },
  Turin: {
    cpu: { family: 0x1a, models: [[0x00, 0x11]] },
    hwidBytes: 8,
    structVersion: 1,
    tcbLayout: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
  },
} as const satisfies Record<string, ProductLine>;

export type SnpLine = keyof typeof SNP_LINES;
export const SNP_LINE_NAMES = Object.keys(SNP_LINES) as readonly SnpLine[];

export function isSnpLine(text: string): text is SnpLine {
  return Object.hasOwn(SNP_LINES, text);
}

/** What a line is, with the widest types: for code that treats all lines alike. */
export function productLine(line: SnpLine): ProductLine {
  return SNP_LINES[line];
}

/** The line of a processor by its combined CPUID family and model, or null for one that is not known here. */
export function snpLineOfCpu(family: number, model: number): SnpLine | null {
  const holds = (line: SnpLine) => {
    const { cpu } = productLine(line);
    return cpu.family === family && cpu.models.some(([first, last]) => first <= model && model <= last);
  };
  return SNP_LINE_NAMES.find(holds) ?? null;
}

/** The parts of a line's TCB, in the order of its layout. */
export function tcbPartsOf(line: SnpLine): readonly SnpTcbPart[] {
  return Object.keys(productLine(line).tcbLayout) as SnpTcbPart[];
}

/**
 * Reads TCB_VERSION by the layout of the line.
 * @param raw 8 bytes
 * @returns null where a byte is set that the line's layout reserves
 */
export function readTcb(raw: Uint8Array, line: SnpLine): SnpTcb | null {
  const rest = Uint8Array.from(raw);
  const tcb: Partial<Record<SnpTcbPart, number>> = {};
  for (const [part, at] of Object.entries(productLine(line).tcbLayout)) {
    tcb[part as SnpTcbPart] = raw[at] as number;
    rest[at] = 0;
  }
  return isZero(rest) ? tcb : null;
}

/** TCB_VERSION of these levels by the layout of the line, 8 bytes; a part that is absent is 0. The inverse of {@link readTcb}. */
export function encodeTcb(tcb: SnpTcb, line: SnpLine): Bytes {
  const raw = new Uint8Array(8);
  for (const [part, at] of Object.entries(productLine(line).tcbLayout)) raw[at] = tcb[part as SnpTcbPart] ?? 0;
  return raw;
}

/** Whether every part of `a` is at most that of `b`. Two TCBs can be incomparable: they are no single integer. */
export function isTcbAtMost(a: SnpTcb, b: SnpTcb, line: SnpLine): boolean {
  return tcbPartsOf(line).every((part) => (a[part] ?? Number.NaN) <= (b[part] ?? Number.NaN));
}
