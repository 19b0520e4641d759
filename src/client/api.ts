import type { EarClaims } from '../attestation/index.ts';
import type { Bytes, UnixMs } from '../core/index.ts';
import type { ChatMessage, ChatPayload, Padding, TokenLogprob, ToolCall } from '../session/index.ts';

export type {
  ChatMessage,
  ContentPart,
  ResponseFormat,
  TokenLogprob,
  Tool,
  ToolCall,
  ToolChoice,
} from '../session/index.ts';

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
  /** The appraisal as an EAT Attestation Result: claims, for a verifier to sign. */
  result: EarClaims;
  /** The log entry that admitted it. */
  admission: Readonly<{ index: number; size: number; origin: string }>;
  /** The least of all deadlines; not used after it. */
  expiresAt: UnixMs;
  verifiedAt: UnixMs;
  candidates: number;
}>;

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
  /** With the text, log-probabilities and so many of the likeliest other tokens. */
  logprobs?: number;
}> &
  Readonly<
    Pick<ChatPayload, 'presencePenalty' | 'frequencyPenalty' | 'logitBias' | 'tools' | 'toolChoice' | 'responseFormat'>
  >;

export type EmbedRequest = Readonly<{ model?: string; texts: readonly string[]; dimensions?: number }>;

/** How one request is carried. */
export type AskOptions = Readonly<{
  /**
   * Ends the answer: what was made until then comes, with `done`, a receipt over it, and its payment. Before an answer
   * has begun it throws REQUEST_CANCELLED.
   */
  signal?: AbortSignal;
  deadlineMs?: number;
  /** How fresh the worker's proof is: 1 live, 2 a quote made for this client. At least what the policy demands. */
  mode?: 1 | 2;
  /** Workers that the request is wrapped to, and that can all read it: 1 (default) to 3, at most what the policy allows. */
  candidates?: 1 | 2 | 3;
  /** Of the answer, against who counts bytes: `bucket` (default) hides lengths, `tick` also hides when tokens came. */
  padding?: Padding;
  /** Of several who share this client: nobody outside it learns that prompts begin alike, nor does their timing show it. */
  cacheScope?: string;
  /** W3C `traceparent` of the caller's own span; no router ever hears of it. */
  parentTrace?: string;
  /** What the router is told instead: a trace drawn for this request alone (`tracedClient`). */
  routerTrace?: string;
}>;

export type Usage = Readonly<{ tokensIn: number; tokensCached: number; tokensOut: number }>;

export type AnswerReceipt = Readonly<{
  /** First 16 hex digits of the digest, with the prefix `r_`. */
  id: string;
  digest: Bytes;
  kind: 'checkpoint' | 'final' | 'error';
  /** Receipt object and signature by RK, storable and checkable by anyone. */
  object: Bytes;
  signature: Bytes;
  workerId: string;
  /** Worker ids, hex, of all that the request was wrapped to: each of them could read it. */
  readers: readonly string[];
  /** Smallest units of the price sheet's currency. */
  amount: bigint;
  currency: string;
  /** Rounded counts that the receipt bills. */
  tokensIn: number;
  tokensCached: number;
  tokensOut: number;
  /** Sealed frames that its chain covers. */
  frames: number;
  endedAt: UnixMs;
  checks: readonly NamedCheck[];
}>;

export type ChatEvent =
  | Readonly<{ kind: 'verifying'; step: string }>
  /** Before anything is sent: who will be able to read it. */
  | Readonly<{ kind: 'readers'; workers: readonly VerifiedWorker[] }>
  /** Which of them answers; again where another had to go on. */
  | Readonly<{ kind: 'worker'; worker: VerifiedWorker }>
  | Readonly<{ kind: 'text'; text: string; logprobs?: readonly TokenLogprob[] }>
  | Readonly<{ kind: 'toolCalls'; toolCalls: readonly ToolCall[] }>
  | Readonly<{
      kind: 'done';
      finish: 'stop' | 'length' | 'cancelled' | 'failed';
      usage: Usage;
      receipt: AnswerReceipt;
      /** Of workers that ended or were cut before: their last receipts, where another went on. */
      earlier: readonly AnswerReceipt[];
    }>
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
  /** As the router counts them; where it was not asked, those that our vouchers name. */
  receipts: number;
}>;

export type Embedded = Readonly<{
  vectors: readonly (readonly number[])[];
  usage: Usage;
  worker: VerifiedWorker;
  receipt: AnswerReceipt;
}>;

export type ReceiptInLog = Readonly<{ index: number; size: number; origin: string; checks: readonly NamedCheck[] }>;

export type ModelInfo = Readonly<{ digest: string; name: string; workers: number; contextTokensMax: number }>;

/**
 * A client of one router. Nothing is sent before the worker's own evidence verified under the client's own policy.
 * Every method throws CodedError; its code's kind tells "refused" from "could not find out".
 */
export type Client = Readonly<{
  /** As the router says, or said within the last second. */
  models(): Promise<readonly ModelInfo[]>;
  /**
   * The model of this name or digest, any where none is named; null where the router has none such. What it said within
   * the last minute will do: whether a worker is there shows when a session is opened.
   */
  findModel(wanted?: string): Promise<ModelInfo | null>;
  /**
   * Events in order: `verifying`*, `readers`, `worker`, then `text` and `toolCalls` as they come, `done`, and `paid` when
   * a voucher was accepted. Ends or throws by the deadline, never later. A worker that is gone before it answered is
   * replaced; one that is gone while it answers is paid up to its last checkpoint, and another goes on from the text
   * that came (`verifying`, `readers` and `worker` come again). Whoever leaves the loop early ends the answer.
   * @throws PaidFailure, beside CodedError, where something of the answer had become payable: that is kept and paid.
   */
  chat(request: ChatRequest, options?: AskOptions): AsyncIterable<ChatEvent>;
  /** @throws CodedError REQUEST_UNSUPPORTED where the model gives no embeddings; PaidFailure as {@link Client.chat} */
  embed(request: EmbedRequest, options?: AskOptions): Promise<Embedded>;
  /** Workers that are verified now, also those that were not chosen; the one chosen last at the end. */
  verified(): readonly VerifiedWorker[];
  /** Newest last, as many as are kept. */
  receipts(): readonly AnswerReceipt[];
  /** Waits until the receipt's batch is logged and checks the proof. */
  receiptInLog(receipt: AnswerReceipt, options?: Readonly<{ signal?: AbortSignal }>): Promise<ReceiptInLog>;
  payment(): Promise<PaymentState | null>;
  /** Asks the router to claim on chain, and waits until the chain's own state shows it. */
  settle(options?: Readonly<{ signal?: AbortSignal }>): Promise<PaymentState>;
  close(): Promise<void>;
}>;
