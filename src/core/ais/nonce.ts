import { type Bytes, concat, u32 } from '../bytes.ts';
import { CodedError } from '../errors.ts';
import { inclusionPath, leafHash, merkleRoot, rootFromInclusion } from '../merkle.ts';
import { labelledDigest } from '../objects.ts';

/** The Merkle tree under which many parties' nonces share one quote (AIS/1 section 3, item 1). */
export const NONCE_LEAVES_MAX = 65_536;

/** A client's leaf input: `H("nonce", hello_digest)`. */
export function clientNonceInput(helloDigest: Uint8Array): Bytes {
  return labelledDigest('nonce', helloDigest);
}

/** A router's leaf input: `H("challenge", 32 random bytes)`. */
export function routerNonceInput(challenge: Uint8Array): Bytes {
  return labelledDigest('challenge', challenge);
}

export type NonceProof = Readonly<{ index: number; size: number; path: readonly Bytes[] }>;

/** Root N and each input's proof, in the order given. @throws CodedError INVARIANT_BROKEN for none or too many */
export function nonceTree(inputs: readonly Uint8Array[]): { root: Bytes; proofs: NonceProof[] } {
  if (inputs.length === 0 || inputs.length > NONCE_LEAVES_MAX) {
    throw new CodedError('INVARIANT_BROKEN', 'a nonce tree has 1 to 65536 leaves', { leaves: inputs.length });
  }
  const leaves = inputs.map(leafHash);
  return {
    root: merkleRoot(leaves),
    proofs: leaves.map((_, index) => ({ index, size: leaves.length, path: inclusionPath(leaves, index) })),
  };
}

/** The root that this input and proof lead to, or null where they cannot belong together. */
export function nonceRoot(input: Uint8Array, proof: NonceProof): Bytes | null {
  if (proof.size > NONCE_LEAVES_MAX) return null;
  return rootFromInclusion(proof.index, proof.size, leafHash(input), proof.path);
}

/** `u32 index ‖ u32 size ‖ path`. */
export function encodeNonceProof(proof: NonceProof): Bytes {
  return concat(u32(proof.index), u32(proof.size), ...proof.path);
}

/** Shape only; {@link nonceRoot} judges length and place. @throws CodedError OBJECT_MALFORMED */
export function parseNonceProof(bytes: Uint8Array): NonceProof {
  const hashes = (bytes.length - 8) / 32;
  if (!Number.isInteger(hashes) || hashes < 0 || hashes > 16) {
    throw new CodedError('OBJECT_MALFORMED', 'nonce proof: wrong length', { length: bytes.length });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    index: view.getUint32(0, false),
    size: view.getUint32(4, false),
    path: Array.from({ length: hashes }, (_, i) => Uint8Array.from(bytes.subarray(8 + 32 * i, 40 + 32 * i))),
  };
}
