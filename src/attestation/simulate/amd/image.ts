import { sha384 } from '#crypto';
import { toHex, utf8 } from '../../../core/index.ts';

/** What a measured image makes a guest report before anything runs in it; hexadecimal, so that it is also JSON. */
export type SimulatedSnpImage = Readonly<{
  name: string;
  /** Launch digest, 48 bytes. */
  measurement: string;
  /** GUEST_POLICY as an integer of 64 bits, 16 digits. */
  guestPolicy: string;
  /** 32 bytes. */
  hostData: string;
  /** 16 bytes each; zero without an ID block. */
  familyId: string;
  imageId: string;
  /** 48 bytes each; zero without an ID block. */
  idKeyDigest: string;
  authorKeyDigest: string;
}>;

/** SMT allowed and the bit that is always one: what hosts launch guests with. */
const GUEST_POLICY = '0000000000030000';

/** Measurements that follow from the image's name alone: two processes, or two releases, get the same ones. */
export function simulatedSnpImage(
  name: string,
  changes: Partial<Omit<SimulatedSnpImage, 'name'>> = {},
): SimulatedSnpImage {
  return {
    name,
    measurement: toHex(sha384(utf8(`chrysalis simulated image\n${name}\nMEASUREMENT`))),
    guestPolicy: GUEST_POLICY,
    hostData: '00'.repeat(32),
    familyId: '00'.repeat(16),
    imageId: '00'.repeat(16),
    idKeyDigest: '00'.repeat(48),
    authorKeyDigest: '00'.repeat(48),
    ...changes,
  };
}

/** The image that `attestation-policies/development-simulated.json` accepts. */
export const DEVELOPMENT_SNP_IMAGE: SimulatedSnpImage = simulatedSnpImage('development');
