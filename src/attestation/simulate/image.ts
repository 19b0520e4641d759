import { sha384 } from '#crypto';
import { type Bytes, toHex, utf8 } from '../../core/index.ts';

/** What a measured image makes a TD report before anything runs in it; hexadecimal, so that it is also JSON. */
export type SimulatedImage = Readonly<{
  name: string;
  /** 48 bytes each. */
  mrTd: string;
  rtmr0: string;
  rtmr1: string;
  rtmr2: string;
  mrConfigId: string;
  mrOwner: string;
  mrOwnerConfig: string;
  mrServiceTd: string;
  /** TDATTRIBUTES, 8 bytes, little-endian (Intel TDX module specification). */
  tdAttributes: string;
  xfam: string;
}>;

const ZERO_MEASUREMENT = '00'.repeat(48);
/** SEPT_VE_DISABLE alone. */
const SEPT_VE_DISABLE = '0000001000000000';
/** x87, SSE, AVX, AVX-512, AMX: what hosts of this generation give. */
const XFAM = 'e702060000000000';

/** Measurements that follow from the image's name alone: two processes, or two releases, get the same ones. */
export function simulatedImage(name: string, changes: Partial<Omit<SimulatedImage, 'name'>> = {}): SimulatedImage {
  const measurement = (register: string) => toHex(sha384(utf8(`chrysalis simulated image\n${name}\n${register}`)));
  return {
    name,
    mrTd: measurement('MRTD'),
    rtmr0: measurement('RTMR0'),
    rtmr1: measurement('RTMR1'),
    rtmr2: measurement('RTMR2'),
    mrConfigId: ZERO_MEASUREMENT,
    mrOwner: ZERO_MEASUREMENT,
    mrOwnerConfig: ZERO_MEASUREMENT,
    mrServiceTd: ZERO_MEASUREMENT,
    tdAttributes: SEPT_VE_DISABLE,
    xfam: XFAM,
    ...changes,
  };
}

/** The image that `attestation-policies/development-simulated.json` accepts. */
export const DEVELOPMENT_IMAGE: SimulatedImage = simulatedImage('development');

/** SHA-384 over a domain of the simulator's own, for values that only have to be fixed. */
export function simulatedMeasurement(what: string): Bytes {
  return sha384(utf8(`chrysalis simulator\n${what}`));
}
