import {
  type Clock,
  CodedError,
  type ErrorCode,
  isCurrent,
  KIND_OF_CODE,
  type MonotonicClock,
  type UnixSeconds,
} from '../../core/index.ts';
import {
  type CollateralEvent,
  type DocumentId,
  type DocumentKind,
  type DocumentKinds,
  type KeptDocument,
  type Parts,
  partsSha256,
  splitId,
} from './document.ts';

export type Freshness = Readonly<{
  /** Younger than this, a document is given as it is. */
  freshSeconds: number;
  /** Older than this, the caller waits for a new one; between the two it is fetched behind the caller's back. */
  staleSeconds: number;
  /** This long before its end a document is fetched anew though it is fresh, unless it is younger than `endingSeconds`. */
  prefetchSeconds: number;
  /** A vendor may give the same document until the end: it is not asked at every use. */
  endingSeconds: number;
  /** After a failure the same document is not asked for again for so long. */
  failureHoldMs: number;
}>;

export const FRESHNESS: Freshness = {
  freshSeconds: 3_600,
  staleSeconds: 86_400,
  prefetchSeconds: 5 * 86_400,
  endingSeconds: 600,
  failureHoldMs: 5_000,
};

export const DOCUMENTS_MAX = 4_096;
export const FAILURES_MAX = 1_024;
export const REFRESHES_MAX = 64;

export type StoreDeps = Readonly<{
  now: Clock;
  monotonic: MonotonicClock;
  report: (event: CollateralEvent) => void;
  changed: () => void;
}>;

type Failure = Readonly<{ until: number; code: ErrorCode; message: string; facts: CodedError['facts'] }>;

/**
 * Vendors' documents by id: verified before they are kept, given only within their window, fetched anew in time, and
 * kept through an outage for as long as they are valid. One fetch at a time for each.
 */
export class DocumentStore {
  readonly #kinds: DocumentKinds;
  readonly #deps: StoreDeps;
  readonly #freshness: Freshness;
  /** Longest kept first. */
  readonly #kept = new Map<DocumentId, KeptDocument>();
  readonly #refreshing = new Map<DocumentId, Promise<KeptDocument>>();
  readonly #failures = new Map<DocumentId, Failure>();
  #changes = 0;

  constructor(kinds: DocumentKinds, deps: StoreDeps, freshness: Freshness) {
    this.#kinds = kinds;
    this.#deps = deps;
    this.#freshness = freshness;
  }

  /**
   * A document that is current now. @throws CodedError of kind unavailable where there is none and none can be had
   */
  async get(id: DocumentId): Promise<KeptDocument> {
    const kept = this.#current(id);
    if (kept === null) return this.#refresh(id);
    const due = this.#due(kept);
    if (due === 'no') return kept;
    const fresh = this.#refresh(id).catch((error: unknown) => {
      const still = this.#current(id);
      if (still === null || !isUnavailable(error)) throw error;
      const { code, message: why } = error;
      this.#deps.report({ event: 'keptOnOutage', document: id, until: still.window.until, code, why });
      return still;
    });
    if (due === 'wait') return fresh;
    fresh.catch(() => undefined); // told by `report`
    return kept;
  }

  /** Fetches what will end soon or is no longer fresh. @returns how many are current afterwards, of how many that were due */
  async prefetch(): Promise<{ due: number; current: number }> {
    const due = [...this.#kept.values()].filter(
      (kept) => this.#kindOf(kept.id).kind.isOnline && (!this.isCurrent(kept) || this.#due(kept) !== 'no'),
    );
    let current = 0;
    for (const { id } of due) {
      try {
        await this.#refresh(id);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        const still = this.#current(id);
        const { code, message: why } = error;
        if (still !== null) {
          this.#deps.report({ event: 'keptOnOutage', document: id, until: still.window.until, code, why });
        }
      }
      if (this.#current(id) !== null) current++;
    }
    return { due: due.length, current };
  }

  /** Whether now is within its window. */
  isCurrent(kept: KeptDocument): boolean {
    return isCurrent(kept.window.from, kept.window.until, this.#seconds());
  }

  /** How often a document that was kept has become another. */
  get changes(): number {
    return this.#changes;
  }

  /** What is kept, current or not. */
  all(): readonly KeptDocument[] {
    return [...this.#kept.values()];
  }

  /**
   * Verifies documents from elsewhere (a bundle), all of them before the first is kept; a newer one that is kept stays.
   * @returns how many were kept
   * @throws CodedError for the first that is not genuine
   */
  async adoptAll(
    documents: readonly Readonly<{ id: DocumentId; parts: Parts; fetchedAt: UnixSeconds }>[],
  ): Promise<number> {
    const verified: KeptDocument[] = [];
    for (const { id, parts, fetchedAt } of documents) {
      const { kind, args } = this.#kindOf(id);
      const { window, version } = await kind.verify(args, parts);
      verified.push({ id, parts, sha256: partsSha256(parts), window, version, fetchedAt });
    }
    const newer = verified.filter((document) => {
      const known = this.#kept.get(document.id);
      return known === undefined || (known.version <= document.version && known.fetchedAt < document.fetchedAt);
    });
    for (const document of newer) this.#keep(document);
    return newer.length;
  }

  #seconds(): UnixSeconds {
    return Math.floor(this.#deps.now() / 1000);
  }

  #current(id: DocumentId): KeptDocument | null {
    const kept = this.#kept.get(id);
    return kept === undefined || !this.isCurrent(kept) ? null : kept;
  }

  #due(kept: KeptDocument): 'no' | 'soon' | 'wait' {
    const { kind } = this.#kindOf(kept.id);
    if (kind.isImmutable || !kind.isOnline) return 'no';
    const now = this.#seconds();
    const age = now - kept.fetchedAt;
    if (age < 0 || age >= this.#freshness.staleSeconds) return 'wait'; // fetched in the future: the clock went back
    // What lives for a day only is not fetched all day long.
    const life = kept.window.until - kept.window.from;
    const endsSoon = kept.window.until - now <= Math.min(this.#freshness.prefetchSeconds, life / 2);
    return age >= this.#freshness[endsSoon ? 'endingSeconds' : 'freshSeconds'] ? 'soon' : 'no';
  }

  #kindOf(id: DocumentId): { kind: DocumentKind; args: readonly string[] } {
    const { kind: name, args } = splitId(id);
    const kind = Object.hasOwn(this.#kinds, name) ? this.#kinds[name] : undefined;
    if (kind === undefined) throw new CodedError('ENDORSEMENT_MALFORMED', 'a document of an unknown kind');
    return { kind, args };
  }

  #refresh(id: DocumentId): Promise<KeptDocument> {
    const running = this.#refreshing.get(id);
    if (running !== undefined) return running;
    const failure = this.#failures.get(id);
    if (failure !== undefined && this.#deps.monotonic() < failure.until) {
      return Promise.reject(new CodedError(failure.code, failure.message, failure.facts));
    }
    if (this.#refreshing.size >= REFRESHES_MAX) {
      return Promise.reject(new CodedError('ENDORSEMENT_UNREACHABLE', 'too many documents are being fetched'));
    }
    const refresh = this.#fetchOnce(id).finally(() => this.#refreshing.delete(id));
    this.#refreshing.set(id, refresh);
    return refresh;
  }

  async #fetchOnce(id: DocumentId): Promise<KeptDocument> {
    const { kind, args } = this.#kindOf(id);
    try {
      const parts = await kind.fetch(args);
      const { window, version } = await kind.verify(args, parts);
      const known = this.#kept.get(id);
      // Also where the newer one has ended; one “of the future” says only that the clock went back.
      if (known !== undefined && known.window.from <= this.#seconds() && version < known.version) {
        throw new CodedError('ENDORSEMENT_UNREACHABLE', 'an older document than the one that is kept');
      }
      const fetched = { id, parts, sha256: partsSha256(parts), window, version, fetchedAt: this.#seconds() };
      if (!this.isCurrent(fetched)) {
        throw new CodedError('ENDORSEMENT_UNREACHABLE', 'what the service has is not current');
      }
      this.#keep(fetched);
      this.#failures.delete(id);
      this.#deps.report({ event: 'fetched', document: id, until: window.until });
      return fetched;
    } catch (thrown) {
      throw this.#failed(id, thrown);
    }
  }

  /** Whatever a service answers that is not the document counts as not to be had: it refuses nobody. */
  #failed(id: DocumentId, thrown: unknown): unknown {
    if (!(thrown instanceof CodedError) || KIND_OF_CODE[thrown.code] === 'bug') return thrown;
    const code = isUnavailable(thrown) ? thrown.code : 'ENDORSEMENT_UNREACHABLE';
    const facts = { document: id, ...thrown.facts, ...(code === thrown.code ? {} : { cause: thrown.code }) };
    const error = new CodedError(code, `${id}: ${thrown.message}`, facts, { cause: thrown });
    const { message } = error;
    const until = this.#deps.monotonic() + this.#freshness.failureHoldMs;
    boundedSet(this.#failures, id, { until, code, message, facts }, FAILURES_MAX);
    this.#deps.report({ event: 'failed', document: id, code, why: message });
    return error;
  }

  #keep(document: KeptDocument): void {
    const known = this.#kept.get(document.id);
    if (known !== undefined && known.sha256 !== document.sha256) this.#changes += 1;
    this.#kept.delete(document.id);
    boundedSet(this.#kept, document.id, document, DOCUMENTS_MAX);
    this.#deps.changed();
  }
}

function isUnavailable(error: unknown): error is CodedError {
  return error instanceof CodedError && KIND_OF_CODE[error.code] === 'unavailable';
}

/** Sets, and forgets the oldest where the map is full. */
function boundedSet<V>(map: Map<string, V>, key: string, value: V, entriesMax: number): void {
  if (map.size >= entriesMax && !map.has(key)) {
    const oldest = map.keys().next();
    if (!oldest.done) map.delete(oldest.value);
  }
  map.set(key, value);
}
