import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { ed25519Key, hkdfExpand, hkdfExtract, type KemId, sha3_256, sha256, x25519 } from '#crypto';
import {
  type Bytes,
  clientNonceInput,
  concat,
  equalBytes,
  type Keyset,
  nonceTree,
  u16,
  utf8,
} from '../../src/core/index.ts';
import { exporterSecret, sessionInfo } from '../../src/session/hpke.ts';
import {
  createHello,
  createWorkerSession,
  encodePriceSheet,
  KEM_X25519,
  KEM_XWING,
  type Mode,
  type OwnHello,
  type PriceSheet,
  priceId,
  verifyOffer,
} from '../../src/session/index.ts';

/** Client and workers of the test vectors: every key and random byte follows from a name. */
export const NOW = 1_795_000_000_000;
export const filled = (length: number, value: number): Bytes => new Uint8Array(length).fill(value);
/** SHA-256 in counter mode over a name: the bytes of every seed here. */
export function drawn(name: string): (length: number) => Bytes {
  let counter = 0;
  return (length) => {
    const blocks = [];
    for (let made = 0; made < length; made += 32) blocks.push(sha256(utf8(`${name} ${counter++}`)));
    return concat(...blocks).slice(0, length);
  };
}

export const MODEL = filled(32, 4);
const BEACON = {
  network: -239,
  seqno: 1,
  blockRootHash: filled(32, 1),
  logOriginSha256: filled(32, 2),
  logSize: 3n,
  logRoot: filled(32, 4),
};
export const PRICE: PriceSheet = {
  currency: 'TON/-239',
  perMillionIn: 2_000_000n,
  perMillionCached: 500_000n,
  perMillionOut: 8_000_000n,
  unitIn: 128,
  unitOut: 64,
  notAfter: NOW + 86_400_000,
};
export const DISPATCH = ed25519Key(filled(32, 77));

/** Encapsulation with given coins, which no library call takes: ML-KEM's m (32 bytes) and an X25519 ephemeral key. */
async function encapsulate(kem: KemId, publicKey: Bytes, coins: Bytes): Promise<{ enc: Bytes; secret: Bytes }> {
  const ephemeral = coins.slice(32);
  const base = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0));
  const share = (await x25519(ephemeral, base)) as Bytes;
  if (kem === KEM_X25519) {
    const shared = (await x25519(ephemeral, publicKey)) as Bytes;
    const id = concat(utf8('KEM'), u16(KEM_X25519));
    const prk = hkdfExtract(filled(0, 0), concat(utf8('HPKE-v1'), id, utf8('eae_prk'), shared));
    const info = concat(u16(32), utf8('HPKE-v1'), id, utf8('shared_secret'), share, publicKey);
    return { enc: share, secret: hkdfExpand(prk, info, 32) };
  }
  const recipient = publicKey.subarray(1184);
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey.subarray(0, 1184), coins.slice(0, 32));
  const x = (await x25519(ephemeral, recipient)) as Bytes;
  const secret = sha3_256(concat(sharedSecret, x, share, recipient, utf8('\\.//^\\')));
  return { enc: concat(cipherText, share), secret };
}

function makeWorker(id: number) {
  const [identitySeed, receiptSeed] = [filled(32, id), filled(32, id + 100)];
  const [identityKey, receiptKey] = [ed25519Key(identitySeed), ed25519Key(receiptSeed)];
  const keyset: Keyset = {
    identityKey: identityKey.publicKey,
    receiptKey: receiptKey.publicKey,
    transportSpkiSha256: filled(32, 3),
    versions: [1],
    suites: [KEM_XWING, KEM_X25519],
    payee: { workchain: 0, account: filled(32, id) },
    notAfter: NOW + 86_400_000,
  };
  const seeds: Bytes[] = [];
  const random = drawn(`worker ${id}`);
  const session = createWorkerSession({
    identityKey,
    receiptKey,
    keyset,
    model: MODEL,
    priceSheet: (wanted) => (equalBytes(wanted, priceId(encodePriceSheet(PRICE))) ? PRICE : null),
    dispatchKey: () => DISPATCH.publicKey,
    limits: { usedMax: 100, contextsMax: 100, requestBytesMax: 1 << 20, outputTokensMax: 4096 },
    now: () => NOW,
    monotonic: () => 0,
    releaseMemory: () => undefined,
    randomness: (length) => {
      const bytes = random(length);
      seeds.push(Uint8Array.from(bytes)); // the session overwrites what it was given
      return bytes;
    },
  });
  const evidenceDigest = filled(32, id + 50);
  session.setEvidence({ evidenceDigest, beacon: BEACON });
  return { id, session, keyset, evidenceDigest, seeds, identitySeed, receiptSeed };
}
type VectorWorker = ReturnType<typeof makeWorker>;

async function offered(worker: VectorWorker, own: OwnHello) {
  const { epoch, digests } = await worker.session.epochKeyDigests();
  const tree = nonceTree([clientNonceInput(filled(32, 200)), clientNonceInput(own.digest)]);
  const nonceProof = tree.proofs[1] as (typeof tree.proofs)[number];
  const quoted = { evidenceDigest: worker.evidenceDigest, beacon: BEACON, epoch, nonceProof };
  const offer = await worker.session.makeOffer(own.bytes, own.hello.mode === 2 ? quoted : undefined);
  const attested = {
    keyset: worker.keyset,
    evidenceDigest: worker.evidenceDigest,
    nonceRoot: tree.root,
    epochKeyDigests: digests,
    model: MODEL,
    madeAt: NOW - 1000,
    deadline: NOW + 3_600_000,
  };
  const policy = { leastMode: own.hello.mode, evidenceAgeMsMax: 600_000, model: MODEL };
  const verdict = await verifyOffer(offer, own, attested, policy, NOW);
  if (verdict.verdict !== 'verified') throw new Error(`the offer is refused: ${verdict.failed.join()}`);
  return { offer, verified: verdict.offer, nonceRoot: tree.root, epochKeyDigests: digests };
}

export type HandshakePlan = Readonly<{
  name: string;
  suites: readonly KemId[];
  mode: Mode;
  workers: readonly number[];
}>;

/** The handshake of one exchange, with its encapsulations made from named coins. */
export async function handshake(plan: HandshakePlan) {
  const own = createHello(
    { mode: plan.mode, model: MODEL, policyDigest: filled(32, 6), suites: plan.suites },
    drawn(`hello of ${plan.name}`),
  );
  const candidates = [];
  for (const id of plan.workers) {
    const worker = makeWorker(id);
    const { offer, verified, nonceRoot, epochKeyDigests } = await offered(worker, own);
    const { kem, publicKey } = verified.certificate;
    const coins = drawn(`coins of ${plan.name}, worker ${id}`)(64);
    const { enc, secret } = await encapsulate(kem, publicKey, coins);
    const info = sessionInfo(own.digest, verified.certificateDigest);
    const sharedSecret = Uint8Array.from(secret);
    const exporter = exporterSecret(kem, secret, info);
    candidates.push({ worker, offer, verified, nonceRoot, epochKeyDigests, coins, enc, sharedSecret, info, exporter });
  }
  return { own, candidates };
}
export type Handshake = Awaited<ReturnType<typeof handshake>>;
