import {
  aeadKey,
  aeadOpen,
  aeadSeal,
  ed25519Key,
  ed25519Sign,
  ed25519Verify,
  kemDecapsulate,
  kemEncapsulate,
  kemPrivateKey,
} from '#crypto';
import { sessionInfo, setupReceiver, setupSender } from '../src/session/hpke.ts';
import { KEM_X25519, KEM_XWING, openResponse, openSession, sealRequest, verifyOffer } from '../src/session/index.ts';
import {
  askOf,
  dispatched,
  helloOf,
  makeWorker,
  offerOf,
  policyOf,
  START,
  sessionWith,
  testRandomness,
} from '../tests/session/world.ts';
import type { BenchLine } from './report.ts';
import { quantile } from './report.ts';

const ROUNDS = 24;
const OPENS = 60;
const FRAMES = 4000;
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

/** Microseconds of processor time of one call of each: others share this machine. The tenth that was disturbed least of rounds taken in turns. */
async function compare(count: number, ours: () => unknown, floor: () => unknown): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [side, run] of [ours, floor].entries()) {
      const start = process.cpuUsage();
      for (let i = 0; i < count; i++) await run();
      const { user, system } = process.cpuUsage(start);
      const each = (user + system) / count;
      if (round > 0) (times[side] as number[]).push(each); // the first round warms up
    }
  }
  return [quantile(times[0], 0.1), quantile(times[1], 0.1)];
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

/** Sessions opened a second of one core, against the bare primitives; and 256-byte frames from worker to client. */
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
  const whole = await benchWholeOpen();
  const frames = await benchFrames();
  return [
    line('session open, X-Wing, client and worker', 'opens/s', opens, 'bare encapsulation and decapsulation'),
    line(
      'session open, client, its offer verified',
      'opens/s',
      whole,
      'bare: a key, two signatures checked, encapsulation',
    ),
    line(
      'sealed 256-byte frames, worker to client, whole',
      'frames/s',
      frames,
      'bare AES-256-GCM seal and open',
      FRAMES,
    ),
  ];
}

/** A client's whole way to an open session against the primitives that it can't do without. */
async function benchWholeOpen(): Promise<[number, number]> {
  const world = { now: START, monotonic: 0 };
  const worker = makeWorker(world, 1, { suites: [KEM_XWING] });
  const own = helloOf(1, [KEM_XWING]);
  const { offer, attested } = await offerOf(worker, own);
  const { keyset } = worker;
  const message = bytes(32, 1);
  const signature = await ed25519Sign(ed25519Key(bytes(32, 1)), message);
  const epoch = await kemPrivateKey(KEM_XWING, bytes(32, 1));
  return compare(
    OPENS,
    async () => {
      helloOf(1, [KEM_XWING]);
      const verdict = await verifyOffer(offer, own, attested, policyOf(1), START);
      if (verdict.verdict !== 'verified') throw new Error('the offer is refused');
      (await openSession(own, [verdict.offer], START)).close();
    },
    async () => {
      ed25519Key(bytes(32, 5));
      // Of the certificate and of the live proof.
      for (let i = 0; i < 2; i++) await ed25519Verify(keyset.identityKey, message, signature);
      await kemEncapsulate(KEM_XWING, epoch.publicKey);
    },
  );
}

/** Everything that is done for a frame on both sides: padding, sealing, chain, commitment; opening, checks, the same. */
async function benchFrames(): Promise<[number, number]> {
  const world = { now: START, monotonic: 0 };
  const worker = makeWorker(world, 1, { suites: [KEM_X25519], usedMax: 1_000 });
  const session = await sessionWith(world, [worker], 1, [KEM_X25519]);
  const random = testRandomness(3);
  const message = bytes(252, 65);
  const bare = aeadKey(bytes(32, 4));
  const [plaintext, nonce, aad] = [bytes(256, 6), bytes(12, 5), bytes(1, 0)];
  return compare(
    1,
    async () => {
      const { open, frames, sent } = await sealRequest(session, askOf(bytes(40, 65)), START, random);
      const { respond } = await worker.session.accept(await dispatched(open, frames));
      const reader = openResponse(sent, respond.preface);
      for (let i = 0; i < FRAMES; i++) reader.push(respond.data(message));
    },
    () => {
      for (let i = 0; i < FRAMES; i++) aeadOpen(bare, nonce, aad, aeadSeal(bare, nonce, aad, plaintext));
    },
  );
}
