import { aeadKey, aeadOpen, aeadSeal, kemDecapsulate, kemEncapsulate, kemPrivateKey } from '#crypto';
import { FrameKey, responseStep } from '../src/session/frames.ts';
import { KEM_XWING, sessionInfo, setupReceiver, setupSender } from '../src/session/hpke.ts';
import type { BenchLine } from './report.ts';
import { median } from './report.ts';

const ROUNDS = 7;
const OPENS = 60;
const FRAMES = 4000;
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

/** Microseconds of one call of each, medians of rounds taken in turns. */
async function compare(count: number, ours: () => unknown, floor: () => unknown): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, run] of [ours, floor].entries()) {
      const start = performance.now();
      for (let i = 0; i < count; i++) await run();
      const each = ((performance.now() - start) * 1000) / count;
      if (round > 0) (times[side] as number[]).push(each); // the first round warms up
    }
  }
  return [median(times[0]), median(times[1])];
}

function line(name: string, unit: string, [ours, floor]: [number, number], floorName: string, per = 1): BenchLine {
  return {
    name,
    value: Math.round((1e6 / ours) * per),
    unit,
    floor: { name: floorName, value: Math.round((1e6 / floor) * per) },
    // Of the rates, as everywhere: a session that costs 1.5 times its primitives shows 0.67.
    ratio: floor / ours,
  };
}

/** Sessions opened a second, both ends, against the bare KEM; and 256-byte frames sealed, chained and opened. */
export async function benchSession(): Promise<readonly BenchLine[]> {
  const key = await kemPrivateKey(KEM_XWING, bytes(32, 1));
  const info = sessionInfo(bytes(32, 2), bytes(32, 3));
  const opens = await compare(
    OPENS,
    async () => {
      const { enc } = await setupSender(KEM_XWING, key.publicKey, info);
      await setupReceiver(key, enc, info);
    },
    async () => {
      const made = await kemEncapsulate(KEM_XWING, key.publicKey);
      if (made !== null) await kemDecapsulate(key, made.enc);
    },
  );
  const [seal, open] = [new FrameKey(bytes(32, 4), bytes(12, 5)), new FrameKey(bytes(32, 4), bytes(12, 5))];
  const bare = aeadKey(bytes(32, 4));
  const plaintext = bytes(256, 6);
  const nonce = bytes(12, 5);
  const aad = bytes(1, 0);
  const frames = await compare(
    1,
    () => {
      let [sent, received] = [bytes(32, 7), bytes(32, 7)];
      for (let i = 0; i < FRAMES; i++) {
        const frame = seal.seal(i, 0, plaintext);
        sent = responseStep(sent, frame);
        received = responseStep(received, frame);
        if (open.open(i, frame) === null) throw new Error('a frame does not open');
      }
      if (sent[0] !== received[0]) throw new Error('the chains differ');
    },
    () => {
      for (let i = 0; i < FRAMES; i++) aeadOpen(bare, nonce, aad, aeadSeal(bare, nonce, aad, plaintext));
    },
  );
  return [
    line('session open, X-Wing, client and worker', 'opens/s', opens, 'bare encapsulation and decapsulation'),
    line(
      '256-byte frames, sealed, chained twice, opened',
      'frames/s',
      frames,
      'bare AES-256-GCM seal and open',
      FRAMES,
    ),
  ];
}
