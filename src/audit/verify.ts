import { sha256 } from '#crypto';
import type { Approvers, TrustAnchor } from '../attestation/index.ts';
import { asCodedError, type Bytes, CodedError, equalBytes, leafHash, merkleRoot, toHex } from '../core/index.ts';
import {
  type Checkpoint,
  CompactRange,
  keysOfPolicy,
  type LogPolicy,
  policyHolds,
  rootFromTiles,
  type VerifierKey,
  verifyCheckpoint,
} from '../log/index.ts';
import {
  type BundleFiles,
  bundleSource,
  checkpointSizes,
  MANIFEST,
  MANIFEST_NOTE,
  type Manifest,
  parseManifest,
  parseRange,
  RANGE,
} from './bundle.ts';
import { type AuditCheck, newTallies, type Tallies } from './checks.ts';
import { verifyEntries } from './entries.ts';
import { witnessTime } from './export.ts';
import type { Finding } from './findings.ts';
import type { History } from './history.ts';
import { checkManifestNote } from './manifest-note.ts';
import type { Reappraise } from './reappraise.ts';
import { entriesOf, type LogSource, mustTile, verifyTiles } from './source.ts';
import { verifyTimestamps } from './timestamps.ts';

/** What the auditor brings; nothing of it comes from the bundle. */
export type AuditTrust = Readonly<{
  policy: LogPolicy;
  anchors: readonly TrustAnchor[];
  /** People who may approve policies; without them approvals are not checked. */
  approvers: Approvers | null;
  /** Keys with which entries may be signed, by name; without them signatures of entries are not checked. */
  signers: Approvers | null;
  /** Keys of those who may make bundles; where any are given, one of them must have signed for the manifest. */
  exporters?: readonly VerifierKey[];
}>;

/** The newest head that a log's anchor on chain holds. @property address raw, of the contract */
export type AnchoredHead = Readonly<{ address: string; size: number; root: Bytes; at: number }>;

export type AuditDeps = Readonly<{
  reappraise: Reappraise;
  /** What the chain holds, where somebody looks; null where nothing was anchored. The contract takes no tree that does not extend the one before. */
  anchored?: () => Promise<AnchoredHead | null>;
  /** Appraisals under way at once. */
  parallel?: number;
  progress?: (done: number, of: number) => void;
}>;

/** A checkpoint that the quorum cosigned. @property witnessedAt seconds */
export type Seen = Readonly<{ checkpoint: Checkpoint; witnessedAt: number }>;

export type AuditReport = Readonly<{
  /** `verified`: all passed; `incomplete`: none failed, but one that should have been made could not be. */
  verdict: 'verified' | 'refused' | 'incomplete';
  origin: string;
  from: number;
  to: number;
  root: string;
  /** Seconds at which the newest checkpoint was cosigned; 0 without witnesses. */
  witnessedAt: number;
  made: Manifest['made'];
  manifestSha256: string;
  checks: readonly AuditCheck[];
  findings: readonly Finding[];
  counts: Readonly<Record<string, number>>;
  /** Digests of what the auditor brought. */
  trust: Readonly<{ logKeys: readonly string[]; witnesses: readonly string[]; anchors: readonly string[] }>;
}>;
export type Audited = Readonly<{ report: AuditReport; history: History; source: LogSource }>;

/**
 * Verifies a bundle from nothing but its files and what the auditor brings: no network, no clock.
 * @throws CodedError BUNDLE_MALFORMED, BUNDLE_TOO_LARGE, LOG_* where it is so broken that no check can be told from another
 */
export async function verifyBundle(files: BundleFiles, trust: AuditTrust, deps: AuditDeps): Promise<Audited> {
  const tallies = newTallies();
  const { manifest, manifestSha256 } = await readManifest(files);
  checkFiles(files, manifest, tallies);
  await checkManifestNote(files, manifest, trust.exporters, tallies.V1);
  const source = bundleSource(files);
  const to = await checkNewest(source, manifest, trust, tallies);
  const { edge, seen } = await checkRange(files, manifest, trust, tallies);
  await checkCompleteness(source, { manifest, to, edge, seen }, tallies);
  const { findings, history } = await verifyEntries(
    { source, manifest, seen: to === null ? seen : [...seen, to], trust, deps },
    tallies,
  );
  await verifyTimestamps(files, tallies.V16);
  const checks = Object.values(tallies).map((tally) => tally.result());
  const report: AuditReport = {
    verdict: verdictOf(checks),
    origin: manifest.origin,
    from: manifest.from,
    to: manifest.to,
    root: to === null ? '' : toHex(to.checkpoint.root),
    witnessedAt: to?.witnessedAt ?? 0,
    made: manifest.made,
    manifestSha256,
    checks,
    findings,
    counts: Object.fromEntries([...history.counts].sort()),
    trust: {
      logKeys: trust.policy.logs.map(({ key }) => `${key.name}+${key.keyId}`),
      witnesses: [...trust.policy.witnesses.values()].map(({ key }) => `${key.name}+${key.keyId}`),
      anchors: trust.anchors.map(({ name, kind, spkiSha256 }) => `${name} (${kind}) ${toHex(spkiSha256)}`),
    },
  };
  return { report, history, source };
}

async function readManifest(files: BundleFiles): Promise<Readonly<{ manifest: Manifest; manifestSha256: string }>> {
  const bytes = await files.read(MANIFEST);
  return { manifest: parseManifest(bytes), manifestSha256: toHex(sha256(bytes)) };
}

function verdictOf(checks: readonly AuditCheck[]): AuditReport['verdict'] {
  if (checks.some(({ outcome }) => outcome === 'failed')) return 'refused';
  return checks.some(({ outcome }) => outcome === 'notChecked') ? 'incomplete' : 'verified';
}

/** V1: the manifest lists every file but itself, once, with its size and digest. */
function checkFiles(files: BundleFiles, manifest: Manifest, { V1 }: Tallies): void {
  const listed = new Set<string>([MANIFEST, MANIFEST_NOTE]);
  for (const { path, bytes, sha256: hash } of manifest.files) {
    const there = files.list.get(path);
    if (listed.has(path)) V1.fail(`${path} is listed twice`);
    listed.add(path);
    V1.require(there !== undefined, `${path} is listed and not there`);
    if (there !== undefined && (there.bytes !== bytes || there.sha256 !== hash)) V1.fail(`${path} was altered`);
  }
  for (const path of files.list.keys()) V1.require(listed.has(path), `${path} is not in the manifest`);
}

async function witnessed(note: Bytes, { policy }: AuditTrust, origin: string): Promise<Seen> {
  const verified = await verifyCheckpoint(note, keysOfPolicy(policy), origin);
  if (!policyHolds(policy, verified)) throw new CodedError('LOG_NOT_WITNESSED', 'the quorum has not cosigned it');
  return { checkpoint: verified.checkpoint, witnessedAt: witnessTime(verified, policy) };
}

/** V2. */
async function checkNewest(
  source: LogSource,
  { origin, to }: Manifest,
  trust: AuditTrust,
  { V2 }: Tallies,
): Promise<Seen | null> {
  try {
    V2.look();
    const seen = await witnessed(await source.checkpoint(), trust, origin);
    V2.require(seen.checkpoint.size === to, `the manifest says ${to} entries, the checkpoint ${seen.checkpoint.size}`);
    if (trust.policy.quorum === null) V2.skip('the policy asks for no witness: another history may have been shown');
    return seen;
  } catch (thrown) {
    V2.fail(`log/checkpoint: ${asCodedError(thrown).message}`);
    return null;
  }
}

/** V3, and the signatures of V5. */
async function checkRange(
  files: BundleFiles,
  { origin, from }: Manifest,
  trust: AuditTrust,
  { V3, V5 }: Tallies,
): Promise<{ edge: CompactRange; seen: readonly Seen[] }> {
  const seen: Seen[] = [];
  for (const size of checkpointSizes(files)) {
    V5.look();
    try {
      const one = await witnessed(await files.read(`checkpoints/${size}`), trust, origin);
      if (one.checkpoint.size === size) seen.push(one);
      else V5.fail(`checkpoints/${size} is of size ${one.checkpoint.size}`);
    } catch (thrown) {
      V5.fail(`checkpoints/${size}: ${asCodedError(thrown).message}`);
    }
  }
  const range = parseRange(await files.read(RANGE));
  const edge = new CompactRange(range.size, range.hashes);
  if (range.size !== from) V3.fail(`the range starts at ${range.size}, the manifest says ${from}`);
  if (from > 0) {
    const start = seen.find(({ checkpoint }) => checkpoint.size === from);
    V3.require(start !== undefined, `no cosigned checkpoint of size ${from}`);
    if (start !== undefined && !equalBytes(edge.root(), start.checkpoint.root)) {
      V3.fail('the right edge does not hash to the root of its checkpoint');
    }
  }
  return { edge, seen };
}

type Ranged = Readonly<{ manifest: Manifest; to: Seen | null; edge: CompactRange; seen: readonly Seen[] }>;

/** V4: the leaf hashes of the entries, appended to the right edge, give the signed root. V5: so do the older roots. */
async function checkCompleteness(
  source: LogSource,
  { manifest, to, edge, seen }: Ranged,
  { V4, V5 }: Tallies,
): Promise<void> {
  const { from, to: size } = manifest;
  const roots = new Map<number, Bytes>();
  try {
    await verifyTiles(source, from, size);
    const range = edge.copy();
    for await (const entries of entriesOf(source, from, size, size)) {
      for (const { entry } of entries) range.append(leafHash(entry));
      V4.look(entries.length);
    }
    V4.require(
      to !== null && equalBytes(range.root(), to.checkpoint.root),
      `the ${size - from} entries do not lead to the signed root of size ${size}`,
    );
    for (const { checkpoint } of seen) {
      const read = (tile: Parameters<LogSource['tile']>[0]) => mustTile(source, tile);
      if (checkpoint.size < from || checkpoint.size > size) continue;
      roots.set(
        checkpoint.size,
        checkpoint.size === 0 ? merkleRoot([]) : await rootFromTiles(checkpoint.size, read, size),
      );
    }
  } catch (thrown) {
    V4.fail(asCodedError(thrown).message);
  }
  for (const { checkpoint } of seen) {
    const root = roots.get(checkpoint.size);
    V5.require(
      root !== undefined && equalBytes(root, checkpoint.root),
      `checkpoints/${checkpoint.size} is of another tree`,
    );
  }
}
