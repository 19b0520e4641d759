import { ed25519Sign, type MlDsaKey, mlDsa44Sign, type SigningKey } from '#crypto';
import { concat, type UnixSeconds, u64 } from '../core/index.ts';
import {
  cosignedMessage,
  cosignedSubtree,
  formatSignatureLine,
  KEY_TYPE,
  type VerifierKey,
  verifierKey,
} from './note.ts';

/** Someone who says: at this time, this is the largest tree of the log that I have seen, and it extends all others. */
export type Cosigner = Readonly<{
  key: VerifierKey;
  /** One signature line, with its newline, over a checkpoint's body. */
  cosign(checkpointBody: string, at: UnixSeconds): Promise<string>;
}>;

/** Ed25519 (type 0x04). The message does not name the cosigner: no key may serve two. */
export function ed25519Cosigner(name: string, signer: SigningKey): Cosigner {
  const key = verifierKey(name, KEY_TYPE.cosignature, signer.publicKey);
  return {
    key,
    async cosign(checkpointBody, at) {
      const signature = await ed25519Sign(signer, cosignedMessage(at, checkpointBody));
      return formatSignatureLine(key, concat(u64(at), signature));
    },
  };
}

/** ML-DSA-44 (type 0x06), which a quantum computer cannot forge; a line of 3.3 kB. */
export function mlDsaCosigner(name: string, signer: MlDsaKey): Cosigner {
  const key = verifierKey(name, KEY_TYPE.mlDsaCosignature, signer.publicKey);
  return {
    key,
    async cosign(checkpointBody, at) {
      const signature = await mlDsa44Sign(signer, cosignedSubtree(name, at, checkpointBody));
      return formatSignatureLine(key, concat(u64(at), signature));
    },
  };
}
