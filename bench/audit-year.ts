import { createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sha256 } from '#crypto';
import {
  type Appraisal,
  appraise,
  encodeRecordedInputs,
  evidenceDigest,
  loadPolicy,
  loadVendorEndorsements,
  parseEvidenceBundle,
  platformName,
  policyDigest,
  trustUnder,
  VERIFIER_VERSION,
} from '../src/attestation/index.ts';
import { exportBundle } from '../src/audit/index.ts';
import { type Bytes, leafHash, toHex, utf8, workerId } from '../src/core/index.ts';
import { CompactRange } from '../src/log/index.ts';
import { GrowingTree } from '../src/log/writer/growing-tree.ts';
import { beacon, developmentText, evidence, fill, intel, keyset, nonce } from '../tests/attestation/appraise/scene.ts';
import { logPolicy, NOW, policyText, Scene } from '../tests/audit/scene.ts';
import { measured } from './measured.ts';
import type { BenchLine } from './report.ts';

/** A busy year has 100,000; less by default, so that all benchmarks together take minutes. */
const APPRAISALS = Number(process.env.BENCH_YEAR_APPRAISALS ?? 2_000);
const YEAR_MS = Number(process.env.BENCH_YEAR_DAYS ?? 365) * 86_400_000;
const WORKERS = 200;
/** A log that has nothing to say says so, before it has been silent for three minutes; a head is kept in five. */
const HEARTBEAT_MS = 150_000;
const CHECKPOINT_MS = 5 * 60_000;
/** Vendors' sets of collateral change about once a month: all appraisals between share one. */
const COLLATERAL_MS = 20 * 86_400_000;

/** A log of a year in memory: evidence made for each appraisal by itself, as workers renew all the time. */
class Year extends Scene {
  #collateral = { at: Number.NEGATIVE_INFINITY, text: '', endorsements: loadVendorEndorsements('tdx', '{}', []) };
  #checkpointAt = NOW;
  readonly #policy = loadPolicy(developmentText);
  readonly #in = new Set<number>();
  #first: Appraisal | null = null;
  readonly #range = new CompactRange();

  /** Tiles are made once, at the end: nobody reads this log before. */
  override raw(entry: Bytes, subject = 'log'): number {
    this.#range.append(leafHash(entry));
    const { size } = this.#range;
    this.tree = { size, root: () => this.#range.root() } as unknown as GrowingTree;
    return this.remember(entry, subject);
  }

  async end(): Promise<void> {
    await this.checkpoint();
    const { files } = GrowingTree.empty().grow(this.entries);
    for (const { path, bytes } of files) this.tiles.set(path, Uint8Array.from(bytes));
  }

  async begin(): Promise<void> {
    await this.open();
    await this.publish();
    await this.checkpoint();
  }

  /** Heartbeats until then, and the checkpoints between. */
  async until(at: number): Promise<void> {
    while (this.at + HEARTBEAT_MS < at) {
      this.at += HEARTBEAT_MS - 1_000; // adding takes a second
      await this.add({ type: 'heartbeat', src: 'log', body: { queueDepth: 0 } });
      if (this.at - this.#checkpointAt < CHECKPOINT_MS) continue;
      await this.checkpoint();
      this.#checkpointAt = this.at;
    }
  }

  #evidence(i: number): Bytes {
    const epoch = sha256(utf8(`epoch ${i}`));
    return evidence({
      bundle: {
        keyset: { ...keyset, identityKey: sha256(utf8(`worker ${i % WORKERS}`)), notAfter: this.at + 86_400_000 },
        beacon: { ...beacon, seqno: 700 + i },
        epochKeyDigests: [epoch, fill(11, 32)],
      },
    });
  }

  async appraisal(i: number): Promise<void> {
    if (this.at - this.#collateral.at > COLLATERAL_MS) {
      const text = JSON.stringify(intel.collateral(Math.floor(this.at / 1000)));
      const endorsements = loadVendorEndorsements('tdx', text, [intel.trustAnchor]);
      this.#collateral = { at: this.at, text, endorsements };
    }
    const bundle = this.#evidence(i);
    const knownBlocks = [
      { network: beacon.network, seqno: 700 + i, rootHash: beacon.blockRootHash, at: this.at - 5_000 },
    ];
    const judgedAt = this.at;
    this.#first ??= await appraise({
      ...trustUnder(this.#policy, [intel.trustAnchor]),
      bundle,
      endorsements: await this.#collateral.endorsements,
      now: judgedAt,
      expectedNonce: nonce,
      knownBlocks,
    });
    // The same machine, image and model each time: only whose evidence it is differs. Verifying makes every appraisal.
    const parsed = parseEvidenceBundle(bundle);
    const made = {
      ...this.#first,
      workerId: workerId(parsed.keyset.identityKey),
      evidenceDigest: evidenceDigest(parsed),
    } as Appraisal;
    if (made.status !== 'affirming') throw new Error(`not affirmed: ${made.because.join(', ')}`);
    const digest = policyDigest(this.#policy);
    const inputs = encodeRecordedInputs({ judgedAt, policyDigest: digest, nonce, knownBlocks });
    const blobs = [bundle, utf8(this.#collateral.text), inputs].map((bytes) => this.blob(bytes));
    const hex = (bytes: Uint8Array) => `sha256:${toHex(bytes)}`;
    const worker = i % WORKERS;
    const again = this.#in.has(worker) ? { unchanged: true, changed: ['evidence'] } : {};
    await this.add({
      type: this.#in.has(worker) ? 're-attested' : 'worker-admitted',
      subject: `worker:${toHex(made.workerId)}`,
      blobs,
      body: {
        workerKey: hex(made.workerId),
        platform: platformName(made),
        policyNumber: this.#policy.number,
        policyDigest: hex(digest),
        verdict: made.status,
        judgedAt,
        verifierVersion: VERIFIER_VERSION,
        evidence: hex(made.evidenceDigest),
        model: hex(made.modelDigest),
        measurements: hex(made.measurementsDigest),
        tcbStatus: made.tcbStatus,
        image: made.image,
        leaseUntil: judgedAt + 600_000,
        evidenceBlob: blobs[0],
        collateralBlob: blobs[1],
        inputsBlob: blobs[2],
        ...again,
      },
    });
    this.#in.add(worker);
  }
}

/** A year's bundle of `BENCH_YEAR_APPRAISALS` appraisals, each made again by `chrysalis audit verify` on all cores. */
export async function benchAuditYear(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bench-year-'));
  const file = (name: string) => join(folder, name);
  try {
    const year = new Year();
    const started = performance.now();
    await year.begin();
    const begun = year.at;
    for (let i = 0; i < APPRAISALS; i++) {
      await year.until(begun + Math.floor((i * YEAR_MS) / APPRAISALS));
      await year.appraisal(i);
    }
    await year.end();
    const made = (performance.now() - started) / 1000;
    const options = { policy: logPolicy, by: 'bench', purpose: 'bench', tool: 'bench' };
    const bundle = exportBundle(year.source(), options);
    await pipeline(Readable.fromWeb(bundle as never), createWriteStream(file('year.audit.tar.gz')));
    writeFileSync(file('policy.txt'), policyText);
    const { name, kind } = intel.trustAnchor;
    const anchors = [{ spkiSha256: toHex(intel.rootSpkiSha256), kind, name }];
    writeFileSync(file('anchors.json'), JSON.stringify(anchors));
    const simulated = ['--dangerously-allow-simulated-vendor', file('anchors.json')];
    const policy = ['--policy', file('policy.txt')];
    const verified = await measured(['audit', 'verify', file('year.audit.tar.gz'), ...policy, ...simulated]);
    if (verified.status !== 0) throw new Error(`the year was not verified: ${verified.output.slice(-500)}`);
    const count = `${APPRAISALS.toLocaleString('en-US')} appraisals among ${year.entries.length.toLocaleString('en-US')} entries`;
    return [
      { name: `make a year: ${count}`, value: made, unit: 's' },
      { name: `verify it offline`, value: verified.seconds, unit: 's' },
      { name: 'appraisals made again', value: APPRAISALS / verified.seconds, unit: '/s' },
      { name: 'cores kept busy', value: verified.cores, unit: '' },
      { name: 'most memory of the verification', value: verified.megabytes, unit: 'MB' },
      { name: 'size of the bundle', value: statSync(file('year.audit.tar.gz')).size / 1e6, unit: 'MB' },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
