import { sha256 } from '#crypto';
import type { Approvers, TrustAnchor } from '../attestation/index.ts';
import { asCodedError, type Bytes, equalBytes, leafHash, toHex, type X509Certificate } from '../core/index.ts';
import { CompactRange, type LogPolicy, type VerifierKey } from '../log/index.ts';
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
import {
  createCheckpointReader,
  type LookAtCheckpoints,
  type Seen,
  type SeenOrNot,
  seenCheckpoint,
} from './checkpoints.ts';
import { type AuditCheck, newTallies, type Tallies } from './checks.ts';
import { verifyEntries } from './entries.ts';
import type { Finding } from './findings.ts';
import type { History } from './history.ts';
import { checkManifestNote } from './manifest-note.ts';
import type { Reappraise } from './reappraise.ts';
import { SideBySide } from './side-by-side.ts';
import { entriesOf, type LogSource, verifyTiles } from './source.ts';
import { rootName } from './timestamp/authority.ts';
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
  /** Roots of authorities that stamp times (RFC 3161); without them who signed a time stamp is not checked. */
  stampRoots?: readonly X509Certificate[];
}>;

/** The newest head that a log's anchor on chain holds. @property address raw, of the contract */
export type AnchoredHead = Readonly<{ address: string; size: number; root: Bytes; at: number }>;

export type AuditDeps = Readonly<{
  reappraise: Reappraise;
  /** What the chain holds, where somebody looks; null where nothing was anchored. The contract takes no tree that does not extend the one before. */
  anchored?: () => Promise<AnchoredHead | null>;
  /** Looks at signatures of checkpoints, where that is to be done elsewhere than here. */
  checkpoints?: LookAtCheckpoints;
  /** Appraisals under way at once. */
  parallel?: number;
  progress?: (stage: AuditStage, done: number, of: number) => void;
}>;
/** What of a bundle is looked at, in this order. */
export type AuditStage = 'checkpoints' | 'tree' | 'entries';

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
  trust: Readonly<{
    logKeys: readonly string[];
    witnesses: readonly string[];
    anchors: readonly string[];
    stampRoots: readonly string[];
  }>;
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
  const seen = await checkKept(files, manifest, trust, deps, tallies);
  const edge = await checkStart(files, manifest, seen, tallies);
  await checkCompleteness(source, { manifest, to, edge, seen }, deps, tallies);
  const { findings, history } = await verifyEntries(
    { source, manifest, seen: to === null ? seen : [...seen, to], trust, deps },
    tallies,
  );
  await verifyTimestamps(files, source, manifest, trust.stampRoots ?? null, tallies.V16);
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
      stampRoots: (trust.stampRoots ?? []).map(rootName),
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

/** V2. */
async function checkNewest(
  source: LogSource,
  { origin, to }: Manifest,
  trust: AuditTrust,
  { V2 }: Tallies,
): Promise<Seen | null> {
  try {
    V2.look();
    const seen = await seenCheckpoint(await source.checkpoint(), trust.policy, origin);
    V2.require(seen.checkpoint.size === to, `the manifest says ${to} entries, the checkpoint ${seen.checkpoint.size}`);
    if (trust.policy.quorum === null) V2.skip('the policy asks for no witness: another history may have been shown');
    return seen;
  } catch (thrown) {
    V2.fail(`log/checkpoint: ${asCodedError(thrown).message}`);
    return null;
  }
}

const CHECKPOINTS_AT_ONCE = 64;

/** The signatures of V5. */
async function checkKept(
  files: BundleFiles,
  { origin }: Manifest,
  { policy }: AuditTrust,
  { checkpoints: look = createCheckpointReader(policy), parallel = 1, progress }: AuditDeps,
  { V5 }: Tallies,
): Promise<readonly Seen[]> {
  const sizes = checkpointSizes(files);
  const found: SeenOrNot[][] = [];
  const underWay = new SideBySide(parallel);
  let done = 0;
  for (let at = 0; at < sizes.length; at += CHECKPOINTS_AT_ONCE) {
    const notes = await Promise.all(
      sizes.slice(at, at + CHECKPOINTS_AT_ONCE).map((size) => files.read(`checkpoints/${size}`)),
    );
    const place = found.push([]) - 1;
    const batch = look(notes, origin).then((answers) => {
      found[place] = [...answers];
      done += answers.length;
      progress?.('checkpoints', done, sizes.length);
    });
    await underWay.add(batch);
  }
  await underWay.settled();
  const seen: Seen[] = [];
  for (const [i, one] of found.flat().entries()) {
    const size = sizes[i] as number;
    V5.look();
    if ('why' in one) V5.fail(`checkpoints/${size}: ${one.why}`);
    else if (one.checkpoint.size === size) seen.push(one);
    else V5.fail(`checkpoints/${size} is of size ${one.checkpoint.size}`);
  }
  return seen;
}

/** V3. */
async function checkStart(
  files: BundleFiles,
  { from }: Manifest,
  seen: readonly Seen[],
  { V3 }: Tallies,
): Promise<CompactRange> {
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
  return edge;
}

type Ranged = Readonly<{ manifest: Manifest; to: Seen | null; edge: CompactRange; seen: readonly Seen[] }>;

/**
 * V4: the leaf hashes of the entries, appended to the right edge, give the signed root, and the tiles are those of these
 * entries. V5: on the way there they give the root of each older checkpoint.
 */
async function checkCompleteness(
  source: LogSource,
  { manifest, to, edge, seen }: Ranged,
  { progress }: AuditDeps,
  { V4, V5 }: Tallies,
): Promise<void> {
  const { from, to: size } = manifest;
  const range = edge.copy();
  let next = 0;
  const compare = () => {
    for (let one = seen[next]; one !== undefined && one.checkpoint.size <= range.size; one = seen[++next]) {
      const holds = one.checkpoint.size === range.size && equalBytes(range.root(), one.checkpoint.root);
      V5.require(holds, `checkpoints/${one.checkpoint.size} is of another tree`);
    }
  };
  try {
    compare();
    for await (const entries of entriesOf(source, from, size, size)) {
      for (const { entry } of entries) {
        range.append(leafHash(entry));
        compare();
      }
      V4.look(entries.length);
      progress?.('tree', range.size - from, size - from);
    }
    V4.require(
      to !== null && equalBytes(range.root(), to.checkpoint.root),
      `the ${size - from} entries do not lead to the signed root of size ${size}`,
    );
    await verifyTiles(source, from, size);
  } catch (thrown) {
    V4.fail(asCodedError(thrown).message);
  }
  for (const { checkpoint } of seen.slice(next)) V5.require(false, `checkpoints/${checkpoint.size} is of another tree`);
}
