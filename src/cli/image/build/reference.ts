import { sha256 } from '#crypto';
import {
  kernelHashes,
  mrTd,
  parseTdvf,
  qemuRules,
  registerOf,
  rtmr1Events,
  rtmr2Events,
} from '../../../attestation/index.ts';
import { type Json, toHex } from '../../../core/index.ts';
import { type BuiltImage, VARIANTS, type Variant } from './build.ts';

/** From this version QEMU hands a unified kernel image over as it is, so no register goes by the guest's memory. */
const QEMU = '9.2.1';

const digest = (bytes: Uint8Array) => toHex(sha256(bytes));

/**
 * What is measured of an image, and what leads there: `enclave-images/worker/reference-values.json`. SEV-SNP's launch
 * digest goes by the firmware and the shape of the guest as well, RTMR0 by the shape: `image measure` makes those from
 * the files of the image.
 */
export type ImageReference = Readonly<{
  version: 1;
  node: string;
  /** SHA-256 over the names and contents of what this repository and its packages put into the image. */
  application: string;
  root: Readonly<{ rootHash: string; dataBlocks: number }>;
  model: Readonly<{ rootHash: string; dataBlocks: number }>;
  /** SHA-256 of files that both variants have. */
  files: Readonly<Record<'kernel' | 'initrd' | 'firmware', string>>;
  variants: Readonly<Record<Variant, Json>>;
}>;

export function referenceOf(image: BuiltImage): ImageReference {
  const { definition, kernel, initrd, firmware, root, model, application } = image;
  const rules = qemuRules(QEMU);
  const variantOf = (variant: Variant): Json => {
    const { commandLine, unified } = image.variants[variant];
    const boot = { kind: 'uki', image: unified } as const;
    const hashes = kernelHashes(kernel, initrd, commandLine);
    return {
      commandLine,
      unifiedKernelImage: digest(unified),
      sevSnp: {
        kernelHashes: {
          kernel: toHex(hashes.kernel),
          initrd: toHex(hashes.initrd),
          commandLine: toHex(hashes.commandLine),
        },
      },
      tdx: {
        qemu: `${QEMU} or later, -kernel with the unified kernel image`,
        mrTd: toHex(mrTd(parseTdvf(firmware), rules.pageOrder)),
        rtmr1: toHex(registerOf(rtmr1Events(boot, 0, rules))),
        rtmr2: toHex(registerOf(rtmr2Events(boot))),
      },
    };
  };
  return {
    version: 1,
    node: definition.node,
    application,
    root: { rootHash: root.rootHash, dataBlocks: root.dataBlocks },
    model: { rootHash: model.rootHash, dataBlocks: model.dataBlocks },
    files: { kernel: digest(kernel), initrd: digest(initrd), firmware: digest(firmware) },
    variants: Object.fromEntries(VARIANTS.map((name) => [name, variantOf(name)])) as Record<Variant, Json>,
  };
}

/** Names of the values that differ, as `variants.production.tdx.rtmr2`. */
export function differences(committed: Json, built: Json, at = ''): readonly string[] {
  if (isRecord(committed) && isRecord(built)) {
    const names = [...new Set([...Object.keys(committed), ...Object.keys(built)])].sort();
    return names.flatMap((name) =>
      differences(committed[name] ?? null, built[name] ?? null, at === '' ? name : `${at}.${name}`),
    );
  }
  return JSON.stringify(committed) === JSON.stringify(built) ? [] : [at];
}

function isRecord(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
