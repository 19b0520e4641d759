import { CodedError } from '../../core/index.ts';
import type { PageOrder } from './mrtd.ts';

/** What a version of QEMU does to a TD that its measurements show. */
export type QemuRules = Readonly<{
  pageOrder: PageOrder;
  /** Whose header it fills in: that of all files after `-kernel`, of Linux kernels alone, or none. */
  patchesKernel: 'all' | 'linux' | 'none';
}>;

/** First releases of each branch that leave alone what is no Linux kernel; 10.0 and later all do. */
const LINUX_ALONE: Readonly<Record<string, number>> = { '8.2': 9, '9.2': 1 };

/**
 * @param version as `qemu-system-x86_64 --version` says it, `9.2.1` or `10.2`
 * @throws CodedError USAGE_INVALID
 * @see docs/measurements.md
 */
export function qemuRules(version: string): QemuRules {
  const [, major, minor, patch = '0'] = /^(\d{1,2})\.(\d{1,3})(?:\.(\d{1,3}))?$/.exec(version) ?? [];
  if (major === undefined || Number(major) < 8) {
    throw new CodedError('USAGE_INVALID', 'the version of QEMU is 8.0 or later, written as 9.2.1');
  }
  const number = Number(major) * 1000 + Number(minor);
  const pageOrder = number < 9_000 ? 'two-pass' : 'interleaved';
  if (number >= 10_002) return { pageOrder, patchesKernel: 'none' };
  const linuxAlone =
    number >= 10_000 || Number(patch) >= (LINUX_ALONE[`${Number(major)}.${Number(minor)}`] ?? Infinity);
  return { pageOrder, patchesKernel: linuxAlone ? 'linux' : 'all' };
}
