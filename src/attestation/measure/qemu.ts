import { CodedError } from '../../core/index.ts';
import type { PageOrder } from './mrtd.ts';

/** What a version of QEMU does to a TD that its measurements show. */
export type QemuRules = Readonly<{ pageOrder: PageOrder; patchesKernel: boolean }>;

/**
 * @param version as `qemu-system-x86_64 --version` says it, `9.2.1` or `10.2`
 * @throws CodedError USAGE_INVALID
 * @see docs/measurements.md
 */
export function qemuRules(version: string): QemuRules {
  const [, major, minor] = /^(\d{1,2})\.(\d{1,3})(?:\.\d{1,3})?$/.exec(version) ?? [];
  if (major === undefined || Number(major) < 8) {
    throw new CodedError('USAGE_INVALID', 'the version of QEMU is 8.0 or later, written as 9.2.1');
  }
  const number = Number(major) * 1000 + Number(minor);
  return { pageOrder: number < 9_000 ? 'two-pass' : 'interleaved', patchesKernel: number < 10_002 };
}
