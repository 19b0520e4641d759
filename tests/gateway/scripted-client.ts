import type {
  AnswerReceipt,
  ChatEvent,
  ChatRequest,
  Client,
  PaymentState,
  VerifiedWorker,
} from '../../src/client/api.ts';
import { CodedError } from '../../src/core/index.ts';

export const WORKER: VerifiedWorker = {
  workerId: 'ab'.repeat(32),
  name: 'alder',
  tee: 'tdx',
  simulated: true,
  evidenceDigest: 'cd'.repeat(32),
  modelDigest: 'ef'.repeat(32),
  tcbStatus: 'UpToDate',
  mode: 1,
  checks: {
    cpu: [
      { name: 'quoteSignature', outcome: 'passed', reason: '' },
      { name: 'pckChainToPinnedRoot', outcome: 'passed', reason: '' },
    ],
    binding: [{ name: 'reportData', outcome: 'passed', reason: '' }],
    log: [{ name: 'inclusion', outcome: 'passed', reason: '' }],
  },
  result: {
    eat_profile: 'tag:github.com,2023:veraison/ear',
    iat: 1_800_000_000,
    exp: 1_800_003_600,
    submods: { cpu: { 'ear.status': 'affirming' } },
  },
  admission: { index: 4, size: 6, origin: 'test.chrysalis/log' },
  expiresAt: 1_900_000_000_000,
  verifiedAt: 1_800_000_000_000,
  candidates: 2,
};

export function receiptNumber(n: number): AnswerReceipt {
  return {
    id: `r_${n.toString(16).padStart(16, '0')}`,
    digest: new Uint8Array(32).fill(n),
    kind: 'final',
    object: Uint8Array.of(1, 2, 3),
    signature: new Uint8Array(64),
    workerId: WORKER.workerId,
    readers: [WORKER.workerId],
    amount: 21_000n,
    currency: 'nanoTON',
    tokensIn: 128,
    tokensCached: 0,
    tokensOut: 64,
    frames: 3,
    endedAt: 1_800_000_000_000,
    checks: [{ name: 'signature', outcome: 'passed', reason: '' }],
  };
}

export const PAYMENT: PaymentState = {
  channel: 'EQBtest',
  state: 'open',
  deposited: 1_000_000_000n,
  claimed: 0n,
  vouchered: 21_000n,
  receipts: 1,
};

export type Script = {
  /** Texts of the answer; a CodedError is thrown at its place, `wait` stays until the request is cancelled. */
  answer: (string | CodedError | 'wait')[];
  /** What becomes of embeddings. */
  embedded: CodedError;
  finish: 'stop' | 'length' | 'cancelled' | 'failed';
  earlier: readonly AnswerReceipt[];
  asked: ChatRequest[];
  cancelled: number;
  vouchers: number;
  worker: VerifiedWorker;
};

/** A client that answers by script; nothing is verified in it, it stands in for the SDK at the gateway's border. */
export function scriptedClient(changes: Partial<Script> = {}): { client: Client; script: Script } {
  const script: Script = {
    answer: ['The sea ', 'was calm.'],
    embedded: new CodedError('REQUEST_UNSUPPORTED', 'input: no embeddings', { param: 'input' }),
    finish: 'stop',
    earlier: [],
    asked: [],
    cancelled: 0,
    vouchers: 0,
    worker: WORKER,
    ...changes,
  };
  const receipts: AnswerReceipt[] = [];
  async function* chat(request: ChatRequest, options?: { signal?: AbortSignal }): AsyncGenerator<ChatEvent> {
    script.asked.push(request);
    options?.signal?.addEventListener('abort', () => script.cancelled++, { once: true });
    yield { kind: 'verifying', step: 'offers' };
    yield { kind: 'worker', worker: script.worker };
    for (const piece of script.answer) {
      if (piece instanceof CodedError) throw piece;
      if (piece === 'wait') {
        await new Promise<void>((resolve) =>
          options?.signal?.addEventListener('abort', () => resolve(), { once: true }),
        );
        throw new CodedError('DEADLINE_EXCEEDED', 'cancelled');
      }
      yield { kind: 'text', text: piece };
    }
    const receipt = receiptNumber(receipts.length + 1);
    receipts.push(receipt);
    const usage = { tokensIn: 9, tokensCached: 0, tokensOut: 5 };
    yield { kind: 'done', finish: script.finish, usage, receipt, earlier: script.earlier };
    await new Promise((resolve) => setTimeout(resolve, 5));
    script.vouchers++;
    yield { kind: 'paid', payment: PAYMENT };
  }
  const model = { digest: WORKER.modelDigest, name: 'sea-stories', workers: 2, contextTokensMax: 256 };
  const client: Client = {
    models: async () => [model],
    findModel: async (wanted) => ([undefined, model.name, model.digest].includes(wanted) ? model : null),
    chat,
    embed: async () => Promise.reject(script.embedded),
    verified: () => [script.worker],
    receipts: () => receipts,
    receiptInLog: async () => ({
      index: 9,
      size: 10,
      origin: 'test.chrysalis/log',
      checks: [{ name: 'inclusion', outcome: 'passed', reason: '' }],
    }),
    payment: async () => PAYMENT,
    settle: async () => ({ ...PAYMENT, claimed: 21_000n }),
    close: async () => {},
  };
  return { client, script };
}
