import { ed25519Key } from '#crypto';
import { type Bytes, clientNonceInput, type Keyset, nonceTree, type Randomness } from '../../src/core/index.ts';
import {
  type AttestedWorker,
  createHello,
  createWorkerSession,
  encodePriceSheet,
  headerHash,
  type IncomingRequest,
  KEM_X25519,
  KEM_XWING,
  type Mode,
  type OwnHello,
  openSession,
  type PriceSheet,
  parseHeader,
  priceId,
  type RequestAsk,
  RequestDigest,
  type SealedOpen,
  signDispatch,
  type VerifiedOffer,
  verifyOffer,
  type WorkerSession,
} from '../../src/session/index.ts';

/** Deterministic bytes for tests: a counter, never equal twice. */
export function testRandomness(seed = 1): Randomness {
  let state = seed >>> 0 || 1;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      state >>>= 0;
      return state & 0xff;
    });
}

export const START = 1_795_000_000_000;
export const bytes = (length: number, value: number): Bytes => new Uint8Array(length).fill(value);
export const MODEL = bytes(32, 4);
export const BEACON = {
  network: -239,
  seqno: 1,
  blockRootHash: bytes(32, 1),
  logOriginSha256: bytes(32, 2),
  logSize: 3n,
  logRoot: bytes(32, 4),
};
export const PRICE: PriceSheet = {
  currency: 'TON/-239',
  perMillionIn: 2_000_000n,
  perMillionCached: 500_000n,
  perMillionOut: 8_000_000n,
  unitIn: 128,
  unitOut: 64,
  notAfter: START + 86_400_000,
};
export const DISPATCH_KEY = ed25519Key(bytes(32, 77));

export type World = { now: number; monotonic: number };

export type TestWorker = Readonly<{ session: WorkerSession; keyset: Keyset; evidenceDigest: Bytes }>;

export function makeWorker(
  world: World,
  id: number,
  options: Readonly<{ suites?: readonly number[]; usedMax?: number; contextsMax?: number }> = {},
): TestWorker {
  const identityKey = ed25519Key(bytes(32, id));
  const receiptKey = ed25519Key(bytes(32, id + 100));
  const keyset: Keyset = {
    identityKey: identityKey.publicKey,
    receiptKey: receiptKey.publicKey,
    transportSpkiSha256: bytes(32, 3),
    versions: [1],
    suites: options.suites ?? [KEM_XWING, KEM_X25519],
    payee: { workchain: 0, account: bytes(32, id) },
    notAfter: START + 86_400_000,
  };
  const session = createWorkerSession({
    identityKey,
    receiptKey,
    keyset,
    model: MODEL,
    priceSheet: (wanted) => (Buffer.compare(wanted, priceId(encodePriceSheet(PRICE))) === 0 ? PRICE : null),
    dispatchKey: () => DISPATCH_KEY.publicKey,
    limits: {
      usedMax: options.usedMax ?? 1000,
      contextsMax: options.contextsMax ?? 100,
      requestBytesMax: 1 << 20,
      outputTokensMax: 4096,
    },
    now: () => world.now,
    monotonic: () => world.monotonic,
    randomness: testRandomness(id * 7919),
    releaseMemory: () => undefined,
  });
  const evidenceDigest = bytes(32, id + 50);
  session.setEvidence({ evidenceDigest, beacon: BEACON });
  return { session, keyset, evidenceDigest };
}

/** What appraisal would say of this worker; in mode 2 of evidence made for this Hello. */
export async function offerOf(
  worker: TestWorker,
  own: OwnHello,
): Promise<Readonly<{ offer: Bytes; attested: AttestedWorker }>> {
  const { epoch, digests } = await worker.session.epochKeyDigests();
  const tree = nonceTree([clientNonceInput(bytes(32, 200)), clientNonceInput(own.digest)]);
  const quoted = { evidenceDigest: worker.evidenceDigest, beacon: BEACON, epoch, nonceProof: tree.proofs[1]! };
  const offer = await worker.session.makeOffer(own.bytes, own.hello.mode === 2 ? quoted : undefined);
  const attested: AttestedWorker = {
    keyset: worker.keyset,
    evidenceDigest: worker.evidenceDigest,
    nonceRoot: tree.root,
    epochKeyDigests: digests,
    model: MODEL,
    madeAt: START - 1000,
    deadline: START + 3_600_000,
  };
  return { offer, attested };
}

export const policyOf = (mode: Mode) => ({ leastMode: mode, evidenceAgeMsMax: 600_000, model: MODEL });

export async function verifiedOffer(world: World, worker: TestWorker, own: OwnHello): Promise<VerifiedOffer> {
  const { offer, attested } = await offerOf(worker, own);
  const verdict = await verifyOffer(offer, own, attested, policyOf(own.hello.mode), world.now);
  if (verdict.verdict !== 'verified') throw new Error(`refused: ${verdict.failed.join()}`);
  return verdict.offer;
}

export function helloOf(mode: Mode, suites?: readonly number[], seed = 5): OwnHello {
  const ask = { mode, model: MODEL, policyDigest: bytes(32, 6), ...(suites === undefined ? {} : { suites }) };
  return createHello(ask, testRandomness(seed));
}

export async function sessionWith(
  world: World,
  workers: readonly TestWorker[],
  mode: Mode = 1,
  suites?: readonly number[],
) {
  const own = helloOf(mode, suites);
  const offers = await Promise.all(workers.map((worker) => verifiedOffer(world, worker, own)));
  return openSession(own, offers, world.now);
}

export const askOf = (message: Uint8Array, more: Partial<RequestAsk> = {}): RequestAsk => ({
  message,
  paymentRef: bytes(16, 10),
  price: PRICE,
  priceCap: 1_000_000n,
  outputTokensMax: 512,
  dispatchesMax: 2,
  deadline: START + 60_000,
  ...more,
});

/** What an honest router hands to the candidate at `place`. */
export async function dispatched(
  open: SealedOpen,
  frames: readonly Bytes[],
  place = 0,
  attach = true,
  dispatch = 1,
): Promise<IncomingRequest> {
  const hash = headerHash(open.header);
  const digest = new RequestDigest(hash, open.commit);
  for (const frame of frames) digest.push(frame);
  const { candidates } = parseHeader(open.header);
  const of = {
    headerHash: hash,
    requestDigest: digest.value,
    certificateDigest: candidates[place]!.certificateDigest,
    dispatch,
  };
  return {
    header: open.header,
    authorization: open.authorization,
    commit: open.commit,
    wrap: open.candidates[place]!.wrap,
    enc: attach ? open.candidates[place]!.enc : bytes(0, 0),
    hello: attach ? open.hello : bytes(0, 0),
    frames,
    dispatch,
    dispatchSignature: await signDispatch(DISPATCH_KEY, of),
  };
}
