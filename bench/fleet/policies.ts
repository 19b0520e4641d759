import { Dispatcher, type Place } from '../../src/router/routing/index.ts';
import type { VirtualTime } from './events.ts';
import type { Pattern, Turn } from './patterns.ts';

export type Asked = Readonly<{ conversation: number; account: number; turn: Turn; deadline: number }>;
export type Placed = Readonly<{
  worker: number;
  firstToken(): void;
  /** @param tokensCached null where the worker dropped the request: the policy then answers again */
  ended(tokensCached: number | null): void;
}>;
/** @param retryAfterMs null where the policy says nothing of when to come again */
export type Answer = Readonly<{ place: (placed: Placed) => void; refuse: (retryAfterMs: number | null) => void }>;
export type Policy = Readonly<{ submit(asked: Asked, answer: Answer): void }>;
export type MakePolicy = (pattern: Pattern, time: VirtualTime, random: () => number) => Policy;

const nothing = () => undefined;

const roundRobin: MakePolicy = ({ workers }) => {
  let next = 0;
  return {
    submit(_, { place, refuse }) {
      next = (next + 1) % workers.length;
      place({ worker: next, firstToken: nothing, ended: (cached) => cached === null && refuse(null) });
    },
  };
};

const leastLoaded: MakePolicy = ({ workers }) => {
  const running = new Float64Array(workers.length);
  return {
    submit(_, { place, refuse }) {
      let worker = 0;
      for (let id = 1; id < running.length; id++) {
        if ((running[id] as number) < (running[worker] as number)) worker = id;
      }
      running[worker] = (running[worker] as number) + 1;
      place({
        worker,
        firstToken: nothing,
        ended: (cached) => {
          running[worker] = (running[worker] as number) - 1;
          if (cached === null) refuse(null);
        },
      });
    },
  };
};

/** Running requests times mean duration, the least in the order of connecting; none free is an error at once. */
const cocoon: MakePolicy = ({ workers }, time) => {
  const running = new Float64Array(workers.length);
  const means = new Float64Array(workers.length);
  const slots = Float64Array.from(workers, ({ slotsSaid }) => slotsSaid);
  return {
    submit(_, { place, refuse }) {
      let worker = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let id = 0; id < slots.length; id++) {
        const score = (running[id] as number) * (means[id] as number);
        if ((running[id] as number) >= (slots[id] as number) || score >= least) continue;
        least = score;
        worker = id;
        if (score === 0) break;
      }
      if (worker < 0) {
        refuse(null);
        return;
      }
      const started = time.now();
      running[worker] = (running[worker] as number) + 1;
      place({
        worker,
        firstToken: nothing,
        ended: (cached) => {
          running[worker] = (running[worker] as number) - 1;
          if (cached === null) refuse(null);
          means[worker] = (means[worker] as number) + 0.05 * (time.now() - started - (means[worker] as number));
        },
      });
    },
  };
};

const OFFERS = 3;
const TAG_BYTES = 48;
const DISPATCHES_MAX = 2;

/** The router's own code: ranked offers once a conversation, and a dispatcher that chooses among their candidates. */
const chrysalis =
  (withTags: boolean): MakePolicy =>
  ({ workers }, time, random) => {
    const ids = workers.map((_, id) => id);
    const dispatcher = new Dispatcher<number>({ now: time.now, random, schedule: time.schedule });
    for (const [id, { slotsSaid }] of workers.entries()) dispatcher.add(id, slotsSaid);
    const offers = new Map<number, readonly number[]>();
    /** A request that comes again has the same. */
    const tagsKnown = new WeakMap<Asked, Uint8Array>();
    const tagsFor = (asked: Asked): Uint8Array => {
      const known = tagsKnown.get(asked) ?? tagsOf(asked.conversation, asked.turn.tokensIn, random);
      tagsKnown.set(asked, known);
      return known;
    };
    const attempt = (asked: Asked, candidates: readonly number[], left: number, answer: Answer): void => {
      const { conversation, account, turn, deadline } = asked;
      const tags = withTags ? tagsFor(asked) : null;
      const work = { tokensIn: turn.tokensIn, tokensOut: 256 };
      const settle = (got: Place<number> | Readonly<{ retryAfterMs: number }>) => {
        if (!('worker' in got)) {
          offers.delete(conversation);
          answer.refuse(got.retryAfterMs);
          return;
        }
        answer.place({
          worker: got.worker,
          firstToken: got.firstPart,
          ended: (tokensCached) => {
            if (tokensCached !== null) {
              got.finish('answered', { tokensIn: turn.tokensIn, tokensCached, tokensOut: turn.tokensOut });
              return;
            }
            got.finish('failed', null);
            const others = candidates.filter((id) => id !== got.worker);
            if (left > 1 && others.length > 0) attempt(asked, others, left - 1, answer);
            else answer.refuse(null);
          },
        });
      };
      dispatcher.submit({ account: String(account), work, priority: 0, deadline, tags, candidates }, settle);
    };
    return {
      submit(asked, answer) {
        const { conversation, turn } = asked;
        let candidates = offers.get(conversation);
        if (candidates === undefined) {
          candidates = dispatcher.rank(ids, { tokensIn: turn.tokensIn, tokensOut: 256 }, null, OFFERS);
          offers.set(conversation, candidates);
        }
        attempt(asked, candidates, DISPATCHES_MAX, answer);
      },
    };
  };

function tagsOf(conversation: number, tokensIn: number, random: () => number): Uint8Array {
  const tags = new DataView(new ArrayBuffer(TAG_BYTES));
  for (let i = 0; i < 8; i++) {
    const isPrefix = tokensIn >= 1024 * 2 ** i;
    tags.setUint16(i * 6, isPrefix ? i : 8 + Math.floor(random() * 60_000));
    tags.setUint32(i * 6 + 2, isPrefix ? conversation : Math.floor(random() * 2 ** 32));
  }
  return new Uint8Array(tags.buffer);
}

export const POLICIES: Readonly<Record<string, MakePolicy>> = {
  'round robin': roundRobin,
  'least loaded': leastLoaded,
  "Cocoon's rule": cocoon,
  'Chrysalis, no tags': chrysalis(false),
  'Chrysalis, prefix tags': chrysalis(true),
};
