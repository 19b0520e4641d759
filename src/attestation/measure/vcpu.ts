import { unsupported } from './image-bytes.ts';

/** Family, model and stepping of QEMU's EPYC models; versions (`-v1` and so on) and `-IBPB` change features alone. */
const MODELS: Readonly<Record<string, readonly [family: number, model: number, stepping: number]>> = {
  EPYC: [23, 1, 2],
  'EPYC-Rome': [23, 49, 0],
  'EPYC-Milan': [25, 1, 1],
  'EPYC-Genoa': [25, 17, 0],
  'EPYC-Turin': [26, 0, 0],
};
export const VCPU_MODELS: readonly string[] = Object.keys(MODELS);

/** CPUID 1 EAX (AMD 25481): families above 15 are 15 and an extended part. */
export function vcpuSignature(family: number, model: number, stepping: number): number {
  const extended = family > 15 ? family - 15 : 0;
  return (extended << 20) | ((model >> 4) << 16) | (Math.min(family, 15) << 8) | ((model & 15) << 4) | stepping;
}

/**
 * What QEMU puts into RDX at reset for `-cpu NAME`: the signature of the virtual model, not of the host's processor.
 * @throws CodedError IMAGE_UNSUPPORTED for a model that is not an EPYC of QEMU's
 */
export function signatureOfModel(name: string): number {
  const [, base = '', , version] = /^(EPYC(-Rome|-Milan|-Genoa|-Turin)?)(-v[1-9]|-IBPB)?$/.exec(name) ?? [];
  const model = MODELS[base];
  if (model === undefined || (version === '-IBPB' && base !== 'EPYC')) {
    throw unsupported('vCPU type', `not one of ${VCPU_MODELS.join(', ')}, with or without a version as -v2`);
  }
  return vcpuSignature(...model);
}
