import type { Bytes, UnixMs } from '../core/index.ts';

/** One named check as people and JSON read it; the same shape wherever something was verified. */
export type NamedCheck = Readonly<{
  name: string;
  outcome: 'passed' | 'failed' | 'notRun';
  /** Why it failed or was not run; empty when passed. */
  reason: string;
}>;

/** Checks by what they speak of: `cpu`, `gpu`, `binding`, `policy`, `log`, `session`, `receipt`. */
export type CheckGroups = Readonly<Record<string, readonly NamedCheck[]>>;

/** What the client itself verified of a worker before a prompt left the machine. */
export type VerifiedWorker = Readonly<{
  workerId: string;
  /** The operator's label, not an identity. */
  name: string;
  tee: string;
  /** True where the vendor is the simulator: say so on every screen. */
  simulated: boolean;
  /** ED of AIS/1, hex. */
  evidenceDigest: string;
  modelDigest: string;
  tcbStatus: string;
  mode: 0 | 1 | 2;
  checks: CheckGroups;
  /** The log entry that admitted it. */
  admission: Readonly<{ index: number; size: number; origin: string }>;
  /** The least of all deadlines; not used after it. */
  expiresAt: UnixMs;
  verifiedAt: UnixMs;
  candidates: number;
}>;

export type ChatMessage = Readonly<{ role: 'system' | 'user' | 'assistant' | 'tool'; content: string }>;

export type ChatRequest = Readonly<{
  /** A model's name or the hex of its digest; the first one offered where absent. */
  model?: string;
  messages: readonly ChatMessage[];
  /** Text to go on from, instead of messages, for plain completions. */
  prompt?: string;
  maxTokens?: number;
  /** 0 is greedy and repeats byte for byte. */
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
  stop?: readonly string[];
}>;

export type Usage = Readonly<{ tokensIn: number; tokensCached: number; tokensOut: number }>;

export type AnswerReceipt = Readonly<{
  /** First 16 hex digits of the digest, with the prefix `r_`. */
  id: string;
  digest: Bytes;
  /** Receipt object and signature by RK, storable and checkable by anyone. */
  object: Bytes;
  signature: Bytes;
  workerId: string;
  /** Smallest units of the price sheet's currency. */
  amount: bigint;
  currency: string;
  /** Rounded counts that the receipt bills. */
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  /** Sealed frames that its chain covers. */
  frames: number;
  checks: readonly NamedCheck[];
}>;

export type ChatEvent =
  | Readonly<{ kind: 'verifying'; step: string }>
  | Readonly<{ kind: 'worker'; worker: VerifiedWorker }>
  | Readonly<{ kind: 'text'; text: string }>
  | Readonly<{ kind: 'done'; finish: 'stop' | 'length' | 'cancelled' | 'failed'; usage: Usage; receipt: AnswerReceipt }>
  | Readonly<{ kind: 'paid'; payment: PaymentState }>;

/** Amounts in nanoTON. */
export type PaymentState = Readonly<{
  channel: string;
  state: string;
  deposited: bigint;
  /** Claimed on chain. */
  claimed: bigint;
  /** Our best voucher. */
  vouchered: bigint;
  receipts: number;
}>;

export type ReceiptInLog = Readonly<{ index: number; size: number; origin: string; checks: readonly NamedCheck[] }>;

export type ModelInfo = Readonly<{ digest: string; name: string; workers: number; contextTokensMax: number }>;

/**
 * A client of one router. Nothing is sent before the worker's own evidence verified under the client's own policy.
 * Every method throws CodedError; its code's kind tells "refused" from "could not find out".
 */
export type Client = Readonly<{
  models(): Promise<readonly ModelInfo[]>;
  /**
   * Events in order: `verifying`* and `worker` when a session is opened anew (`worker` always once), `text`*, `done`,
   * `paid` when a voucher was accepted. Ends or throws by the deadline, never later.
   */
  chat(
    request: ChatRequest,
    options?: Readonly<{ signal?: AbortSignal; deadlineMs?: number; mode?: 1 | 2 }>,
  ): AsyncIterable<ChatEvent>;
  /** Workers that are verified now, also those that were not chosen; the one chosen last at the end. */
  verified(): readonly VerifiedWorker[];
  /** Newest last, at most the last 1,000 of this process. */
  receipts(): readonly AnswerReceipt[];
  /** Waits until the receipt's batch is logged and checks the proof. */
  receiptInLog(receipt: AnswerReceipt, options?: Readonly<{ signal?: AbortSignal }>): Promise<ReceiptInLog>;
  payment(): Promise<PaymentState | null>;
  /** Asks the router to claim on chain, and waits until the chain's own state shows it. */
  settle(options?: Readonly<{ signal?: AbortSignal }>): Promise<PaymentState>;
  close(): Promise<void>;
}>;
