import { type Bytes, equalBytes, toHex } from '../../core/index.ts';
import type { NvidiaRim, RimRole } from '../endorsements/index.ts';
import type { DeviceFields, NvidiaArchitecture } from '../evidence/nvidia/index.ts';
import type { GoldenComparison, GoldenMismatch } from './nvidia-types.ts';

/** NVDEC0's state: judged only where that engine is enabled, and on Hopper alone. */
const NVDEC0_INDEX = 35;
/** VBIOS index that changes with driver and VBIOS together. */
const VBIOS_DRIVER_INDEX = 9;

/** Active values a manifest has at least: an emptied one must not pass. */
const ACTIVE_MIN: Readonly<Record<NvidiaArchitecture, Readonly<Record<RimRole, number>>>> = {
  HOPPER: { driver: 20, vbios: 12, switch: Number.POSITIVE_INFINITY },
  BLACKWELL: { driver: 19, vbios: 20, switch: Number.POSITIVE_INFINITY },
  LS10: { driver: Number.POSITIVE_INFINITY, vbios: Number.POSITIVE_INFINITY, switch: 31 },
};

/** Why a manifest cannot judge a device of this architecture, or null. */
export function whyTooFewActive(rim: NvidiaRim, role: RimRole, architecture: NvidiaArchitecture): string | null {
  const active = rim.measurements.filter((one) => one.active).length;
  const least = ACTIVE_MIN[architecture][role];
  return active >= least ? null : `only ${active} active reference values where at least ${least} belong`;
}

/** The first index that two manifests both judge, or null. */
export function conflictingIndex(rims: ReadonlyMap<RimRole, NvidiaRim>): number | null {
  const seen = new Set<number>();
  for (const rim of rims.values()) {
    for (const { index, active } of rim.measurements) {
      if (active && seen.has(index)) return index;
      if (active) seen.add(index);
    }
  }
  return null;
}

/** Compares every active golden value with block `index` + 1; all mismatches are told. */
export function compareGolden(
  runtime: readonly Bytes[],
  rims: ReadonlyMap<RimRole, NvidiaRim>,
  fields: DeviceFields,
  architecture: NvidiaArchitecture,
): GoldenComparison {
  const isNvdecOff = architecture === 'HOPPER' && fields.kind === 'gpu' && fields.nvdec0 === 'disabled';
  const judged = new Set<number>();
  const skipped: number[] = [];
  const mismatched: Omit<GoldenMismatch, 'likelyCause'>[] = [];
  let compared = 0;
  for (const [source, rim] of rims) {
    for (const { index, active, alternatives } of rim.measurements) {
      if (!active) continue;
      judged.add(index);
      if (isNvdecOff && index === NVDEC0_INDEX) {
        skipped.push(index);
        continue;
      }
      compared++;
      const block = runtime[index];
      if (block !== undefined && alternatives.some((golden) => equalBytes(golden, block))) continue;
      mismatched.push({
        index,
        source,
        golden: alternatives.map(toHex),
        runtime: block === undefined ? null : toHex(block),
      });
    }
  }
  const isAlone = mismatched.length === 1;
  return {
    compared,
    matched: compared - mismatched.length,
    skipped,
    mismatched: mismatched
      .sort((a, b) => a.index - b.index)
      .map((one) => ({ ...one, likelyCause: likelyCause(one, isAlone) })),
    notJudged: runtime.map((_, index) => index).filter((index) => !judged.has(index)),
  };
}

function likelyCause({ index, source, runtime }: Omit<GoldenMismatch, 'likelyCause'>, isAlone: boolean): string {
  if (runtime === null) return 'the report has no such measurement';
  if (source === 'vbios' && index === VBIOS_DRIVER_INDEX && isAlone) {
    return 'the VBIOS manifest is older than the driver: fetch the manifest again under the same id';
  }
  if (/^0+$/.test(runtime)) return 'not measured: the GPU may not be in confidential mode';
  if (source === 'driver') return 'another driver build, DevTools mode, or a manifest that was issued anew';
  return 'another firmware build, or a manifest that was issued anew';
}
