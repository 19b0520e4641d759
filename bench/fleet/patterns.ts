import { exponential, lognormal, seededRandom } from './random.ts';

/** One turn of a conversation: its prompt holds all turns before it. Times in ms, sizes in tokens. */
export type Turn = Readonly<{ at: number; tokensIn: number; tokensOut: number; prefix: number }>;
export type Conversation = Readonly<{ account: number; turns: readonly Turn[] }>;
export type WorkerTruth = Readonly<{
  slots: number;
  slotsSaid: number;
  prefillPerSecond: number;
  secondsPerToken: number;
  /** Share of requests that it drops before it answers. */
  failing: number;
}>;
export type Pattern = Readonly<{
  name: string;
  title: string;
  conversations: readonly Conversation[];
  workers: readonly WorkerTruth[];
  accounts: number;
  requests: number;
  /** Tokens, of prompts and answers, that the fleet can do in a second where no prompt is cached. */
  tokensPerSecond: number;
}>;

export type Shape = Readonly<{
  name: string;
  title: string;
  /** Of what the honest fleet can do. */
  load: number;
  /** Relative rate of arrivals at a time. */
  rhythm: (ms: number) => number;
  prompt: (random: () => number) => number;
  /** Share of conversations that account 0 starts; the others share the rest. */
  greedy: number;
  slow: number;
  lying: number;
  failing: number;
}>;

const even = () => 1;
const shortPrompt = (random: () => number) => lognormal(random, 500, 0.9);
const longPrompt = (random: () => number) =>
  random() < 0.08 ? lognormal(random, 24_000, 0.4) : lognormal(random, 700, 1);
const STEADY = { load: 0.7, rhythm: even, prompt: shortPrompt, greedy: 0, slow: 0, lying: 0, failing: 0 };

/** Synthetic: drawn from the distributions named here with a seed, not taken from anybody's traffic. */
export const SHAPES: readonly Shape[] = [
  { ...STEADY, name: 'steady', title: 'Steady arrivals, 70 % load' },
  {
    ...STEADY,
    name: 'bursts',
    title: 'Bursts of four times the rate, 60 % load',
    load: 0.6,
    rhythm: (ms) => (ms % 20_000 < 4_000 ? 4 : 0.25),
  },
  { ...STEADY, name: 'long-prompts', title: 'Some prompts of 24,000 tokens, 70 % load', prompt: longPrompt },
  {
    ...STEADY,
    name: 'bad-workers',
    title: 'A tenth slow, a twentieth lying about slots, a fiftieth failing; 65 % load',
    load: 0.65,
    slow: 0.1,
    lying: 0.05,
    failing: 0.02,
  },
  { ...STEADY, name: 'greedy', title: 'Twice the capacity, most of it by one account', load: 2, greedy: 0.8 },
];

const ACCOUNTS = 50;
const TURNS_MEAN = 4;
const TURNS_MAX = 12;
const THINK_MS = 15_000;
const CONTEXT_MAX = 60_000;

export function fleet(
  shape: Pick<Shape, 'slow' | 'lying' | 'failing'>,
  count: number,
  random: () => number,
): WorkerTruth[] {
  return Array.from({ length: count }, () => {
    const slots = 4 + Math.floor(random() * 13);
    const isSlow = random() < shape.slow;
    const pace = isSlow ? 0.25 : 1;
    return {
      slots,
      slotsSaid: random() < shape.lying ? slots * 4 : slots,
      prefillPerSecond: pace * lognormal(random, 8_000, 0.3),
      secondsPerToken: lognormal(random, 0.02, 0.2) / pace,
      failing: random() < shape.failing ? 0.5 : 0,
    };
  });
}

function conversation(shape: Shape, at: number, account: number, random: () => number): Conversation {
  const turns: Turn[] = [];
  let prefix = 0;
  for (let i = 0; i < TURNS_MAX; i++) {
    const said = Math.max(16, Math.round(i === 0 ? shape.prompt(random) : lognormal(random, 80, 0.8)));
    const tokensOut = Math.max(8, Math.min(2_000, Math.round(lognormal(random, 180, 0.7))));
    const tokensIn = Math.min(CONTEXT_MAX, prefix + said);
    turns.push({ at, tokensIn, tokensOut, prefix });
    prefix = Math.min(CONTEXT_MAX, tokensIn + tokensOut);
    if (random() < 1 / TURNS_MEAN) break;
    at += tokensOut * 25 + exponential(random, THINK_MS);
  }
  return { account, turns };
}

/** What a fleet does in a second of requests of this mean size, where no prompt is cached. */
export function requestsPerSecond(workers: readonly WorkerTruth[], tokensIn: number, tokensOut: number): number {
  return workers.reduce((sum, { slots, prefillPerSecond, secondsPerToken }) => {
    const decode = slots / (tokensOut * secondsPerToken * CROWD_MEAN);
    return sum + 1 / (1 / decode + tokensIn / prefillPerSecond);
  }, 0);
}

/** @param requests at least this many turns in all */
export function makePattern(shape: Shape, workers: number, requests: number, seed: number): Pattern {
  const random = seededRandom(seed);
  const truths = fleet(shape, workers, random);
  const sample = Array.from({ length: 2_000 }, () => conversation(shape, 0, 0, random)).flatMap(({ turns }) => turns);
  const mean = (of: (turn: Turn) => number) => sample.reduce((sum, turn) => sum + of(turn), 0) / sample.length;
  const [tokensIn, tokensOut] = [mean((turn) => turn.tokensIn), mean((turn) => turn.tokensOut)];
  const turnsEach = sample.length / 2_000;
  const perSecond = requestsPerSecond(truths, tokensIn, tokensOut);
  const gapMs = (1000 * turnsEach) / (perSecond * shape.load);
  const conversations: Conversation[] = [];
  let made = 0;
  for (let at = 0; made < requests; ) {
    at += exponential(random, gapMs) / shape.rhythm(at);
    const isGreedy = random() < shape.greedy;
    const account = isGreedy ? 0 : 1 + Math.floor(random() * (ACCOUNTS - 1));
    const next = conversation(shape, at, account, random);
    conversations.push(next);
    made += next.turns.length;
  }
  const { name, title } = shape;
  const tokensPerSecond = perSecond * (tokensIn + tokensOut);
  return { name, title, conversations, workers: truths, accounts: ACCOUNTS, requests: made, tokensPerSecond };
}

/** A full batch makes each of its tokens this much slower; `CROWD_MEAN` is what a fleet at work sees on average. */
export const CROWD = 0.6;
const CROWD_MEAN = 1 + CROWD * 0.8;
