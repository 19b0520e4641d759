import { ed25519Key, ed25519Sign, type SigningKey, sha256 } from '#crypto';
import {
  appraise,
  earDigest,
  earOf,
  encodeRecordedInputs,
  loadPolicy,
  type PolicyImage,
  policyDigest,
  policyImages,
  trustUnder,
  VERIFIER_VERSION,
} from '../../src/attestation/index.ts';
import {
  type AuditDeps,
  type AuditTrust,
  createReappraiser,
  type ExportOptions,
  exportInMemory,
  type LogSource,
  LogState,
  verifyBundle,
} from '../../src/audit/index.ts';
import {
  type Bytes,
  canonicalJsonBytes,
  concat,
  leafHash,
  merkleRoot,
  toHex,
  type UnixMs,
  utf8,
} from '../../src/core/index.ts';
import {
  checkpointMessage,
  type Digest,
  ed25519Cosigner,
  encodeLeaf,
  encodeSessionRecords,
  formatCheckpoint,
  formatNote,
  formatSignatureLine,
  formatVkey,
  KEY_TYPE,
  type Leaf,
  type LeafDraft,
  type LeafType,
  type LogPolicy,
  leafSignedBytes,
  parseLeaf,
  parseLogPolicy,
  type SessionRecord,
  sessionRoot,
  sessionTenant,
  tilePath,
  verifierKey,
} from '../../src/log/index.ts';
import { GrowingTree } from '../../src/log/writer/growing-tree.ts';
import {
  block,
  developmentText,
  evidence,
  intel,
  NOW,
  nonce,
  type SceneOptions,
} from '../attestation/appraise/scene.ts';
import { filesOf } from './pack.ts';

export { developmentText, intel, NOW };
export const ORIGIN = 'audit.test/log';
export const logSigner = ed25519Key(new Uint8Array(32).fill(1));
const logKey = verifierKey(ORIGIN, KEY_TYPE.ed25519, logSigner.publicKey);
export const witness = ed25519Cosigner('audit.test/witness', ed25519Key(new Uint8Array(32).fill(2)));
export const policyText = `log ${formatVkey(logKey)}\nwitness w ${formatVkey(witness.key)}\nquorum w\n`;
export const logPolicy: LogPolicy = parseLogPolicy(policyText);
export const digestOf = (bytes: Uint8Array): Digest => `sha256:${toHex(sha256(bytes))}`;
const SECOND = 1000;
const exporterSigner = ed25519Key(new Uint8Array(32).fill(12));
export const exporter = {
  key: verifierKey('audit.test/exporter', KEY_TYPE.ed25519, exporterSigner.publicKey),
  signer: exporterSigner,
};
export const SESSION_SECRET = new Uint8Array(32).fill(4);
export const CHANNEL = '0:cc';

export const trust: AuditTrust = { policy: logPolicy, anchors: [intel.trustAnchor], approvers: null, signers: null };

type Draft = Omit<LeafDraft, 'src' | 'subject' | 'type' | 'body'> & {
  type: LeafType | string;
  src?: string;
  subject?: string;
  body: Record<string, unknown>;
  v?: number;
  signWith?: readonly (readonly [string, SigningKey])[];
};

/** A log in memory whose every entry, file and checkpoint a test may get wrong. */
export class Scene {
  tree = GrowingTree.empty();
  readonly entries: Bytes[] = [];
  readonly tiles = new Map<string, Bytes>();
  readonly blobs = new Map<Digest, Bytes>();
  readonly kept = new Map<number, Bytes>();
  newest: Bytes = new Uint8Array(0);
  at: UnixMs = NOW;
  readonly #last = new Map<string, number>();

  blob(bytes: Uint8Array): Digest {
    this.blobs.set(digestOf(bytes), Uint8Array.from(bytes));
    return digestOf(bytes);
  }

  /** Appends an entry a second later; `prev` is right unless given. */
  async add({ signWith, ...draft }: Draft): Promise<number> {
    this.at += SECOND;
    const { src = 'router-test', subject = 'log' } = draft;
    const leaf = {
      v: 1,
      at: this.at,
      prev: this.#last.get(subject) ?? null,
      blobs: [],
      sig: [],
      ...draft,
      src,
      subject,
    } as unknown as Leaf;
    const sig = await Promise.all(
      (signWith ?? []).map(async ([key, signer]) => {
        const s = Buffer.from(await ed25519Sign(signer, leafSignedBytes(leaf))).toString('base64');
        return { key, alg: 'ed25519', s } as const;
      }),
    );
    const whole = { ...leaf, sig: [...leaf.sig, ...sig] };
    const known = draft.v === undefined && draft.type in KNOWN;
    return this.raw(known ? encodeLeaf(whole) : canonicalJsonBytes(whole as never), subject);
  }

  raw(entry: Bytes, subject = 'log'): number {
    const growth = this.tree.grow([entry]);
    for (const { path, bytes } of growth.files) this.tiles.set(path, Uint8Array.from(bytes));
    this.tree = growth.tree;
    return this.remember(entry, subject);
  }

  protected remember(entry: Bytes, subject: string): number {
    this.#last.set(subject, this.entries.length);
    return this.entries.push(entry) - 1;
  }

  /** Signs and cosigns the tree as it is. */
  async checkpoint(
    options: { signer?: SigningKey; cosigned?: boolean; at?: UnixMs; root?: Bytes } = {},
  ): Promise<Bytes> {
    const { signer = logSigner, cosigned = true, at = this.at, root = this.tree.root() } = options;
    const checkpoint = { origin: ORIGIN, size: this.tree.size, root, extensions: [] };
    const body = formatCheckpoint(checkpoint);
    const signature = await ed25519Sign(signer, checkpointMessage(checkpoint));
    const lines = [formatSignatureLine(logKey, signature)];
    if (cosigned) lines.push(await witness.cosign(body, Math.floor(at / 1000)));
    this.newest = formatNote(body, lines);
    this.kept.set(this.tree.size, this.newest);
    return this.newest;
  }

  source(): LogSource {
    const sizes = () => [...this.kept.keys()].sort((a, b) => a - b);
    return {
      checkpoint: async () => this.newest,
      covering: async (index) => this.kept.get(sizes().find((size) => size > index) ?? -1) ?? null,
      tile: async (tile) => this.tiles.get(tilePath(tile)) ?? null,
      blob: async (digest) => this.blobs.get(digest) ?? null,
    };
  }

  bundle(from = 0, more: Partial<ExportOptions> = {}): Promise<Bytes> {
    const made = { policy: logPolicy, from, by: 'tests', purpose: 'test', tool: 'tests' };
    return exportInMemory(this.source(), { ...made, ...more });
  }

  open(): Promise<number> {
    return this.add({ type: 'log-opened', body: { origin: ORIGIN, vkeys: [formatVkey(logKey)], predecessor: null } });
  }

  async publish(text = developmentText, more: Record<string, unknown> = {}, blobs: Digest[] = []): Promise<Digest> {
    const policy = loadPolicy(text);
    const digest = `sha256:${toHex(policyDigest(policy))}` as const;
    await this.add({
      type: 'policy-published',
      subject: `policy:${policy.id}`,
      blobs: [this.blob(utf8(text)), ...blobs],
      body: {
        policyDigest: digest,
        number: policy.number,
        replaces: null,
        effectiveFromIndex: null,
        reason: 'tests',
        ...more,
      },
    });
    for (const image of policyImages(policy)) await this.register(image, digest);
    return digest;
  }

  register(
    { tee, name, version, measurements }: PolicyImage,
    policyDigest: string,
    changes: Record<string, unknown> = {},
  ): Promise<number> {
    const body = { name, version, measurements, policyDigest, ...changes };
    return this.add({ type: 'image-registered', subject: `image:${tee}:${version}`, body });
  }

  /** Judges evidence as a router does, and logs the verdict; with `unchanged` among the changes, as attested again. */
  async admit(
    scene: SceneOptions = {},
    changes: Record<string, unknown> = {},
    text = developmentText,
    bundle = evidence(scene),
  ): Promise<number> {
    const policy = loadPolicy(text);
    const collateral = intel.collateral(Math.floor(this.at / 1000));
    const { loadVendorEndorsements } = await import('../../src/attestation/index.ts');
    const collateralText = JSON.stringify(collateral);
    const judgedAt = this.at;
    const appraisal = await appraise({
      ...trustUnder(policy, [intel.trustAnchor]),
      bundle,
      endorsements: await loadVendorEndorsements('tdx', collateralText, [intel.trustAnchor]),
      now: judgedAt,
      expectedNonce: nonce,
      knownBlocks: [block],
    });
    const inputs = encodeRecordedInputs({ judgedAt, policyDigest: policyDigest(policy), nonce, knownBlocks: [block] });
    const [evidenceBlob, collateralBlob, inputsBlob] = [bundle, utf8(collateralText), inputs].map((one) =>
      this.blob(one),
    );
    const hex = (bytes: Uint8Array) => `sha256:${toHex(bytes)}`;
    const affirming = appraisal.status === 'affirming';
    return this.add({
      type: !affirming ? 'worker-rejected' : 'unchanged' in changes ? 're-attested' : 'worker-admitted',
      subject: `worker:${toHex(appraisal.workerId)}`,
      blobs: [...new Set([evidenceBlob!, collateralBlob!, inputsBlob!])],
      body: {
        workerKey: hex(appraisal.workerId),
        platform: 'tdx+simulated',
        policyNumber: policy.number,
        policyDigest: hex(policyDigest(policy)),
        verdict: appraisal.status,
        judgedAt,
        verifierVersion: VERIFIER_VERSION,
        result: hex(earDigest(earOf(appraisal, policy, judgedAt))),
        evidence: hex(appraisal.evidenceDigest),
        model: hex(appraisal.modelDigest),
        measurements: hex(appraisal.measurementsDigest),
        tcbStatus: appraisal.tcbStatus,
        image: appraisal.image,
        evidenceBlob,
        collateralBlob,
        inputsBlob,
        ...(affirming ? { leaseUntil: judgedAt + 600_000 } : { failedChecks: [...appraisal.because] }),
        ...changes,
      },
    });
  }

  async batch(count = 3, changes: Record<string, unknown> = {}): Promise<number> {
    const digests = Array.from({ length: count }, (_, i) => sha256(utf8(`receipt ${this.entries.length} ${i}`)));
    const root = `sha256:${toHex(merkleRoot(digests.map(leafHash)))}`;
    const blobs = [this.blob(concat(...digests))];
    return this.add({
      type: 'receipt-batch',
      subject: 'receipts:router-test',
      blobs,
      body: { count, root, ...changes },
    });
  }

  /** What the newest admission of this log did for a client in the last second. */
  async sessions(
    change: (record: SessionRecord) => SessionRecord = (record) => record,
    changes: Record<string, unknown> = {},
  ): Promise<number> {
    const [worker] = [...this.state().facts('worker:')].map((name) => name.slice('worker:'.length));
    const of = {
      worker: worker as Digest,
      image: null,
      model: digestOf(utf8('model')),
      policyNumber: 1,
      openedAt: this.at - SECOND,
      closedAt: this.at,
      requests: 2,
      sealedBytes: 2048,
    };
    const record = { ...of, tenant: sessionTenant(SESSION_SECRET, of, CHANNEL) };
    const records = [change(record)];
    const body = { from: record.openedAt, to: record.closedAt, count: 1, root: sessionRoot(records), ...changes };
    const blobs = [this.blob(encodeSessionRecords(records))];
    return this.add({ type: 'session-batch', subject: 'sessions:router-test', blobs, body });
  }

  settle(receiptBatches: readonly number[]): Promise<number> {
    const body = { contract: '0:aa', sequence: 1, amount: '5', receiptBatches };
    return this.add({ type: 'settlement', subject: 'channel:0', body });
  }

  /** What the entries so far lead to. */
  state(): LogState {
    const state = new LogState();
    for (const [index, entry] of this.entries.entries()) state.apply(index, parseLeaf(entry));
    return state;
  }

  snapshot(changes: Record<string, unknown> = {}, file: Uint8Array = this.state().encode()): Promise<number> {
    const body = { size: this.entries.length, root: this.state().root(), ...changes };
    return this.add({ type: 'state-snapshot', subject: 'state', blobs: [this.blob(file)], body });
  }

  beat(): Promise<number> {
    return this.add({ type: 'heartbeat', body: { queueDepth: 0 } });
  }
}

const KNOWN: Record<string, true> = {
  'log-opened': true,
  'image-registered': true,
  'policy-published': true,
  'worker-admitted': true,
  'worker-rejected': true,
  're-attested': true,
  evicted: true,
  'receipt-batch': true,
  'session-batch': true,
  settlement: true,
  'key-rotation': true,
  anchor: true,
  heartbeat: true,
  'log-closed': true,
  'state-snapshot': true,
  'retention-run': true,
  access: true,
  export: true,
  review: true,
};

/** Sizes of the checkpoints of {@link honest}: after the policy and its images, before the last entry, and the newest. */
export const SIZES = { begun: 4, judged: 10, all: 11 } as const;

/** What an honest network leaves behind: a policy the quorum saw, admissions, a refusal, sessions, receipts, a snapshot. */
export async function honest(): Promise<Scene> {
  const scene = new Scene();
  await scene.open();
  await scene.publish();
  await scene.checkpoint();
  await scene.admit();
  await scene.sessions();
  await scene.admit({}, { unchanged: true, changed: [] });
  await scene.settle([await scene.batch()]);
  await scene.admit({ machine: { name: 'debugged', debug: true } as never });
  await scene.checkpoint();
  await scene.snapshot();
  await scene.checkpoint();
  return scene;
}

export async function audit(bundle: Uint8Array, more: Partial<AuditTrust> = {}, deps: Partial<AuditDeps> = {}) {
  const given = { ...trust, ...more };
  const { report } = await verifyBundle(await filesOf(bundle), given, {
    reappraise: createReappraiser(given.anchors),
    ...deps,
  });
  return report;
}

/** `V4: …` of each check that failed, and the rules that found something. */
export async function problemsOf(bundle: Uint8Array, more: Partial<AuditTrust> = {}) {
  const { checks, findings, verdict } = await audit(bundle, more);
  const failed = checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id as string);
  return { failed, rules: [...new Set(findings.map(({ rule }) => rule))] as string[], verdict, checks, findings };
}

export { filesOf, pack, repack } from './pack.ts';
