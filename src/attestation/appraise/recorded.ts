import {
  type Bytes,
  CodedError,
  canonicalJsonBytes,
  encodeNonceProof,
  fromBase64,
  fromHex,
  fromUtf8,
  type Json,
  parseNonceProof,
  parseStrictJson,
  toBase64,
  toHex,
  type UnixMs,
} from '../../core/index.ts';
import type { ExpectedNonce, KnownBlock } from './binding.ts';

/**
 * What an appraisal was made with beside the evidence, the vendor's collateral and the policy: enough to make it again,
 * years later, at the same instant. Nothing of it is secret.
 * @property judgedAt the `now` of the appraisal
 */
export type RecordedInputs = Readonly<{
  judgedAt: UnixMs;
  policyDigest: Bytes;
  nonce: ExpectedNonce;
  knownBlocks: readonly KnownBlock[];
}>;

const FORMAT = 'chrysalis-appraisal-inputs@v1';
const BYTES_MAX = 64 * 1024;
const BLOCKS_MAX = 64;

/** Canonical JSON: the same inputs always give the same bytes. */
export function encodeRecordedInputs({ judgedAt, policyDigest, nonce, knownBlocks }: RecordedInputs): Bytes {
  return canonicalJsonBytes({
    format: FORMAT,
    judgedAt,
    policyDigest: toHex(policyDigest),
    nonce: { input: toHex(nonce.input), proof: toBase64(encodeNonceProof(nonce.proof)) },
    knownBlocks: knownBlocks.map(({ network, seqno, rootHash, at }) => ({
      network,
      seqno,
      rootHash: toHex(rootHash),
      at,
    })),
  });
}

const malformed = (why: string) => new CodedError('OBJECT_MALFORMED', `recorded appraisal inputs: ${why}`);

function record(value: Json | undefined, fields: readonly string[]): { readonly [field: string]: Json | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('not an object');
  if (Object.keys(value).sort().join() !== [...fields].sort().join()) throw malformed('unknown or absent fields');
  return value as { readonly [field: string]: Json | undefined };
}

function integer(value: Json | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw malformed('not an integer');
  return value;
}

function hash(value: Json | undefined): Bytes {
  if (typeof value !== 'string' || value.length !== 64) throw malformed('not a hash');
  return fromHex(value, 'hash');
}

/** Exact: every field and no other. @throws CodedError OBJECT_MALFORMED, ENCODING_INVALID */
export function parseRecordedInputs(bytes: Uint8Array): RecordedInputs {
  if (bytes.length > BYTES_MAX) throw malformed('too large');
  const value = parseStrictJson(fromUtf8(bytes, 'recorded inputs'), 'recorded inputs');
  const top = record(value, ['format', 'judgedAt', 'policyDigest', 'nonce', 'knownBlocks']);
  if (top.format !== FORMAT) throw malformed('another format');
  const nonce = record(top.nonce, ['input', 'proof']);
  if (typeof nonce.proof !== 'string') throw malformed('nonce proof');
  if (!Array.isArray(top.knownBlocks) || top.knownBlocks.length > BLOCKS_MAX) throw malformed('blocks');
  return {
    judgedAt: integer(top.judgedAt),
    policyDigest: hash(top.policyDigest),
    nonce: { input: hash(nonce.input), proof: parseNonceProof(fromBase64(nonce.proof, 'nonce proof')) },
    knownBlocks: top.knownBlocks.map((item: Json) => {
      const block = record(item, ['network', 'seqno', 'rootHash', 'at']);
      return {
        network: integer(block.network),
        seqno: integer(block.seqno),
        rootHash: hash(block.rootHash),
        at: integer(block.at),
      };
    }),
  };
}
