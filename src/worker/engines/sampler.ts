import { type Bytes, CodedError } from '../../core/index.ts';

/** Logits as the runtime gives them. */
export type Logits = Float32Array | Float16Array | Float64Array;

/** Index of the largest of `length` values from `at`, the first among equals; allocates nothing. */
export function argmax(values: Logits, at: number, length: number): number {
  let best = at;
  let most = values[at] as number;
  for (let i = at + 1; i < at + length; i++) {
    const value = values[i] as number;
    if (value > most) {
      most = value;
      best = i;
    }
  }
  return best - at;
}

/** Numbers in [0, 1) from 16 bytes: xoshiro128** over them. Repeatable on every machine; not for keys. */
export function seededNumbers(seed: Uint8Array): () => number {
  if (seed.length !== 16) throw new CodedError('INVARIANT_BROKEN', 'a seed has 16 bytes');
  const view = new DataView(seed.buffer, seed.byteOffset, 16);
  const state = Uint32Array.of(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12));
  if (state.every((word) => word === 0)) state[0] = 1;
  const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));
  const word = (): number => {
    const [a, b, c, d] = state as unknown as [number, number, number, number];
    const out = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    state[2] = c ^ a;
    state[3] = d ^ b;
    state[1] = b ^ (state[2] as number);
    state[0] = a ^ (state[3] as number);
    state[2] = (state[2] as number) ^ (b << 9);
    state[3] = rotate(state[3] as number, 11);
    return out;
  };
  return () => word() / 2 ** 32;
}

/** 16 bytes that depend on every bit of a whole number from 0 to 2^53 - 1. */
export function seedBytes(seed: number): Bytes {
  const out = new DataView(new ArrayBuffer(16));
  let mixed = BigInt(seed);
  for (let at = 0; at < 16; at += 8) {
    mixed = BigInt.asUintN(64, mixed + 0x9e3779b97f4a7c15n);
    let z = mixed;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    out.setBigUint64(at, z ^ (z >> 31n));
  }
  return new Uint8Array(out.buffer);
}

export type Sampling = Readonly<{
  temperature: number;
  topP: number;
  topK: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** By token id, in decimal. */
  logitBias?: Readonly<Record<string, number>>;
}>;
export type Sampler = (logits: Logits, at: number) => number;

/**
 * Chooses a token from `vocabulary` logits. Temperature 0 is {@link argmax} and draws no number. Top-k comes before
 * top-p; tokens exactly as likely as the last one kept are kept too, so their order never matters.
 */
export function createSampler(vocabulary: number, sampling: Sampling, random: () => number): Sampler {
  const { presencePenalty = 0, frequencyPenalty = 0, logitBias = {} } = sampling;
  const choose = chooser(vocabulary, sampling, random);
  const biases = Object.entries(logitBias).map(([id, bias]) => [Number(id), bias] as const);
  if (presencePenalty === 0 && frequencyPenalty === 0 && biases.length === 0) return choose;
  const counts = new Map<number, number>();
  const adjusted = new Float32Array(vocabulary);
  return (logits, at) => {
    adjusted.set(logits.subarray(at, at + vocabulary));
    for (const [id, bias] of biases) if (id < vocabulary) adjusted[id] = (adjusted[id] as number) + bias;
    for (const [id, count] of counts) {
      adjusted[id] = (adjusted[id] as number) - presencePenalty - count * frequencyPenalty;
    }
    const chosen = choose(adjusted, 0);
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    return chosen;
  };
}

function chooser(vocabulary: number, sampling: Sampling, random: () => number): Sampler {
  const { temperature, topP, topK } = sampling;
  if (temperature === 0 || topP === 0 || topK === 1) return (logits, at) => argmax(logits, at, vocabulary);
  const weights = new Float64Array(vocabulary);
  const scratch = new Float64Array(vocabulary);
  return (logits, at) => {
    const most = logits[at + argmax(logits, at, vocabulary)] as number;
    let total = 0;
    for (let i = 0; i < vocabulary; i++) {
      const weight = Math.exp(((logits[at + i] as number) - most) / temperature);
      weights[i] = weight;
      total += weight;
    }
    let least = 0;
    if (topK > 0 && topK < vocabulary) {
      scratch.set(weights);
      least = largest(scratch, topK);
    }
    if (topP < 1) least = Math.max(least, nucleusFloor(weights, least, topP));
    if (least > 0) {
      total = 0;
      for (const weight of weights) if (weight >= least) total += weight;
    }
    return draw(weights, least, total * random());
  };
}

function draw(weights: Float64Array, least: number, mark: number): number {
  let left = mark;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number;
    if (weight < least || weight === 0) continue;
    last = i;
    left -= weight;
    if (left < 0) break;
  }
  return last; // rounding may leave a remainder: then the last candidate
}

/** The smallest weight inside the nucleus: the largest weights that reach `share` of all weights from `least` on. */
function nucleusFloor(weights: Float64Array, least: number, share: number): number {
  let total = 0;
  for (const weight of weights) if (weight >= least) total += weight;
  // Weights below this sum to less than the share that is cut off, so none of them can be in the nucleus.
  const floor = Math.max(least, ((1 - share) * total) / weights.length);
  const candidates = weights.filter((weight) => weight >= floor).sort();
  let sum = 0;
  for (let i = candidates.length - 1; i >= 0; i--) {
    sum += candidates[i] as number;
    if (sum >= share * total) return candidates[i] as number;
  }
  return floor;
}

/** The k-th largest value (quickselect); reorders `values`. */
function largest(values: Float64Array, k: number): number {
  let low = 0;
  let high = values.length - 1;
  const at = values.length - k;
  while (low < high) {
    const pivot = values[(low + high) >> 1] as number;
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] as number) < pivot) i++;
      while ((values[j] as number) > pivot) j--;
      if (i > j) break;
      const held = values[i] as number;
      values[i++] = values[j] as number;
      values[j--] = held;
    }
    if (at <= j) high = j;
    else if (at >= i) low = i;
    else break;
  }
  return values[at] as number;
}

/**
 * Natural logarithms of the probabilities that the model itself gives (temperature 1, nothing left out): of the chosen
 * token, and of the `count` likeliest, likeliest first.
 */
export function logProbabilities(
  logits: Logits,
  at: number,
  vocabulary: number,
  chosen: number,
  count: number,
): Readonly<{ chosen: number; top: readonly (readonly [tokenId: number, logprob: number])[] }> {
  const most = logits[at + argmax(logits, at, vocabulary)] as number;
  let sum = 0;
  for (let i = 0; i < vocabulary; i++) sum += Math.exp((logits[at + i] as number) - most);
  const logprob = (id: number) => (logits[at + id] as number) - most - Math.log(sum);
  const top: number[] = [];
  for (let id = 0; id < vocabulary && count > 0; id++) {
    const value = logits[at + id] as number;
    if (top.length === count && value <= (logits[at + (top.at(-1) as number)] as number)) continue;
    let place = top.length;
    while (place > 0 && (logits[at + (top[place - 1] as number)] as number) < value) place--;
    top.splice(place, 0, id);
    if (top.length > count) top.pop();
  }
  return { chosen: logprob(chosen), top: top.map((id) => [id, logprob(id)]) };
}
