import {
  CodedError,
  type ErrorCode,
  type Json,
  leafHash,
  merkleRoot,
  toBase64,
  verifyInclusion,
} from '../../core/index.ts';
import {
  bundleHolding,
  cosignatureTimestamp,
  decideAddCheckpoint,
  isSubtree,
  KEY_TYPE,
  keysOfPolicy,
  type NoteSignature,
  parseBundle,
  parseCheckpoint,
  parseLogPolicy,
  parseLogProof,
  parseTile,
  parseTilePath,
  parseVkey,
  policyHolds,
  requireIndex,
  tilePath,
  verifyCheckpoint,
  verifyConsistency,
  verifyLogProof,
  verifyNote,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from '../../log/index.ts';
import type { Inputs } from './inputs.ts';

/** `value` also with `refused`, where the protocol wants it in both cases. */
export type Outcome = Readonly<{ value: Json; refused?: CodedError }>;
type Operation = (inputs: Inputs) => Outcome | Promise<Outcome>;

const refused = (code: ErrorCode, message: string): CodedError => new CodedError(code, message);
const holds = (proved: boolean): Outcome => {
  if (!proved) throw refused('LOG_PROOF_REFUSED', 'the proof does not hold');
  return { value: null };
};
const named = ({ name, keyId }: NoteSignature) => `${name}+${keyId}`;

/** The questions of log-check-protocol, by their `op`. Each throws what is wrong as a CodedError. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  root(inputs) {
    const given = ['entries', 'leafHashes', 'bundle'].filter((field) => inputs.has(field));
    if (given.length !== 1) throw refused('USAGE_INVALID', 'one of entries, leafHashes, bundle is needed');
    const leaves = leavesOf(inputs, given[0] as string);
    return { value: { size: String(leaves.length), root: toBase64(merkleRoot(leaves)) } };
  },

  inclusion(inputs) {
    const [index, size] = [inputs.size('index'), inputs.size('size')];
    const [leaf, proof, root] = [inputs.bytes('leafHash'), inputs.bytesList('proof'), inputs.bytes('root')];
    requireIndex(index, size);
    return holds(verifyInclusion(index, size, leaf, proof, root));
  },

  consistency(inputs) {
    const [size1, size2] = [inputs.size('size1'), inputs.size('size2')];
    const [root1, root2, proof] = [inputs.bytes('root1'), inputs.bytes('root2'), inputs.bytesList('proof')];
    return holds(verifyConsistency(size1, size2, root1, root2, proof));
  },

  'subtree-inclusion'(inputs) {
    const subtree = { start: inputs.size('start'), end: inputs.size('end') };
    const index = inputs.size('index');
    const [leaf, proof, root] = [inputs.bytes('leafHash'), inputs.bytesList('proof'), inputs.bytes('root')];
    if (!isSubtree(subtree)) throw refused('INDEX_OUT_OF_RANGE', 'the range is no subtree');
    return holds(verifySubtreeInclusion(index, subtree, leaf, proof, root));
  },

  'subtree-consistency'(inputs) {
    const subtree = { start: inputs.size('start'), end: inputs.size('end') };
    const size = inputs.size('size');
    const [root1, root2, proof] = [inputs.bytes('root1'), inputs.bytes('root2'), inputs.bytesList('proof')];
    if (!isSubtree(subtree) || subtree.end > size) throw refused('INDEX_OUT_OF_RANGE', 'the range is no subtree');
    return holds(verifySubtreeConsistency(subtree, size, root1, root2, proof));
  },

  vkey(inputs) {
    const { name, keyId, type } = parseVkey(inputs.text('vkey'));
    return { value: { name, keyId, type } };
  },

  async note(inputs) {
    const { verified, unverified } = await verifyNote(inputs.bytes('note'), inputs.vkeys());
    return { value: { verified: verified.map(named), unverified: unverified.map(named) } };
  },

  async checkpoint(inputs) {
    const origin = inputs.has('origin') ? inputs.text('origin') : undefined;
    const { checkpoint } = inputs.has('body')
      ? { checkpoint: parseCheckpoint(inputs.text('body')) }
      : await verifyCheckpoint(inputs.bytes('note'), inputs.vkeys(), origin);
    if (origin !== undefined && checkpoint.origin !== origin) {
      throw refused('LOG_ORIGIN_MISMATCH', 'the checkpoint is of another log');
    }
    return {
      value: { origin: checkpoint.origin, size: String(checkpoint.size), root: toBase64(checkpoint.root) },
    };
  },

  async cosignature(inputs) {
    if (inputs.has('signature')) {
      const signature = inputs.bytes('signature');
      if (signature.length !== 4 + 8 + 64) throw refused('LOG_NOTE_MALFORMED', 'not an Ed25519 cosignature');
      return { value: { timestamp: String(cosignatureTimestamp(signature.subarray(4))) } };
    }
    const keys = inputs.vkeys();
    if (keys.some(({ type }) => type === KEY_TYPE.ed25519)) {
      throw refused('LOG_KEY_INVALID', 'a key of type 1 makes no cosignatures');
    }
    const { verified } = await verifyCheckpoint(inputs.bytes('note'), keys);
    const cosignatures = verified.map(({ name, keyId, signature }) => ({
      name,
      keyId,
      timestamp: String(cosignatureTimestamp(signature)),
    }));
    return { value: { cosignatures } };
  },

  async 'tlog-proof'(inputs) {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    let proof: string;
    try {
      proof = text.decode(inputs.bytes('proof'));
    } catch (cause) {
      if (cause instanceof CodedError) throw cause;
      throw refused('ENCODING_INVALID', 'proof: not UTF-8');
    }
    const { index, path, extra, checkpoint } = parseLogProof(proof);
    if (inputs.has('vkeys') || inputs.has('entry') || inputs.has('origin')) {
      const verdict = await verifyLogProof(inputs.bytes('entry'), proof, inputs.vkeys(), inputs.text('origin'));
      if (verdict.verdict !== 'verified') throw refusedProof(verdict.checks);
    }
    return {
      value: {
        index: String(index),
        hashes: path.map(toBase64),
        extra: extra === null ? null : toBase64(extra),
        checkpoint: toBase64(checkpoint),
      },
    };
  },

  async policy(inputs) {
    const policy = parseLogPolicy(inputs.text('policy'));
    if (inputs.has('note') && !inputs.isNull('note')) {
      const verified = await verifyCheckpoint(inputs.bytes('note'), keysOfPolicy(policy));
      if (!policyHolds(policy, verified)) throw refused('LOG_SIGNATURE_MISSING', 'the quorum is not met');
    }
    return { value: { quorum: policy.quorum ?? 'none', witnesses: policy.witnesses.size } };
  },

  'tile-path'(inputs) {
    if (inputs.has('path')) {
      const { level, index, width } = parseTilePath(inputs.text('path'));
      return { value: { level: String(level), index: String(index), width: String(width) } };
    }
    if (inputs.has('entry')) {
      return { value: { path: tilePath(bundleHolding(inputs.size('entry'), inputs.size('size'))) } };
    }
    const level = inputs.text('level') === 'entries' ? 'entries' : inputs.size('level');
    return { value: { path: tilePath({ level, index: inputs.size('index'), width: inputs.size('width') }) } };
  },

  async witness(inputs) {
    const log = inputs.record('log');
    const known = { origin: log.text('origin'), keys: log.vkeys() };
    const held = inputs.isNull('state') ? null : inputs.record('state');
    const state = held === null ? null : { size: held.size('size'), root: held.bytes('root') };
    const decision = await decideAddCheckpoint(inputs.bytes('request'), known, state);
    const value = { status: decision.status };
    return decision.status === 200 ? { value } : { value, refused: refused('LOG_PROOF_REFUSED', decision.why) };
  },
};

function leavesOf(inputs: Inputs, field: string) {
  if (field === 'entries') return inputs.bytesList(field).map(leafHash);
  const bytes = inputs.bytes(field);
  if (field === 'leafHashes') return parseTile(bytes, Math.ceil(bytes.length / 32));
  return bytes.length === 0 ? [] : parseBundle(bytes).map(leafHash);
}

function refusedProof(checks: Awaited<ReturnType<typeof verifyLogProof>>['checks']): CodedError {
  const failed = Object.entries(checks).filter(([, { outcome }]) => outcome !== 'passed');
  return refused(
    'LOG_PROOF_REFUSED',
    failed.map(([name, check]) => `${name}: ${'reason' in check ? check.reason : ''}`).join('; '),
  );
}
