import type { Tee } from '../attestation/index.ts';
import type { Keyset } from '../core/index.ts';
import { type Bytes, equalBytes, toHex, type UnixMs } from '../core/index.ts';
import { modelAlias, type WorkerJoin } from '../session/index.ts';
import { WorkerActivity } from './activity.ts';
import type { Cut } from './cut.ts';
import type { ServeLink, WorkerControl } from './links.ts';
import { Claims, Roster } from './roster.ts';

/** `quarantined`: was admitted, and would not be now. */
export type WorkerState = 'joining' | 'admitted' | 'draining' | 'quarantined' | 'refused' | 'gone';

/** What admission established about a worker; replaced whole at each renewal. */
export type Admission = Readonly<{
  workerId: Bytes;
  keyset: Keyset;
  keysetDigest: Bytes;
  evidenceDigest: Bytes;
  /** The evidence itself, for whoever asks for it by its digest. */
  bundle: Bytes;
  lease: Bytes;
  expiresAt: UnixMs;
  logIndex: number;
  /** It came back and was let in again on the evidence that it was in with before. */
  resumed: boolean;
  /** The policy it was judged under, and that policy's name of its image. */
  policyNumber: number;
  image: string | null;
  /** JSON of the appraisal's named checks. */
  appraisal: string;
  simulated: boolean;
  tee: Tee;
}>;

/** What workers are judged by now. Whoever was judged by anything else is to be judged again. */
export type Knowledge = Readonly<{
  policyDigest: Bytes;
  /** How often the vendors' collateral has changed. */
  collateral: number;
}>;

const CERTIFICATES_MAX = 256;
const LINKS_MAX = 256;
const LINK_WAITERS_MAX = 1024;
export const WORKERS_MAX = 16_384;
/** Beside those that workers were admitted with. */
const BUNDLES_MAX = 1024;

/** Hears what of a worker it is found by. */
type Finder = Readonly<{
  changed(worker: Worker): void;
  knows(worker: Worker, certificate: string): void;
  forgets(worker: Worker, certificate: string): void;
}>;
const NOBODY: Finder = { changed: () => undefined, knows: () => undefined, forgets: () => undefined };

/** One attached worker. Mutable, and touched by the router alone. */
export class Worker {
  readonly control: WorkerControl;
  #state: WorkerState = 'joining';
  #join: WorkerJoin | null = null;
  #admission: Admission | null = null;
  #finder: Finder = NOBODY;
  /** By what it was judged last. */
  judgedBy: Knowledge | null = null;
  #links: ServeLink[] = [];
  /** In the order in which they came. */
  readonly #waiters = new Set<(link: ServeLink | null) => void>();
  readonly #certificates = new Set<string>();
  readonly hellos = new Map<number, (answer: HelloAnswer) => void>();
  /** Requests that were given to it and have not ended. */
  busy = 0;
  readonly activity = new WorkerActivity();

  constructor(control: WorkerControl) {
    this.control = control;
  }

  get state(): WorkerState {
    return this.#state;
  }

  set state(state: WorkerState) {
    this.#state = state;
    this.#finder.changed(this);
  }

  get join(): WorkerJoin | null {
    return this.#join;
  }

  set join(join: WorkerJoin | null) {
    this.#join = join;
    this.#finder.changed(this);
  }

  get admission(): Admission | null {
    return this.#admission;
  }

  set admission(admission: Admission | null) {
    this.#admission = admission;
    this.#finder.changed(this);
  }

  /** Tells of what it is found by from here on, and of what that is now; null ends it. */
  tell(finder: Finder | null): void {
    for (const certificate of this.#certificates) this.#finder.forgets(this, certificate);
    this.#finder = finder ?? NOBODY;
    for (const certificate of this.#certificates) this.#finder.knows(this, certificate);
    this.#finder.changed(this);
  }

  /** Remembers an epoch certificate that this worker offered; the oldest gives way. */
  knowCertificate(digest: Uint8Array): void {
    const certificate = toHex(digest);
    if (this.#certificates.has(certificate)) return;
    this.#certificates.add(certificate);
    this.#finder.knows(this, certificate);
    if (this.#certificates.size <= CERTIFICATES_MAX) return;
    const oldest = this.#certificates.values().next().value as string;
    this.#certificates.delete(oldest);
    this.#finder.forgets(this, oldest);
  }

  /** Hands an idle stream to whoever waits longest, or keeps it. False where it keeps enough already. */
  park(link: ServeLink): boolean {
    const [waiter] = this.#waiters;
    if (waiter !== undefined) {
      waiter(link);
      return true;
    }
    if (this.#links.length >= LINKS_MAX) this.#links = this.#links.filter((other) => other.isOpen());
    if (this.#links.length >= LINKS_MAX) return false;
    this.#links.push(link);
    return true;
  }

  /** An idle stream, the newest first; null where none came in so many ms, or before the cut. */
  takeLink(cut: Cut, waitMs: number): ServeLink | null | Promise<ServeLink | null> {
    for (let idle = this.#links.pop(); idle !== undefined; idle = this.#links.pop()) if (idle.isOpen()) return idle;
    if (cut.error !== null || this.#waiters.size >= LINK_WAITERS_MAX) return null;
    return new Promise((resolve) => {
      const give = (link: ServeLink | null) => {
        clearTimeout(timer);
        uncut();
        this.#waiters.delete(give);
        resolve(link);
      };
      const timer = setTimeout(() => give(null), waitMs);
      const uncut = cut.on(() => give(null));
      this.#waiters.add(give);
    });
  }

  /** The worker's connection is lost: nothing waits for it any longer. */
  close(): void {
    for (const link of this.#links.splice(0)) link.cancel();
    for (const give of [...this.#waiters]) give(null);
  }

  /** Admitted, on a lease that has not ended. Whether it may have anything new is for {@link Fleet.serves} to say. */
  isIn(now: UnixMs): boolean {
    return this.#state === 'admitted' && this.#admission !== null && this.#admission.expiresAt > now;
  }
}

export type HelloAnswer = Readonly<{ offer: Bytes; bundle: Bytes } | { refused: string }>;

/** What a worker is found by, hexadecimal. */
type Filed = Readonly<{ lease: string; id: string; evidence: string; models: readonly string[] }>;

/** All attached workers and what they vouch for; every map has a bound. Nothing is searched for. */
export class Fleet {
  /** What workers are to be judged by now. */
  readonly knowledge: () => Knowledge;
  readonly #workers = new Set<Worker>();
  readonly #filed = new Map<Worker, Filed>();
  readonly #byLease = new Claims<Worker>();
  readonly #byId = new Claims<Worker>();
  readonly #byEvidence = new Claims<Worker>();
  readonly #byCertificate = new Claims<Worker>();
  /** Admitted workers by the names of their model. */
  readonly #byModel = new Map<string, Roster<Worker>>();
  readonly #bundles = new Map<string, Bytes>();
  /** Where each worker's admission stands in the log; also after it has gone. */
  readonly #admissions = new Map<string, number>();
  readonly #finder: Finder = {
    changed: (worker) => this.#file(worker),
    knows: (worker, certificate) => this.#byCertificate.claim(certificate, worker),
    forgets: (worker, certificate) => this.#byCertificate.release(certificate, worker),
  };

  /** @param knowledge what workers are to be judged by, asked for at each dispatch */
  constructor(knowledge: () => Knowledge) {
    this.knowledge = knowledge;
  }

  get size(): number {
    return this.#workers.size;
  }

  add(worker: Worker): boolean {
    if (this.#workers.size >= WORKERS_MAX) return false;
    this.#workers.add(worker);
    worker.tell(this.#finder);
    return true;
  }

  remove(worker: Worker): void {
    if (!this.#workers.delete(worker)) return;
    worker.tell(null);
    this.#file(worker);
  }

  has(worker: Worker): boolean {
    return this.#workers.has(worker);
  }

  all(): readonly Worker[] {
    return [...this.#workers];
  }

  /**
   * Whether the worker may have something new now: it is in, and was judged by what is known now. One that is still to be
   * judged by it may not, however short a time ago it became known.
   */
  serves(worker: Worker, now: UnixMs): boolean {
    return worker.isIn(now) && this.isJudged(worker);
  }

  /** Whether it was judged by what is known now. */
  isJudged({ judgedBy }: Readonly<{ judgedBy: Knowledge | null }>): boolean {
    if (judgedBy === null) return false;
    const { policyDigest, collateral } = this.knowledge();
    if (judgedBy.collateral !== collateral) return false;
    return judgedBy.policyDigest === policyDigest || equalBytes(judgedBy.policyDigest, policyDigest);
  }

  byLease(lease: Uint8Array): Worker | undefined {
    return this.#byLease.get(toHex(lease));
  }

  byId(workerId: Uint8Array): Worker | undefined {
    return this.#byId.get(toHex(workerId));
  }

  byCertificate(digest: Uint8Array): Worker | undefined {
    return this.#byCertificate.get(toHex(digest));
  }

  /** Admitted workers that have a model, some of them perhaps on leases that have ended. @param model digest or alias */
  ofModel(model: Uint8Array): readonly Worker[] {
    return this.#byModel.get(toHex(model))?.items ?? [];
  }

  /** Of each model the admitted workers. */
  models(): readonly (readonly Worker[])[] {
    const models = new Map<string, readonly Worker[]>();
    for (const { items } of this.#byModel.values()) {
      const digest = items[0]?.join?.modelDigest;
      if (digest !== undefined) models.set(toHex(digest), this.ofModel(digest));
    }
    return [...models.values()];
  }

  keepBundle(evidenceDigest: Uint8Array, bundle: Bytes): void {
    keepNewest(this.#bundles, toHex(evidenceDigest), bundle, BUNDLES_MAX);
  }

  bundle(evidenceDigest: Uint8Array): Bytes | undefined {
    const digest = toHex(evidenceDigest);
    return this.#byEvidence.get(digest)?.admission?.bundle ?? this.#bundles.get(digest);
  }

  keepAdmission(workerId: Uint8Array, logIndex: number): void {
    keepNewest(this.#admissions, toHex(workerId), logIndex, WORKERS_MAX);
  }

  admission(workerId: Uint8Array): number | undefined {
    return this.#admissions.get(toHex(workerId));
  }

  /** Puts a worker where it is found by what it is now, and takes it from where it was found before. */
  #file(worker: Worker): void {
    const before = this.#filed.get(worker) ?? NOT_FILED;
    const after = this.#workers.has(worker) ? filedAs(worker) : NOT_FILED;
    const move = (claims: Claims<Worker>, was: string, is: string) => {
      if (was === is) return;
      claims.release(was, worker);
      if (is !== '') claims.claim(is, worker);
    };
    move(this.#byLease, before.lease, after.lease);
    move(this.#byId, before.id, after.id);
    move(this.#byEvidence, before.evidence, after.evidence);
    for (const model of before.models) {
      if (after.models.includes(model)) continue;
      const roster = this.#byModel.get(model);
      roster?.delete(worker);
      if (roster?.items.length === 0) this.#byModel.delete(model);
    }
    for (const model of after.models) {
      const roster = this.#byModel.get(model) ?? new Roster<Worker>();
      this.#byModel.set(model, roster);
      roster.add(worker);
    }
    if (after === NOT_FILED) this.#filed.delete(worker);
    else this.#filed.set(worker, after);
  }
}

const NOT_FILED: Filed = { lease: '', id: '', evidence: '', models: [] };

function filedAs({ admission, join, state }: Worker): Filed {
  const isInUse = state === 'admitted' && join !== null;
  return {
    lease: admission === null ? '' : toHex(admission.lease),
    id: admission === null ? '' : toHex(admission.workerId),
    evidence: admission === null ? '' : toHex(admission.evidenceDigest),
    models: isInUse ? [...new Set([join.modelDigest, modelAlias(join.modelName)].map(toHex))] : [],
  };
}

/** A map that forgets its oldest entry rather than grow past `max`. */
export function keepNewest<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value as string);
}
