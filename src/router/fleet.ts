import type { Tee } from '../attestation/index.ts';
import type { Keyset } from '../core/index.ts';
import { type Bytes, equalBytes, toHex, type UnixMs } from '../core/index.ts';
import type { WorkerJoin } from '../session/index.ts';
import { WorkerActivity } from './activity.ts';
import type { Cut } from './cut.ts';
import type { ServeLink, WorkerControl } from './links.ts';

/** `quarantined`: was admitted, and would not be now. */
export type WorkerState = 'joining' | 'admitted' | 'draining' | 'quarantined' | 'refused' | 'gone';

/** What admission established about a worker; replaced whole at each renewal. */
export type Admission = Readonly<{
  workerId: Bytes;
  keyset: Keyset;
  keysetDigest: Bytes;
  evidenceDigest: Bytes;
  lease: Bytes;
  expiresAt: UnixMs;
  logIndex: number;
  /** The policy it was judged under, and that policy's name of its image. */
  policyNumber: number;
  image: string | null;
  /** JSON of the appraisal's named checks. */
  appraisal: string;
  simulated: boolean;
  tee: Tee;
}>;

const CERTIFICATES_MAX = 256;
const LINKS_MAX = 256;
const LINK_WAITERS_MAX = 1024;
const WORKERS_MAX = 4096;
const BUNDLES_MAX = 1024;

/** One attached worker. Mutable, and touched by the router alone. */
export class Worker {
  readonly control: WorkerControl;
  state: WorkerState = 'joining';
  join: WorkerJoin | null = null;
  admission: Admission | null = null;
  /** Digest of the policy that it was judged under last. */
  judgedUnder: Bytes | null = null;
  /** Not judged yet under the policy in force: nothing new goes to it until it is. */
  isHeld = false;
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

  /** Remembers an epoch certificate that this worker offered; the oldest gives way. */
  knowCertificate(digest: Uint8Array): void {
    this.#certificates.add(toHex(digest));
    if (this.#certificates.size > CERTIFICATES_MAX)
      this.#certificates.delete(this.#certificates.values().next().value as string);
  }

  hasCertificate(digest: Uint8Array): boolean {
    return this.#certificates.has(toHex(digest));
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

  serves(now: UnixMs): boolean {
    return this.state === 'admitted' && !this.isHeld && this.admission !== null && this.admission.expiresAt > now;
  }
}

export type HelloAnswer = Readonly<{ offer: Bytes; bundle: Bytes } | { refused: string }>;

/** All attached workers and what they vouch for; every map has a bound. */
export class Fleet {
  readonly #workers = new Set<Worker>();
  readonly #bundles = new Map<string, Bytes>();
  /** Where each worker's admission stands in the log; also after it has gone. */
  readonly #admissions = new Map<string, number>();

  add(worker: Worker): boolean {
    if (this.#workers.size >= WORKERS_MAX) return false;
    this.#workers.add(worker);
    return true;
  }

  remove(worker: Worker): void {
    this.#workers.delete(worker);
  }

  has(worker: Worker): boolean {
    return this.#workers.has(worker);
  }

  all(): readonly Worker[] {
    return [...this.#workers];
  }

  serving(now: UnixMs): Worker[] {
    return this.all().filter((worker) => worker.serves(now));
  }

  byLease(lease: Uint8Array): Worker | undefined {
    return this.all().find((worker) => worker.admission !== null && equalBytes(worker.admission.lease, lease));
  }

  byId(workerId: Uint8Array): Worker | undefined {
    return this.all().find((worker) => worker.admission !== null && equalBytes(worker.admission.workerId, workerId));
  }

  byCertificate(digest: Uint8Array): Worker | undefined {
    return this.all().find((worker) => worker.hasCertificate(digest));
  }

  keepBundle(evidenceDigest: Uint8Array, bundle: Bytes): void {
    keepNewest(this.#bundles, toHex(evidenceDigest), bundle, BUNDLES_MAX);
  }

  bundle(evidenceDigest: Uint8Array): Bytes | undefined {
    return this.#bundles.get(toHex(evidenceDigest));
  }

  keepAdmission(workerId: Uint8Array, logIndex: number): void {
    keepNewest(this.#admissions, toHex(workerId), logIndex, WORKERS_MAX);
  }

  admission(workerId: Uint8Array): number | undefined {
    return this.#admissions.get(toHex(workerId));
  }
}

/** A map that forgets its oldest entry rather than grow past `max`. */
export function keepNewest<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value as string);
}
