import { type RunningHmac, runningHmacSha256 } from '#crypto';
import type { Bytes } from '../core/index.ts';
import type { ClientSession, SessionCandidate } from './client-session.ts';
import { commitmentKey, type RequestName, responseSecret } from './request-keys.ts';

/**
 * What a candidate's response is opened with, as far as its preface has no part in it.
 * @property secret 32 bytes, of whoever takes it; @property commitment over its data messages
 */
export type ResponseSecrets = Readonly<{ secret: Bytes; commitment: RunningHmac }>;

/** The secrets of one request's responses. They may be derived beforehand: while a worker works, its client has nothing to do. */
export class SecretsOfResponses {
  readonly #session: ClientSession;
  readonly #name: RequestName;
  #prepared: (ResponseSecrets | null)[] = [];

  constructor(session: ClientSession, name: RequestName) {
    this.#session = session;
    this.#name = name;
  }

  /** Of every candidate, unless the session was closed meanwhile. */
  prepare(): void {
    const { candidates } = this.#session;
    if (this.#prepared.length > 0 || candidates.some(({ exporter }) => exporter.erased)) return;
    this.#prepared = candidates.map((candidate) => this.#derive(candidate));
  }

  /** @param candidate its place @throws CodedError SESSION_EXPIRED where the session was closed and nothing is prepared */
  take(candidate: number): ResponseSecrets {
    const prepared = this.#prepared[candidate] ?? null;
    this.#prepared[candidate] = null;
    return prepared ?? this.#derive(this.#session.candidates[candidate] as SessionCandidate);
  }

  erase(): void {
    for (const prepared of this.#prepared) prepared?.secret.fill(0);
    this.#prepared = [];
  }

  #derive({ exporter }: SessionCandidate): ResponseSecrets {
    const { requestId, headerHash } = this.#name;
    const key = commitmentKey(exporter, 'response', requestId, headerHash);
    const commitment = runningHmacSha256(key);
    key.fill(0);
    return { secret: responseSecret(exporter, this.#name), commitment };
  }
}
