import { z } from 'zod';
import { sha256 } from '#crypto';
import { type Clock, CodedError, parseStrictJson, toHex, utf8 } from '../../core/index.ts';

/** One user of a gateway that several share. The key itself is known to its user alone. */
export type GatewayKey = Readonly<{
  id: string;
  /** SHA-256 of the key's text, hex. */
  sha256: string;
  /** nanoTON that its answers may cost; null for what the channel holds. */
  budget: bigint | null;
  requestsPerMinute: number | null;
  concurrentMax: number | null;
  /** May see all receipts and the payment channel, and settle it. */
  admin: boolean;
}>;

/** What each key has spent, by id: it outlives the process. */
export type SpendingStore = Readonly<{
  load(): ReadonlyMap<string, bigint>;
  save(spent: ReadonlyMap<string, bigint>): void;
}>;

/** One admitted request of a key. */
export type Ticket = Readonly<{
  id: string;
  admin: boolean;
  /** An answer was paid. */
  spend(amount: bigint): void;
  release(): void;
}>;

export type KeyUsage = Readonly<{ id: string; budget: bigint | null; spent: bigint; running: number }>;

const KEYS_MAX = 10_000;
const MINUTE_MS = 60_000;

const KeyFile = z.strictObject({
  version: z.literal(1),
  keys: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        budget: z
          .string()
          .regex(/^\d{1,19}$/)
          .nullable(),
        requestsPerMinute: z.int().min(1).max(1_000_000).nullable(),
        concurrentMax: z.int().min(1).max(10_000).nullable(),
        admin: z.boolean(),
      }),
    )
    .max(KEYS_MAX),
});

/** @throws CodedError CONFIG_INVALID naming the field, never a digest */
export function parseKeyFile(text: string): GatewayKey[] {
  const read = KeyFile.safeParse(parseStrictJson(text, 'keys'));
  if (!read.success) {
    const issue = read.error.issues[0];
    throw new CodedError('CONFIG_INVALID', `keys: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { keys } = read.data;
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) {
    throw new CodedError('CONFIG_INVALID', 'keys: two have one id');
  }
  return keys.map((key) => ({ ...key, budget: key.budget === null ? null : BigInt(key.budget) }));
}

export function encodeKeyFile(keys: readonly GatewayKey[]): string {
  const written = keys.map((key) => ({ ...key, budget: key.budget?.toString() ?? null }));
  return `${JSON.stringify({ version: 1, keys: written }, null, 2)}\n`;
}

export function keyDigest(key: string): string {
  return toHex(sha256(utf8(key)));
}

/** A budget is nearly used up, or used up. @property percent of {@link BUDGET_ALERTS} that was passed */
export type BudgetAlert = Readonly<{ id: string; percent: number; spent: bigint; budget: bigint }>;

/** In hundredths of a budget: whoever watches hears of each once. */
export const BUDGET_ALERTS = [80, 100] as const;

/**
 * Who may ask, how often, how much at the same time, and for how much money. A budget is looked at before a request and
 * charged with its receipt: requests that run at the same time may exceed it by what they cost.
 */
export function createKeyRing(
  keys: readonly GatewayKey[],
  store: SpendingStore,
  now: Clock,
  alert: (passed: BudgetAlert) => void = () => undefined,
) {
  const bySha256 = new Map(keys.map((key) => [key.sha256, key]));
  const spent = new Map(store.load());
  const running = new Map<string, number>();
  const begun = new Map<string, number[]>();

  let isStored = true;
  const keep = (): void => {
    isStored = false;
    store.save(spent);
    isStored = true;
  };

  const refused = (why: string) => new CodedError('API_KEY_REFUSED', why);
  const keyOf = (authorization: string | undefined): GatewayKey => {
    const given = /^Bearer +(\S{1,512})$/i.exec(authorization ?? '')?.[1];
    if (given === undefined) throw refused('this gateway asks for an API key: Authorization: Bearer KEY');
    const key = bySha256.get(keyDigest(given));
    if (key === undefined) throw refused('this gateway does not know this API key');
    return key;
  };

  const requireRate = (key: GatewayKey): void => {
    if (key.requestsPerMinute === null) return;
    const recent = (begun.get(key.id) ?? []).filter((at) => at > now() - MINUTE_MS);
    if (recent.length >= key.requestsPerMinute) {
      throw new CodedError('TOO_MANY_REQUESTS', `this key may ask ${key.requestsPerMinute} times a minute`);
    }
    begun.set(key.id, [...recent, now()]);
  };

  return {
    /** @throws CodedError API_KEY_REFUSED */
    identify: (authorization: string | undefined) => {
      const { id, admin } = keyOf(authorization);
      return { id, admin };
    },
    /** @throws CodedError API_KEY_REFUSED, BUDGET_EXHAUSTED, TOO_MANY_REQUESTS; as the store says, while it keeps nothing */
    admit(authorization: string | undefined): Ticket {
      const key = keyOf(authorization);
      if (!isStored) keep();
      const { id, admin, budget, concurrentMax } = key;
      if (budget !== null && (spent.get(id) ?? 0n) >= budget) {
        throw new CodedError('BUDGET_EXHAUSTED', 'the budget of this API key is used up');
      }
      const open = running.get(id) ?? 0;
      if (concurrentMax !== null && open >= concurrentMax) {
        throw new CodedError('TOO_MANY_REQUESTS', `this key may have ${concurrentMax} requests at the same time`);
      }
      requireRate(key);
      running.set(id, open + 1);
      let released = false;
      return {
        id,
        admin,
        spend(amount) {
          const before = spent.get(id) ?? 0n;
          spent.set(id, before + amount);
          try {
            keep();
          } catch {
            // Whoever was answered has to be read on to its voucher; the next one to ask is told.
          }
          for (const percent of budget === null ? [] : BUDGET_ALERTS) {
            const mark = (budget as bigint) * BigInt(percent);
            if (before * 100n < mark && (before + amount) * 100n >= mark) {
              alert({ id, percent, spent: before + amount, budget: budget as bigint });
            }
          }
        },
        release() {
          if (released) return;
          released = true;
          running.set(id, (running.get(id) ?? 1) - 1);
        },
      };
    },
    usage(id: string): KeyUsage {
      const key = keys.find((one) => one.id === id);
      return { id, budget: key?.budget ?? null, spent: spent.get(id) ?? 0n, running: running.get(id) ?? 0 };
    },
  };
}

export type KeyRing = ReturnType<typeof createKeyRing>;
