import { toHex, type UnixMs } from '../core/index.ts';
import type { ReservationRow, ReserveOutcome } from './ledger.ts';

/** What one process has set aside for requests under way, by channel and by session key. It dies with the process, as they do. */
export class Reservations {
  readonly #rows = new Map<string, ReservationRow>();
  readonly #sums = new Map<string, bigint>();
  /** Requests under way, by session key and request id. */
  readonly #requests = new Set<string>();

  reserve(
    row: ReservationRow,
    receipted: Readonly<{ channel: bigint; key: bigint }>,
    most: Readonly<{ channel: bigint; key: bigint }>,
    now: UnixMs,
  ): ReserveOutcome {
    for (const [id, { until }] of this.#rows) {
      if (until > now) break; // about in the order of their ends: one that lingers behind a longer one harms nobody
      this.#remove(id);
    }
    if (this.#requests.has(requestOf(row))) return 'again';
    const sumOf = (name: string) => this.#sums.get(name) ?? 0n;
    if (receipted.channel + sumOf(row.channel) + row.amount > most.channel) return 'channel';
    if (receipted.key + sumOf(toHex(row.sessionKey)) + row.amount > most.key) return 'key';
    this.#rows.set(toHex(row.id), row);
    this.#requests.add(requestOf(row));
    this.#add(row, row.amount);
    return 'reserved';
  }

  release(id: Uint8Array): void {
    this.#remove(toHex(id));
  }

  #remove(id: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    this.#rows.delete(id);
    this.#requests.delete(requestOf(row));
    this.#add(row, -row.amount);
  }

  #add({ channel, sessionKey }: ReservationRow, amount: bigint): void {
    for (const name of [channel, toHex(sessionKey)]) {
      const sum = (this.#sums.get(name) ?? 0n) + amount;
      if (sum === 0n) this.#sums.delete(name);
      else this.#sums.set(name, sum);
    }
  }
}

const requestOf = ({ sessionKey, requestId }: ReservationRow): string => toHex(sessionKey) + toHex(requestId);
