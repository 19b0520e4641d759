import { ed25519Verify } from '#crypto';
import {
  approvalProblems,
  diffPolicies,
  loadPolicy,
  parseApprovals,
  policyDigest,
  weakenings,
} from '../attestation/index.ts';
import {
  asCodedError,
  type Bytes,
  CodedError,
  fromBase64,
  fromHex,
  fromUtf8,
  type Json,
  parseStrictJson,
  toHex,
} from '../core/index.ts';
import {
  type Digest,
  isDigest,
  type Leaf,
  leafSignedBytes,
  type ParsedLeaf,
  parseLeaf,
  SILENCE_MS,
} from '../log/index.ts';
import { Anchors } from './anchors.ts';
import { ArchivedFiles } from './archived.ts';
import { batchProblems } from './batches.ts';
import type { Manifest } from './bundle.ts';
import type { Seen } from './checkpoints.ts';
import type { CheckId, Tallies } from './checks.ts';
import { type Finding, finding, type RuleId } from './findings.ts';
import { type AffirmedLeaf, type AppraisalLeaf, History, isAppraisal } from './history.ts';
import { RegisteredImages } from './images.ts';
import { keepingBlobs } from './kept-blobs.ts';
import { DeviceLeases } from './leases.ts';
import { type AppraisalMaterial, blobsOf, type JudgedLeaf } from './reappraise.ts';
import { isRelease, type OwnersPolicy, type ReleaseLeaf, Releases } from './releases.ts';
import { Replayed } from './replayed.ts';
import { SideBySide } from './side-by-side.ts';
import { SKEW_MS } from './skew.ts';
import { entriesOf, type LogSource } from './source.ts';
import type { AuditDeps, AuditTrust } from './verify.ts';

const FINDINGS_MAX = 10_000;
const PARALLEL = 8;
const POLICIES_MAX = 256;
/** Steps of leases that wait for the appraisal of an earlier entry. */
const LEASES_WAITING_MAX = 4_096;

export type EntriesInput = Readonly<{
  source: LogSource;
  manifest: Pick<Manifest, 'from' | 'to' | 'absent'>;
  /** Cosigned checkpoints, ascending. */
  seen: readonly Seen[];
  trust: AuditTrust;
  deps: AuditDeps;
}>;

/** For which check the findings of the state count. */
const CHECK_OF_RULE: Partial<Record<RuleId, CheckId>> = { M4: 'V10', M7: 'V7', M8: 'V6', M10: 'V14', M13: 'V11' };

/** Looks at every entry in order: V6 to V15, V17 and V18. */
export async function verifyEntries(
  input: EntriesInput,
  tallies: Tallies,
): Promise<{ findings: readonly Finding[]; history: History }> {
  const walk = new EntriesWalk(input, tallies);
  const { source, manifest } = input;
  try {
    for await (const entries of entriesOf(source, manifest.from, manifest.to, manifest.to)) {
      for (const { index, entry } of entries) await walk.entry(index, entry);
      const done = (entries.at(-1)?.index ?? 0) + 1 - manifest.from;
      input.deps.progress?.('entries', done, manifest.to - manifest.from);
    }
  } catch (thrown) {
    const error = asCodedError(thrown);
    if (error.code === 'INVARIANT_BROKEN') throw error;
    tallies.V6.fail(`the entries cannot be read: ${error.message}`);
  }
  await walk.end();
  return { findings: walk.findings, history: walk.history };
}

/** Looks at entries one after the other; a monitor goes on with it as the log grows. */
export class EntriesWalk {
  readonly findings: Finding[] = [];
  readonly history: History;
  readonly #input: EntriesInput;
  readonly #tallies: Tallies;
  readonly #underWay: SideBySide;
  readonly #policyTexts = new Map<Digest, string>();
  readonly #files: ArchivedFiles;
  readonly #anchors: Anchors;
  readonly #leases = new DeviceLeases();
  readonly #replayed: Replayed;
  readonly #images: RegisteredImages;
  readonly #releases: Releases;
  /** Size of the checkpoint that was last found to be late. */
  #lateAt = -1;

  constructor(given: EntriesInput, tallies: Tallies) {
    const input = { ...given, source: keepingBlobs(given.source) };
    this.#input = input;
    this.#underWay = new SideBySide(input.deps.parallel ?? PARALLEL);
    this.#tallies = tallies;
    this.#files = new ArchivedFiles(input, tallies.V8);
    this.history = new History(input.manifest.from);
    this.#anchors = new Anchors(input, tallies.V15);
    this.#replayed = new Replayed(input, tallies.V9);
    this.#releases = new Releases(input.manifest.from);
    this.#images = new RegisteredImages(input, tallies.V12, (policy) => this.#policyText(policy));
  }

  async entry(index: number, entry: Bytes): Promise<void> {
    const { V6, V17 } = this.#tallies;
    V6.look();
    let parsed: ParsedLeaf;
    try {
      parsed = parseLeaf(entry);
    } catch (thrown) {
      V6.fail(`entry ${index}: ${asCodedError(thrown).message}`);
      return;
    }
    if (!parsed.known)
      V6.skip(`entry ${index} is of a type or version that this tool does not know: ${parsed.leaf.type}`);
    const before = parsed.leaf.type === 'policy-published' ? this.history.inForce.get(parsed.leaf.src) : undefined;
    for (const one of this.history.apply(index, parsed)) this.#note(one, CHECK_OF_RULE[one.rule]);
    V17.look();
    for (const one of this.history.silence(index, parsed.leaf)) this.#note(one, 'V17');
    await this.#replayed.entry(index, parsed);
    this.#times(index, parsed.leaf as Leaf);
    await this.#signatures(index, parsed);
    await this.#files.entry(index, parsed.leaf as Leaf);
    if (!parsed.known) return;
    const { leaf } = parsed;
    if (leaf.type === 'policy-published') await this.#policy(index, leaf as Leaf<'policy-published'>, before);
    if (isAppraisal(parsed)) await this.#appraisal(index, parsed.leaf);
    this.#releases.apply(parsed);
    if (isRelease(parsed)) await this.#release(index, parsed.leaf);
    if (leaf.type === 'evicted') await this.#evicted(leaf as Leaf<'evicted'>);
    if (leaf.type === 'receipt-batch' || leaf.type === 'session-batch')
      await this.#batch(index, leaf as Leaf<'receipt-batch'> | Leaf<'session-batch'>);
    if (leaf.type === 'settlement') this.#tallies.V14.look();
    if (leaf.type === 'anchor') {
      const wrong = await this.#anchors.entry(index, leaf as Leaf<'anchor'>);
      if (wrong !== null) this.#find('M3', index, leaf.subject, wrong, 'critical', 'V15');
    }
    if (leaf.type === 'image-registered') {
      const image = leaf as Leaf<'image-registered'>;
      const { policyDigest } = image.body;
      await this.#images.entry(index, image, policyDigest && this.history.policies.get(policyDigest));
    }
  }

  /** Until all appraisals under way are made, and it is known what was removed. */
  async settled(): Promise<void> {
    await this.#underWay.settled();
    for (const { index, subject, digest, why } of this.#files.missing()) {
      this.#find('M9', index, subject, `${digest} is ${why}`);
    }
  }

  async end(): Promise<void> {
    await this.settled();
    await this.#anchors.end();
    this.#replayed.end();
    const { V17, V18 } = this.#tallies;
    for (const { from, to, index } of this.history.outages) {
      V17.note(`away from ${new Date(from).toISOString()} to ${new Date(to).toISOString()}, before entry ${index}`);
    }
    V18.look();
    for (const { rule, severity, index, message } of this.findings) {
      if (severity !== 'warning') V18.fail(`${rule} entry ${index}: ${message}`);
    }
  }

  #note(one: Finding, check?: CheckId): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push(one);
    if (check !== undefined && one.severity !== 'warning') {
      this.#tallies[check].fail(`entry ${one.index}: ${one.message}`);
    }
  }

  #find(
    rule: RuleId,
    index: number,
    subject: string,
    message: string,
    severity: Finding['severity'] = 'error',
    check?: CheckId,
  ): void {
    this.#note(finding(rule, severity, message, { index, subject }), check);
  }

  /**
   * V7: between the last checkpoint before it and the first one over it, as the witnesses saw them. V17: and that one soon
   * after it, or entries could have been dated into a time when the log was away.
   */
  #times(index: number, { at, subject }: Leaf): void {
    const { seen } = this.#input;
    const { V7, V17 } = this.#tallies;
    const next = firstCovering(seen, index);
    const over = seen[next]?.witnessedAt ?? 0;
    const before = seen[next - 1]?.witnessedAt ?? 0;
    V7.look();
    if (over === 0 && next >= seen.length) V7.skip('some entries are under no cosigned checkpoint');
    if (over > 0 && at > over * 1000 + SKEW_MS)
      this.#find('M7', index, subject, 'dated after the witnesses saw it', 'error', 'V7');
    if (before > 0 && at < before * 1000 - SKEW_MS) {
      this.#find('M7', index, subject, 'dated before a checkpoint that does not hold it', 'error', 'V7');
    }
    if (over > 0 && over * 1000 - at > SILENCE_MS + SKEW_MS && this.#lateAt !== next) {
      this.#lateAt = next;
      const words = `the witnesses saw it only ${Math.round(over - at / 1000)} s after its date`;
      this.#find('M8', index, subject, words, 'warning');
      V17.skip(`entry ${index}: ${words}: nobody but the log can say that it was there in between`);
    }
  }

  /** Signatures of people and workers on the entry itself. */
  async #signatures(index: number, { leaf }: ParsedLeaf): Promise<void> {
    const { V6 } = this.#tallies;
    const { signers } = this.#input.trust;
    for (const { key, s } of leaf.sig) {
      const known = signers?.get(key);
      if (known === undefined) {
        V6.skip(`no key was brought for signatures of ${key}`);
        continue;
      }
      const holds = await ed25519Verify(known, leafSignedBytes(leaf as Leaf), fromBase64(s, 'signature'));
      V6.require(holds, `entry ${index}: the signature of ${key} does not hold`);
    }
  }

  async #policyText(policy: OwnersPolicy): Promise<string> {
    const known = this.#policyTexts.get(policy.digest);
    if (known !== undefined) return known;
    const bytes = policy.blob === null ? null : await this.#input.source.blob(policy.blob);
    if (bytes === null) throw new CodedError('LOG_BLOB_MISSING', 'the text of the policy is not archived');
    const text = fromUtf8(bytes, 'policy');
    if (this.#policyTexts.size >= POLICIES_MAX) this.#policyTexts.clear();
    this.#policyTexts.set(policy.digest, text);
    return text;
  }

  /** V10. */
  async #policy(
    index: number,
    { subject, body, blobs }: Leaf<'policy-published'>,
    before: Digest | undefined,
  ): Promise<void> {
    const { V10 } = this.#tallies;
    V10.look();
    try {
      const bytes = blobs[0] === undefined ? null : await this.#input.source.blob(blobs[0]);
      if (bytes === null) throw new CodedError('LOG_BLOB_MISSING', 'the text of the policy is not archived');
      const text = fromUtf8(bytes, 'policy');
      const policy = loadPolicy(text);
      V10.require(
        `sha256:${toHex(policyDigest(policy))}` === body.policyDigest && policy.number === body.number,
        `entry ${index}: the archived policy is not the one it names`,
      );
      if (policy.environment === 'production') await this.#approvals(index, subject, { body, blobs });
      else V10.note(`policy ${body.number} is for development: nobody has to approve it`);
      const last = before === undefined ? undefined : this.history.policies.get(before);
      if (last === undefined || last.digest === body.policyDigest) return;
      const json = (of: string) => parseStrictJson(of, 'policy') as Json;
      const worse = weakenings(diffPolicies(json(await this.#policyText(last)), json(text)));
      for (const { path, effect } of worse) {
        const words = effect === 'weaker' ? 'is weaker' : 'changed, and this tool cannot say to which side';
        this.#find('M4', index, subject, `${path} ${words} than in policy ${last.number}`, 'warning');
      }
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (error.code === 'POLICY_INVALID') V10.skip(`entry ${index}: ${error.message}`);
      else V10.fail(`entry ${index}: ${error.message}`);
    }
  }

  async #approvals(
    index: number,
    subject: string,
    leaf: Pick<Leaf<'policy-published'>, 'body' | 'blobs'>,
  ): Promise<void> {
    const { approvers } = this.#input.trust;
    const { body } = leaf;
    if (approvers === null) {
      this.#tallies.V10.skip('no approvers’ keys were brought: who approved the policies is not checked');
      return;
    }
    const named = body.approvals;
    const bytes = isDigest(named) && leaf.blobs.includes(named) ? await this.#input.source.blob(named) : null;
    const digest = fromHex(body.policyDigest.slice(7), 'policy digest');
    const find = (problem: string) => this.#find('M4', index, subject, problem, 'error', 'V10');
    if (bytes === null) return find('nobody signed it');
    const approvals = parseApprovals(bytes);
    for (const problem of await approvalProblems(approvals, { digest, number: body.number }, approvers)) find(problem);
    const { effectiveFromIndex } = approvals.statement;
    if (effectiveFromIndex !== body.effectiveFromIndex) find('it is not effective from the index that was signed');
    else if (index < (effectiveFromIndex ?? 0)) find(`it came into force before entry ${effectiveFromIndex}`);
  }

  /** V11, that the policy was one the quorum had seen (P2), and that its devices back nobody else. */
  async #appraisal(index: number, leaf: AppraisalLeaf): Promise<void> {
    const { V10 } = this.#tallies;
    const { body } = leaf;
    const policy = this.history.policies.get(body.policyDigest);
    if (policy !== undefined && leaf.type !== 'worker-rejected' && this.#input.trust.policy.quorum !== null) {
      const seenBefore = this.#input.seen.some(({ checkpoint: { size } }) => size > policy.index && size <= index);
      V10.require(seenBefore, `entry ${index} relies on policy ${policy.number} before the quorum had seen it`);
    }
    const isIn = leaf.type !== 'worker-rejected';
    await this.#again(index, leaf, policy, () => (isIn ? this.#leases.admitted(index, leaf as AffirmedLeaf) : null));
  }

  /** V11 for a release: under its owner's policy, which no quorum has to have seen. */
  async #release(index: number, leaf: ReleaseLeaf): Promise<void> {
    for (const problem of this.#releases.problemsOf(leaf)) this.#find('M5', index, leaf.subject, problem);
    await this.#again(index, leaf, this.#releases.policyOf(leaf), () => null);
  }

  /** @param lease told the devices that were found, where somebody holds them from this entry on */
  async #again(
    index: number,
    leaf: JudgedLeaf,
    policy: OwnersPolicy | undefined,
    lease: () => ((devices: readonly string[]) => void) | null,
  ): Promise<void> {
    const { V11 } = this.#tallies;
    const digests = blobsOf(leaf);
    if (digests === null) return V11.skip(`entry ${index} names no archived inputs: it cannot be judged again`);
    if (policy === undefined) return V11.skip(`entry ${index}: its policy was published before this bundle`);
    const { source } = this.#input;
    const [evidence, collateral, inputs] = await Promise.all(
      [digests.evidence, digests.collateral, digests.inputs].map((digest) => source.blob(digest)),
    );
    if (evidence == null || collateral == null || inputs == null) {
      return V11.skip(`entry ${index}: what it was judged with is not archived any more`);
    }
    let policyText: string;
    try {
      policyText = await this.#policyText(policy);
    } catch (thrown) {
      return V11.skip(`entry ${index}: ${asCodedError(thrown).message}`);
    }
    const material: AppraisalMaterial = { evidence, collateral, inputs, policyText };
    const known = lease();
    const judge = async () => {
      const result = await this.#input.deps.reappraise({ leaf, material });
      known?.(result.outcome === 'notChecked' ? [] : result.devices);
      this.#twins();
      if (result.outcome === 'notChecked') return V11.skip(`entry ${index}: ${result.reason}`);
      V11.require(result.outcome === 'same', `entry ${index}: ${differencesOf(result)}`);
      if (result.outcome === 'differs') this.#find('M6', index, leaf.subject, differencesOf(result));
    };
    await this.#underWay.add(judge());
  }

  async #evicted({ body }: Leaf<'evicted'>): Promise<void> {
    this.#leases.evicted(body.workerKey);
    if (this.#leases.waiting >= LEASES_WAITING_MAX) await this.#underWay.settled();
    this.#twins();
  }

  /** M13, as far as the devices of all admissions before are known. */
  #twins(): void {
    for (const { index, subject, outcome, message } of this.#leases.replay()) {
      if (outcome === 'twin') this.#note(finding('M13', 'error', message, { index, subject }), CHECK_OF_RULE.M13);
      else this.#tallies.V11.skip(`entry ${index}: ${message}`);
    }
  }

  /** V13. */
  async #batch(index: number, leaf: Leaf<'receipt-batch'> | Leaf<'session-batch'>): Promise<void> {
    const problems = await batchProblems(this.#input.source, this.history, index, leaf, this.#tallies.V13);
    for (const problem of problems) this.#find('M10', index, leaf.subject, problem);
  }
}

function differencesOf(result: Awaited<ReturnType<AuditDeps['reappraise']>>): string {
  return result.outcome === 'differs' ? result.differences.join('; ') : '';
}

/** The first checkpoint with more than `index` entries. */
function firstCovering(seen: readonly Seen[], index: number): number {
  let low = 0;
  let high = seen.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((seen[middle] as Seen).checkpoint.size > index) high = middle;
    else low = middle + 1;
  }
  return low;
}
