import type {
  AnswerFacts,
  NamedCheck,
  PaymentFacts,
  ProofFacts,
  ReceiptFacts,
  WorkerFacts,
} from '../../client/index.ts';
import { CodedError, type ErrorCode, KIND_OF_CODE, type MonotonicClock } from '../../core/index.ts';
import { codedFromSystem } from '../output.ts';
import type { AnchorFacts, PayoutFacts, SettlementReader } from './settled.ts';
import { serverSentEvents } from './sse.ts';

export const TOUR_QUESTION = 'Write one sentence about the sea.';
const TOUR_TOKENS_MAX = 48;
/** For the whole tour, in milliseconds. */
const TOUR_DEADLINE_MS = 90_000;

/** What the tour found, fact by fact; each is there only because it was checked. */
export type TourDocument = Readonly<{
  question: string;
  answer: string;
  model: string;
  worker: Omit<WorkerFacts, 'checks'>;
  checks: WorkerFacts['checks'];
  /** Every worker that the gateway verified with its checks, the one that answered first. */
  workers: readonly WorkerFacts[];
  receipt: ReceiptFacts;
  logProof: Readonly<{ admission: WorkerFacts['admission']; receipt: ProofFacts }>;
  payment: PaymentFacts & Readonly<{ onChain: true }>;
  /** What the worker has had from the pool, with this answer's part in it. */
  payout: PayoutFacts;
  /** The head on chain under which the receipt's entry is. */
  anchor: AnchorFacts;
  timings: Readonly<{ firstTextMs: number; answerMs: number; proofMs: number; settleMs: number; payoutMs: number }>;
}>;

/** Told of each step as it happens. */
export type TourScreen = Readonly<{
  asked(question: string): void;
  /** The one that answers first. */
  verified(workers: readonly WorkerFacts[]): void;
  text(piece: string): void;
  answered(receipt: ReceiptFacts): void;
  proved(proof: ProofFacts): void;
  paid(payment: PaymentFacts): void;
  settled(payout: PayoutFacts, anchor: AnchorFacts): void;
}>;

export type TourDeps = Readonly<{
  gateway: string;
  settlement: SettlementReader;
  /** Names of the workers. */
  workers: readonly string[];
  fetch: typeof fetch;
  clock: MonotonicClock;
  screen: TourScreen;
  signal: AbortSignal;
}>;

/**
 * One chat request through the whole path, by the gateway's own HTTP API as any client would send it, then its
 * receipt, the log's proof, the claim on chain, the worker's pay from the pool and the log's head on chain.
 * @throws CodedError where a step fails, or where a fact that must hold does not
 */
export async function runTour(deps: TourDeps): Promise<TourDocument> {
  const signal = AbortSignal.any([deps.signal, AbortSignal.timeout(TOUR_DEADLINE_MS)]);
  const ask = asker(deps, signal);
  const models = (await ask('GET', '/v1/models')) as { data: readonly { id: string }[] };
  const model = models.data[0]?.id;
  if (model === undefined) throw failed('no worker offers a model');
  const before = await Promise.all(deps.workers.map((name) => deps.settlement.paid(name)));
  const started = deps.clock();
  deps.screen.asked(TOUR_QUESTION);
  const response = await send(deps, signal, '/v1/chat/completions', {
    model,
    messages: [{ role: 'user', content: TOUR_QUESTION }],
    temperature: 0,
    max_tokens: TOUR_TOKENS_MAX,
    stream: true,
  });
  const workers = await verifiedWorkers(ask, response.headers.get('x-chrysalis-worker') ?? '');
  const [worker] = workers;
  deps.screen.verified(workers);
  const said = await readAnswer(response, deps, started);
  requireAll('receipt', said.facts.receipt.checks);
  if (said.facts.receipt.worker !== worker.worker)
    throw failed('the receipt is of another worker than the one verified');
  deps.screen.answered(said.facts.receipt);
  const answered = deps.clock();
  const receipt = (await ask('GET', `/v1/receipts/${said.facts.receipt.id}`)) as { log_proof: ProofFacts };
  requireAll('log', receipt.log_proof.checks);
  deps.screen.proved(receipt.log_proof);
  const proved = deps.clock();
  const payment = (await ask('POST', '/v1/settle')) as PaymentFacts;
  if (BigInt(payment.claimed) < BigInt(said.facts.receipt.amount) || BigInt(payment.claimed) === 0n) {
    throw failed(`the chain shows ${payment.claimed} claimed, the receipt says ${said.facts.receipt.amount}`);
  }
  deps.screen.paid(payment);
  const claimed = deps.clock();
  const had = before[deps.workers.indexOf(worker.name)] ?? 0n;
  const earned = deps.settlement.share(BigInt(said.facts.receipt.amount));
  const [payout, anchor] = await Promise.all([
    deps.settlement.paidAtLeast(worker.name, had + earned, signal),
    deps.settlement.anchored(receipt.log_proof.index, signal),
  ]);
  deps.screen.settled(payout, anchor);
  const { checks, ...workerOnly } = worker;
  return {
    question: TOUR_QUESTION,
    answer: said.answer,
    model,
    worker: workerOnly,
    checks,
    workers,
    receipt: said.facts.receipt,
    logProof: { admission: worker.admission, receipt: receipt.log_proof },
    payment: { ...payment, onChain: true },
    payout,
    anchor,
    timings: {
      firstTextMs: Math.round(said.firstTextMs),
      answerMs: Math.round(answered - started),
      proofMs: Math.round(proved - answered),
      settleMs: Math.round(claimed - proved),
      payoutMs: Math.round(deps.clock() - claimed),
    },
  };
}

function failed(what: string): CodedError {
  return new CodedError('TOUR_FAILED', `the first request did not hold: ${what}`);
}

/** At least one check, and every one passed. */
function requireAll(group: string, checks: readonly NamedCheck[]): void {
  if (checks.length === 0) throw failed(`nothing was checked of the ${group}`);
  const bad = checks.find((check) => check.outcome !== 'passed');
  if (bad !== undefined) throw failed(`${group} check ${bad.name}: ${bad.outcome} ${bad.reason}`);
}

/** Groups without which a worker is not verified, whatever else was checked. */
const REQUIRED_GROUPS = ['cpu', 'binding', 'log'] as const;

async function verifiedWorkers(ask: Ask, id: string): Promise<readonly [WorkerFacts, ...WorkerFacts[]]> {
  const facts = (await ask('GET', '/v1/attestation')) as { data: readonly WorkerFacts[] };
  const worker = facts.data.find((one) => one.worker === id);
  if (worker === undefined) throw failed('the gateway does not say which worker it verified');
  const others = facts.data.filter((one) => one !== worker);
  for (const one of [worker, ...others]) requireVerified(one);
  return [worker, ...others];
}

function requireVerified({ name, checks }: WorkerFacts): void {
  for (const group of REQUIRED_GROUPS) {
    const passed = (checks[group] ?? []).some((check) => check.outcome === 'passed');
    if (!passed) throw failed(`nothing was verified of the ${group} of ${name}`);
  }
  // What was not run stands in the result with its reason; the client's policy has judged whether that may be.
  const bad = Object.values(checks)
    .flat()
    .find((check) => check.outcome === 'failed');
  if (bad !== undefined) throw failed(`check ${bad.name} of ${name}: ${bad.reason}`);
}

type Said = { answer: string; facts: AnswerFacts; firstTextMs: number };

async function readAnswer(response: Response, deps: TourDeps, started: number): Promise<Said> {
  if (response.body === null) throw failed('an empty response');
  let answer = '';
  let facts: AnswerFacts | null = null;
  let firstTextMs = 0;
  let complete = false;
  for await (const data of serverSentEvents(response.body)) {
    if (data === '[DONE]') {
      complete = true;
      continue;
    }
    const event = JSON.parse(data) as {
      error?: unknown;
      choices?: readonly { delta?: { content?: string } }[];
      chrysalis?: AnswerFacts;
    };
    if (event.error !== undefined) throw refusal(event);
    const text = event.choices?.[0]?.delta?.content ?? '';
    if (text !== '') {
      if (answer === '') firstTextMs = deps.clock() - started;
      answer += text;
      deps.screen.text(text);
    }
    facts = event.chrysalis ?? facts;
  }
  if (!complete || facts === null) throw failed('the answer ended without its receipt');
  if (answer.trim() === '') throw failed('an empty answer');
  return { answer, facts, firstTextMs };
}

type Ask = (method: 'GET' | 'POST', path: string) => Promise<unknown>;

function asker(deps: TourDeps, signal: AbortSignal): Ask {
  return async (method, path) => {
    const response = await send(deps, signal, path, method === 'POST' ? {} : undefined);
    return response.json();
  };
}

async function send(deps: TourDeps, signal: AbortSignal, path: string, body?: unknown): Promise<Response> {
  const init: RequestInit = body === undefined ? { signal } : { signal, method: 'POST', body: JSON.stringify(body) };
  let response: Response;
  try {
    response = await deps.fetch(deps.gateway + path, { ...init, headers: { 'content-type': 'application/json' } });
  } catch (thrown) {
    if (signal.aborted) throw new CodedError('DEADLINE_EXCEEDED', `the gateway did not answer ${path} in time`);
    throw codedFromSystem(thrown);
  }
  if (!response.ok) throw refusal(await response.json().catch(() => ({})));
  return response;
}

/** The gateway's error, with its own code where it is one of ours. */
function refusal(json: unknown): CodedError {
  const error = ((json as { error?: unknown }).error ?? {}) as { code?: unknown; message?: unknown };
  const known = typeof error.code === 'string' && error.code in KIND_OF_CODE;
  const message = typeof error.message === 'string' ? error.message : 'no reason given';
  return new CodedError(known ? (error.code as ErrorCode) : 'TOUR_FAILED', `the first request failed: ${message}`);
}
