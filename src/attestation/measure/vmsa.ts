import type { Bytes } from '../../core/index.ts';
import { PAGE_BYTES } from './image-bytes.ts';

/** Who writes the registers with which a vCPU starts. */
export const VMMS = ['qemu', 'ec2', 'gce'] as const;
export type Vmm = (typeof VMMS)[number];

type Profile = Readonly<{
  csOfFirst: number;
  cs: number;
  ss: number;
  tr: number;
  /** Null: the vCPU's signature. */
  rdx: number | null;
  mxcsr: number;
  fcw: number;
  pat: bigint;
}>;

const PAT_RESET = 0x0007040600070406n;
const PROFILES: Readonly<Record<Vmm, Profile>> = {
  qemu: { csOfFirst: 0x9b, cs: 0x9b, ss: 0x93, tr: 0x8b, rdx: null, mxcsr: 0x1f80, fcw: 0x37f, pat: PAT_RESET },
  ec2: { csOfFirst: 0x9a, cs: 0x9b, ss: 0x92, tr: 0x83, rdx: 0x600, mxcsr: 0, fcw: 0, pat: PAT_RESET },
  gce: { csOfFirst: 0x9b, cs: 0x9b, ss: 0x93, tr: 0x8b, rdx: 0x600, mxcsr: 0, fcw: 0, pat: 0x00070106n },
};

/** EIP of the first vCPU: the x86 reset vector. */
export const RESET_EIP = 0xffff_fff0;

export type VmsaInput = Readonly<{
  vmm: Vmm;
  eip: number;
  isFirst: boolean;
  signature: number;
  /** SEV_FEATURES of the guest: bit 0 SNP, bit 5 debug swap. */
  features: bigint;
}>;

/**
 * The VMSA page of a vCPU at reset (AMD 24593, table B-4), 4096 bytes.
 * @see docs/measurements.md
 */
export function vmsaPage({ vmm, eip, isFirst, signature, features }: VmsaInput): Bytes {
  const profile = PROFILES[vmm];
  const page = new DataView(new ArrayBuffer(PAGE_BYTES));
  const segment = (at: number, selector: number, attributes: number, limit: number, base: number) => {
    page.setUint16(at, selector, true);
    page.setUint16(at + 2, attributes, true);
    page.setUint32(at + 4, limit, true);
    page.setBigUint64(at + 8, BigInt(base), true);
  };
  const u64 = (at: number, value: number | bigint) => page.setBigUint64(at, BigInt(value), true);
  const csBase = Math.floor(eip / 0x10000) * 0x10000;
  segment(0x00, 0, 0x93, 0xffff, 0); // ES
  segment(0x10, 0xf000, isFirst ? profile.csOfFirst : profile.cs, 0xffff, csBase); // CS
  segment(0x20, 0, profile.ss, 0xffff, 0); // SS
  for (const at of [0x30, 0x40, 0x50]) segment(at, 0, 0x93, 0xffff, 0); // DS, FS, GS
  segment(0x60, 0, 0, 0xffff, 0); // GDTR
  segment(0x70, 0, 0x82, 0xffff, 0); // LDTR
  segment(0x80, 0, 0, 0xffff, 0); // IDTR
  segment(0x90, 0, profile.tr, 0xffff, 0); // TR
  u64(0xd0, 0x1000); // EFER: SVME
  u64(0x148, 0x40); // CR4: MCE
  u64(0x158, 0x10); // CR0: ET
  u64(0x160, 0x400); // DR7
  u64(0x168, 0xffff0ff0); // DR6
  u64(0x170, 2); // RFLAGS
  u64(0x178, eip % 0x10000); // RIP
  u64(0x268, profile.pat); // G_PAT
  u64(0x310, profile.rdx ?? signature); // RDX
  u64(0x3b0, features); // SEV_FEATURES
  u64(0x3e8, 1); // XCR0
  page.setUint32(0x408, profile.mxcsr, true);
  page.setUint16(0x410, profile.fcw, true);
  return new Uint8Array(page.buffer);
}
