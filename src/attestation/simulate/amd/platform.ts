import { type ParsedSnpReport, type SnpLine, type SnpTcb, tcbPartsOf } from '../../evidence/snp/index.ts';

type SimulatedLine = Readonly<{
  /** First byte of the serial numbers of the line's CAs: AMD counts its lines there. */
  serial: number;
  /** Those of Milan carry a stepping. */
  vcekProductName: string;
  cpuid: NonNullable<ParsedSnpReport['cpuid']>;
  /** What a good host of this line runs. */
  tcb: SnpTcb;
  firmware: ParsedSnpReport['current'];
  /** LAUNCH_MIT_VECTOR and CURRENT_MIT_VECTOR of a version 5 report. */
  mitigations: bigint;
}>;

/** One host of each product line, with the numbers that current ones report. */
export const SIMULATED_LINES: Readonly<Record<SnpLine, SimulatedLine>> = {
  Milan: {
    serial: 1,
    vcekProductName: 'Milan-B0',
    cpuid: { family: 0x19, model: 0x01, stepping: 1 },
    tcb: { bootloader: 4, tee: 0, snp: 27, microcode: 222 },
    firmware: { major: 1, minor: 55, build: 35 },
    mitigations: 0x0bn,
  },
  Genoa: {
    serial: 2,
    vcekProductName: 'Genoa',
    cpuid: { family: 0x19, model: 0x11, stepping: 1 },
    tcb: { bootloader: 10, tee: 0, snp: 27, microcode: 88 },
    firmware: { major: 1, minor: 55, build: 49 },
    mitigations: 0x0bn,
  },
  Turin: {
    serial: 3,
    vcekProductName: 'Turin',
    cpuid: { family: 0x1a, model: 0x02, stepping: 1 },
    tcb: { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 },
    firmware: { major: 1, minor: 55, build: 65 },
    mitigations: 0x3fn,
  },
};

/** A line's TCB with some parts changed; parts that the line lacks are left out. */
export function tcbOf(line: SnpLine, changes: SnpTcb = {}): SnpTcb {
  const all: SnpTcb = { ...SIMULATED_LINES[line].tcb, ...changes };
  return Object.fromEntries(tcbPartsOf(line).map((part) => [part, all[part]]));
}
