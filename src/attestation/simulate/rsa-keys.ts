import * as crypto from 'node:crypto';
import { promisify } from 'node:util';
import { sha256 } from '#crypto';
import { type Bytes, fromBase64, toBase64 } from '../../core/index.ts';

const generateKeyPair = promisify(crypto.generateKeyPair);

/** An RSA-4096 key of a simulated vendor. */
export type SimulatedRsaKey = Readonly<{
  /** SubjectPublicKeyInfo, DER. */
  spki: Bytes;
  /** First 20 bytes of SHA-256 over it (RFC 7093 section 2, method 4). */
  keyIdentifier: Bytes;
  /** RSASSA-PSS, MGF1 over the same hash, 512 bytes. */
  signPss: (message: Uint8Array, hash: 'sha256' | 'sha384', saltBytes: number) => Bytes;
}>;

/** A new key as PKCS #8, DER in base64. Node's own randomness: it takes no other, and seconds; so keys are kept. */
export async function generateRsaKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('rsa', { modulusLength: 4096 });
  return toBase64(Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' })));
}

/** @throws CodedError ENCODING_INVALID */
export function openRsaKey(pkcs8: string): SimulatedRsaKey {
  const der = Buffer.from(fromBase64(pkcs8, 'privateKey'));
  const key = crypto.createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
  const spki = Uint8Array.from(crypto.createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
  return {
    spki,
    keyIdentifier: sha256(spki).slice(0, 20),
    signPss: (message, hash, saltLength) => Uint8Array.from(crypto.sign(hash, message, { key, padding, saltLength })),
  };
}
