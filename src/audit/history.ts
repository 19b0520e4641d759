import type { Json } from '../core/index.ts';
import { type Digest, isHarmless, type Leaf, type ParsedLeaf, SILENCE_MS } from '../log/index.ts';
import { type Finding, finding } from './findings.ts';

const OUTAGES_KEPT = 10_000;
/** An appraisal is logged at once. */
const LOGGING_MS_MAX = 5 * 60_000;

export type WorkerState = Readonly<{
  worker: Digest;
  platform: string;
  tcbStatus: string;
  policyDigest: Digest;
  policyNumber: number;
  image: string | null;
  /** Entry that admitted it first since it was last out, and the newest one. */
  since: number;
  index: number;
  admittedAt: number;
  /** Null where the entry does not say. */
  leaseUntil: number | null;
}>;
export type PolicyState = Readonly<{
  digest: Digest;
  id: string;
  number: number;
  src: string;
  index: number;
  at: number;
  replaces: Digest | null;
  blob: Digest | null;
}>;
/** No entry from `from` to `to`. @property index of the entry that ended it @property said whether that entry says so */
export type Outage = Readonly<{ from: number; to: number; index: number; said: boolean }>;

type Body = { readonly [field: string]: Json | undefined };
type Note = (finding: Finding) => void;

/**
 * The state that the entries of a log lead to, entry by entry, and what is wrong with each in the light of those before
 * it. Needs no blob: rules that do are elsewhere.
 */
export class History {
  readonly workers = new Map<Digest, WorkerState>();
  readonly policies = new Map<Digest, PolicyState>();
  /** By router. */
  readonly inForce = new Map<string, Digest>();
  /** Index of the entry that registered each, by `NAME@VERSION`. */
  readonly images = new Map<string, number>();
  /** The first of them. */
  readonly outages: Outage[] = [];
  readonly batches = new Map<number, number>();
  readonly counts = new Map<string, number>();
  /** Who is out, and why. */
  #out = new Map<Digest, string>();
  /** Of each worker the newest entry that says that it is in. */
  #letIn = new Map<Digest, Readonly<{ index: number; leaf: AffirmedLeaf }>>();
  /** Since when each worker was in last, and until when; null while it is. */
  #served = new Map<Digest, { from: number; to: number | null }>();
  #last = new Map<string, number>();
  #latestOf = new Map<string, number>();
  #settled = new Set<number>();
  #retired = new Map<string, number>();
  #latest: number | null = null;
  readonly #from: number;

  /** @param from index of the first entry it will see: what was before is not known to it */
  constructor(from = 0) {
    this.#from = from;
  }

  /** Takes the next entry; answers what is wrong with it. */
  apply(index: number, { known, leaf }: ParsedLeaf): Finding[] {
    const found: Finding[] = [];
    const note: Note = (one) => found.push(one);
    this.counts.set(leaf.type, (this.counts.get(leaf.type) ?? 0) + 1);
    this.#chain(index, leaf as Leaf, note);
    this.#time(index, leaf as Leaf, note);
    this.#key(index, leaf as Leaf, note);
    if (known) this.#event(index, leaf, note);
    return found;
  }

  /**
   * Whether the log was away before the next entry: it then says so in that entry, with the time of the last one before.
   * To be asked of each entry, before {@link apply}.
   */
  silence(index: number, { at, type, subject, body }: ParsedLeaf['leaf']): Finding[] {
    const since = type === 'heartbeat' ? (body as Body).awaySince : undefined;
    const before = this.#latest;
    this.#latest = Math.max(at, before ?? 0);
    const about = { index, subject };
    if (before !== null && at - before > SILENCE_MS) {
      const said = since === before;
      if (this.outages.length < OUTAGES_KEPT) this.outages.push({ from: before, to: at, index, said });
      const words = `no entry for ${Math.round((at - before) / 1000)} s before this one: the log was away`;
      return [finding('M8', said ? 'warning' : 'error', said ? words : `${words}, and it does not say so`, about)];
    }
    if (since === undefined || (before === null && this.#from > 0)) return [];
    return [finding('M8', 'error', 'it says that the log was away, and an entry shows that it was not', about)];
  }

  #chain(index: number, { subject, prev }: Leaf, note: Note): void {
    const last = this.#last.get(subject) ?? null;
    const before = last === null && prev !== null && prev < this.#from;
    if (prev !== last && !before) {
      const says = `prev says ${prev}, the last entry about ${subject} is ${last}`;
      note(finding('M8', 'error', says, { index, subject }));
    }
    this.#last.set(subject, index);
  }

  #time(index: number, { at, src, subject }: Leaf, note: Note): void {
    const latest = this.#latestOf.get(src);
    if (latest !== undefined && at < latest) {
      note(finding('M7', 'error', `its time is before that of an earlier entry of ${src}`, { index, subject }));
    }
    this.#latestOf.set(src, Math.max(at, latest ?? 0));
  }

  #key(index: number, { sig, subject }: Leaf, note: Note): void {
    for (const { key } of sig) {
      const retired = this.#retired.get(key);
      if (retired === undefined || index < retired) continue;
      note(finding('M11', 'critical', `signed with ${key}, which entry ${retired} replaced`, { index, subject }));
    }
  }

  #event(index: number, leaf: Leaf, note: Note): void {
    const body = leaf.body as unknown as Body;
    switch (leaf.type) {
      case 'policy-published':
        this.#policy(index, leaf as Leaf<'policy-published'>, note);
        return;
      case 'image-registered':
        this.images.set(`${body.name}@${body.version}`, index);
        return;
      case 'worker-admitted':
        this.#admitted(index, leaf as Leaf<'worker-admitted'>, note);
        return;
      case 'worker-rejected':
        this.#judged(index, leaf as Leaf<'worker-rejected'>, note);
        return;
      case 're-attested':
        this.#reattested(index, leaf as Leaf<'re-attested'>, note);
        this.#admitted(index, leaf as Leaf<'re-attested'>, note);
        return;
      case 'evicted':
        this.workers.delete(body.workerKey as Digest);
        this.#left(body.workerKey as Digest, leaf.at);
        this.#out.set(body.workerKey as Digest, String(body.cause));
        return;
      case 'key-rotation':
        this.#retired.set(body.old as string, index + 1);
        return;
      case 'receipt-batch':
        this.batches.set(index, body.count as number);
        return;
      case 'export':
      case 'review':
        this.#ofTooMany(index, leaf as Leaf<'export' | 'review'>, note);
        return;
      case 'settlement':
        this.#settlement(index, leaf as Leaf<'settlement'>, note);
        return;
      default:
        return;
    }
  }

  #policy(index: number, { src, subject, at, body, blobs }: Leaf<'policy-published'>, note: Note): void {
    const about = { index, subject };
    const before = this.inForce.get(src);
    const last = before === undefined ? undefined : this.policies.get(before);
    if (before !== undefined && body.replaces !== before && body.policyDigest !== before) {
      note(finding('M4', 'error', `it says it replaces ${body.replaces}, in force at ${src} is ${before}`, about));
    }
    const id = subject.replace(/^policy:/, '');
    if (last !== undefined && last.id === id && last.digest !== body.policyDigest && body.number <= last.number) {
      note(finding('M4', 'error', `number ${body.number} does not follow number ${last.number}`, about));
    }
    const { policyDigest: digest, number, replaces } = body;
    this.policies.set(digest, { digest, id, number, src, index, at, replaces, blob: blobs[0] ?? null });
    this.inForce.set(src, digest);
  }

  #judged(index: number, { src, subject, at, body }: AppraisalLeaf, note: Note): void {
    const about = { index, subject };
    const inForce = this.inForce.get(src);
    if (inForce === undefined && this.#from === 0) {
      note(finding('M5', 'error', `no policy of ${src} was in force`, about));
    } else if (inForce !== undefined && inForce !== body.policyDigest) {
      note(finding('M5', 'error', `judged under ${body.policyDigest}, in force at ${src} is ${inForce}`, about));
    }
    if (body.judgedAt > at || at - body.judgedAt > LOGGING_MS_MAX) {
      note(finding('M7', 'error', `judged at ${body.judgedAt}, logged at ${at}`, about));
    }
    if (subject !== `worker:${body.workerKey.slice('sha256:'.length)}`) {
      note(finding('M8', 'error', 'the subject is another worker than the body’s', about));
    }
  }

  #admitted(index: number, leaf: AffirmedLeaf, note: Note): void {
    const { subject, at, body } = leaf;
    this.#judged(index, leaf, note);
    if (body.verdict !== 'affirming') {
      note(finding('M5', 'error', `admitted with the verdict ${body.verdict}`, { index, subject }));
    }
    if (body.image !== null && !this.images.has(body.image) && this.#from === 0) {
      note(finding('M5', 'error', `its image ${body.image} is not registered`, { index, subject }));
    }
    const worker = body.workerKey;
    if (body.resumes !== undefined) this.#resumed(index, leaf, note);
    this.#letIn.set(worker, { index, leaf });
    const { platform, tcbStatus, policyDigest, policyNumber, image } = body;
    const leaseUntil = typeof body.leaseUntil === 'number' ? body.leaseUntil : null;
    const since = this.workers.get(worker)?.since ?? index;
    this.#out.delete(worker);
    const served = this.#served.get(worker);
    if (served === undefined || served.to !== null) this.#served.set(worker, { from: at, to: null });
    this.workers.set(worker, {
      ...{ worker, platform, tcbStatus, policyDigest, policyNumber, image, since, index, leaseUntil },
      admittedAt: at,
    });
  }

  /** A worker that came back goes on from its last admission: the same router, evidence and deadline, and nothing against it. */
  #resumed(index: number, { src, subject, body }: AffirmedLeaf, note: Note): void {
    const before = this.#letIn.get(body.workerKey);
    const wrong = (why: string) => note(finding('M5', 'error', why, { index, subject }));
    if (before === undefined || before.index !== body.resumes) {
      const isBefore = this.#from > Number(body.resumes);
      if (!isBefore) wrong(`it goes on from entry ${String(body.resumes)}, which is not the last that let it in`);
      return;
    }
    const { src: router, body: last } = before.leaf;
    const cause = this.#out.get(body.workerKey);
    if (router !== src) wrong('it goes on from an admission by another router');
    if (last.evidence !== body.evidence) wrong('it goes on from an admission on other evidence');
    if (body.attestedAt !== (last.attestedAt ?? last.judgedAt)) {
      wrong('it says that its evidence was judged first at another instant');
    }
    const { leaseUntil } = body;
    const isLonger =
      typeof leaseUntil !== 'number' || (typeof last.leaseUntil === 'number' && leaseUntil > last.leaseUntil);
    if (isLonger) wrong('its lease is longer than the one before');
    if (cause === undefined) wrong('it goes on from an admission that had not ended');
    else if (!isHarmless(cause)) wrong(`it goes on though it was put out: ${cause}`);
  }

  #reattested(index: number, { subject, body }: Leaf<'re-attested'>, note: Note): void {
    const about = { index, subject };
    if (this.#out.has(body.workerKey)) {
      note(finding('M5', 'error', 're-attested after it was evicted, without a new admission', about));
    } else if (!this.workers.has(body.workerKey) && this.#from === 0) {
      note(finding('M5', 'error', 're-attested, and never admitted', about));
    }
  }

  /** Nobody takes away or looks through what is not there yet. */
  #ofTooMany(index: number, { type, subject, body }: Leaf<'export' | 'review'>, note: Note): void {
    if (body.size <= index) return;
    const message = `a${type === 'export' ? 'n' : ''} ${type} of ${body.size} entries, before there were as many`;
    note(finding('M8', 'error', message, { index, subject }));
  }

  #settlement(index: number, { subject, body }: Leaf<'settlement'>, note: Note): void {
    for (const batch of body.receiptBatches) {
      if (this.#settled.has(batch)) {
        note(finding('M10', 'error', `batch ${batch} was settled before`, { index, subject }));
      } else if (!this.batches.has(batch) && batch >= this.#from) {
        note(finding('M10', 'error', `entry ${batch} is no batch of receipts before it`, { index, subject }));
      }
      this.#settled.add(batch);
    }
  }

  #left(worker: Digest, at: number): void {
    const served = this.#served.get(worker);
    if (served?.to === null) served.to = at;
  }

  /** Whether a worker was in at some time between, as far as its last stay; what was before the first entry is not known. */
  servedBetween(worker: Digest, from: number, to: number): boolean {
    const served = this.#served.get(worker);
    if (served === undefined) return this.#from > 0;
    return served.from <= to && (served.to === null || served.to >= from);
  }

  /** Workers that were in at an instant: admitted, not evicted, their lease not over. */
  workersAt(at: number): WorkerState[] {
    return [...this.workers.values()].filter(({ leaseUntil }) => leaseUntil === null || at < leaseUntil);
  }
}

/** Says that a worker is in: admitted, or judged again since. */
export type AffirmedLeaf = Leaf<'worker-admitted' | 're-attested'>;
export type AppraisalLeaf = Leaf<'worker-admitted' | 'worker-rejected' | 're-attested'>;

export function isAffirmed(parsed: ParsedLeaf): parsed is Readonly<{ known: true; leaf: AffirmedLeaf }> {
  return parsed.known && (parsed.leaf.type === 'worker-admitted' || parsed.leaf.type === 're-attested');
}
/** Whether an entry is about evidence that was judged. */
export function isAppraisal(parsed: ParsedLeaf): parsed is Readonly<{ known: true; leaf: AppraisalLeaf }> {
  return isAffirmed(parsed) || (parsed.known && parsed.leaf.type === 'worker-rejected');
}
