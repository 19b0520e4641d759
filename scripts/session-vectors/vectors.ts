/**
 * Whole AIS/1 exchanges from fixed seeds, every intermediate value in hex, from which another implementation can be
 * written and checked. Runs in a browser as well: both halves of the crypto door must make the same.
 */
import { ed25519Key, sha256 } from '#crypto';
import {
  type Bytes,
  clientNonceInput,
  encodeKeyset,
  encodeNonceProof,
  equalBytes,
  keysetDigest,
  nonceTree,
  receiptsRoot,
  toHex,
  workerId,
} from '../../src/core/index.ts';
import { ClientSession, candidateFromSecret } from '../../src/session/client-session.ts';
import {
  type AcceptedRequest,
  cacheSalt,
  encodeChatDelta,
  encodeChatPayload,
  encodePriceSheet,
  encodeSealedError,
  KEM_X25519,
  KEM_XWING,
  openResponse,
  type Padding,
  padme,
  prefixTags,
  priceId,
  RequestDigest,
  receiptDigest,
  sealRequest,
  signDelegation,
  signDispatch,
  signUndelegation,
  verifyReceiptAsClient,
} from '../../src/session/index.ts';
import { commitmentKey, requestKeys, responseKeys } from '../../src/session/request-keys.ts';
import {
  DISPATCH,
  drawn,
  filled,
  type Handshake,
  type HandshakePlan,
  handshake,
  MODEL,
  NOW,
  PRICE,
} from './parties.ts';

type Plan = HandshakePlan &
  Readonly<{
    /** Which candidate answers, at which dispatch. */
    place: number;
    dispatch: number;
    padding: Padding;
    message: Bytes;
    answer: readonly Bytes[];
    ends: 'final' | 'error';
  }>;

const chat = encodeChatPayload({
  messages: [{ role: 'user', content: 'Write one sentence about the sea.' }],
  maxTokens: 64,
  temperature: 0,
  topP: 1,
  topK: 0,
  stop: [],
});

const PLANS: readonly Plan[] = [
  {
    name: 'X-Wing, mode 1, one candidate, bucket padding, two data frames, a checkpoint, the final frame',
    suites: [KEM_XWING, KEM_X25519],
    mode: 1,
    workers: [1],
    place: 0,
    dispatch: 1,
    padding: 'bucket',
    message: chat,
    answer: [encodeChatDelta({ text: 'The sea was calm, ' }), encodeChatDelta({ text: 'and the ship lay still.' })],
    ends: 'final',
  },
  {
    name: 'X25519, mode 2, three candidates, the second answers at the second dispatch, tick padding',
    suites: [KEM_X25519],
    mode: 2,
    workers: [1, 2, 3],
    place: 1,
    dispatch: 2,
    padding: 'tick',
    message: filled(300, 0x61),
    answer: [filled(1500, 0x62)],
    ends: 'final',
  },
  {
    name: 'X-Wing, mode 0, two candidates, no padding, a body of two pieces, ended by a sealed error',
    suites: [KEM_XWING],
    mode: 0,
    workers: [1, 2],
    place: 0,
    dispatch: 1,
    padding: 'off',
    message: filled(70_000, 0x63),
    answer: [filled(1, 0x64)],
    ends: 'error',
  },
];

async function answer(accepted: AcceptedRequest, plan: Plan) {
  if (accepted.outcome !== 'opened' || !equalBytes(accepted.message, plan.message)) throw new Error('not opened');
  const { respond } = accepted;
  const frames: Bytes[] = [];
  for (const message of plan.answer) {
    if (plan.padding !== 'tick') frames.push(respond.data(message));
    else for (respond.enqueue(message); respond.pendingBytes > 0; ) frames.push(respond.tick());
  }
  const checkpoint = await respond.checkpoint({ tokensIn: 9, tokensCached: 0, tokensOut: 1 });
  const checkpointAfter = frames.length;
  const counts = { tokensIn: 300, tokensCached: 200, tokensOut: 65 };
  const sealedError = encodeSealedError({ code: 'ANSWER_FAILED', message: 'the engine failed' });
  const last =
    plan.ends === 'final' ? await respond.final({ finish: 'stop', counts }) : await respond.error(sealedError);
  return { preface: respond.preface, frames: [...frames, last.frame], checkpoint, checkpointAfter, last: last.receipt };
}

async function exchange(plan: Plan) {
  const { own, candidates } = await handshake(plan);
  const session = new ClientSession(
    own,
    candidates.map((c) =>
      candidateFromSecret(c.verified, c.verified.certificate.kem, c.enc, Uint8Array.from(c.exporter)),
    ),
  );
  const ask = {
    message: plan.message,
    paymentRef: filled(16, 10),
    price: PRICE,
    priceCap: 1_000_000n,
    outputTokensMax: 512,
    dispatchesMax: 2,
    deadline: NOW + 60_000,
    padding: plan.padding,
  };
  const { open, frames, sent } = await sealRequest(session, ask, NOW, drawn(`request of ${plan.name}`));
  const { verified, worker } = candidates[plan.place] as Handshake['candidates'][number];
  const name = { headerHash: sent.headerHash, requestDigest: sent.requestDigest };
  const dispatchOf = { ...name, certificateDigest: verified.certificateDigest, dispatch: plan.dispatch };
  const dispatchSignature = await signDispatch(DISPATCH, dispatchOf);
  const { wrap, enc } = open.candidates[plan.place] as (typeof open.candidates)[number];
  const { header, authorization, commit, hello } = open;
  const parts = { header, authorization, commit, wrap, enc, hello, frames };
  const accepted = await worker.session.accept({ ...parts, dispatch: plan.dispatch, dispatchSignature });
  const response = await answer(accepted, plan);
  const reader = openResponse(sent, response.preface);
  const chain: string[] = [];
  for (const [i, frame] of response.frames.entries()) {
    if (i === response.checkpointAfter) await requireVerified(response.checkpoint, reader);
    reader.push(frame);
    chain.push(toHex(reader.chain));
  }
  reader.end();
  await requireVerified(response.last, reader);
  return {
    name: plan.name,
    client: {
      now: NOW,
      policyDigest: toHex(filled(32, 6)),
      policySalt: toHex(own.policySalt),
      hello: toHex(own.bytes),
      helloDigest: toHex(own.digest),
    },
    candidates: candidates.map(candidateVector),
    request: requestVector(plan, { open, frames, sent }, candidates),
    dispatch: { place: plan.place, number: plan.dispatch, signature: toHex(dispatchSignature) },
    response: { ...responseVector(plan, sent, response, reader.preface.responseNonce), chain },
  };
}

async function requireVerified(...args: Parameters<typeof verifyReceiptAsClient>): Promise<void> {
  const verdict = await verifyReceiptAsClient(...args);
  if (verdict.verdict !== 'verified') throw new Error(`the receipt is refused: ${verdict.failed.join()}`);
}

function candidateVector(c: Handshake['candidates'][number]) {
  return {
    worker: c.worker.id,
    identitySeed: toHex(c.worker.identitySeed),
    receiptSeed: toHex(c.worker.receiptSeed),
    /** In the keyset's order of suites. */
    epochKeySeeds: c.worker.seeds.slice(0, 2).map(toHex),
    keyset: toHex(encodeKeyset(c.worker.keyset)),
    keysetDigest: toHex(keysetDigest(c.worker.keyset)),
    workerId: toHex(workerId(c.worker.keyset.identityKey)),
    epochKeyDigests: c.epochKeyDigests.map(toHex),
    nonceRoot: toHex(c.nonceRoot),
    offer: toHex(c.offer),
    certificateDigest: toHex(c.verified.certificateDigest),
    kem: c.verified.certificate.kem,
    encapsulationCoins: toHex(c.coins),
    enc: toHex(c.enc),
    sharedSecret: toHex(c.sharedSecret),
    info: toHex(c.info),
    exporterSecret: toHex(c.exporter),
  };
}

type Sealed = Awaited<ReturnType<typeof sealRequest>>;

function requestVector(plan: Plan, { open, frames, sent }: Sealed, candidates: Handshake['candidates']) {
  const keys = requestKeys(sent.header.requestId, sent.contentKey, sent.headerHash);
  const digest = new RequestDigest(sent.headerHash, keys.commit);
  for (const frame of frames) digest.push(frame);
  if (!equalBytes(digest.value, sent.requestDigest)) throw new Error('request_digest differs');
  return {
    message: short(plan.message),
    contentKey: toHex(sent.contentKey),
    header: toHex(open.header),
    headerHash: toHex(sent.headerHash),
    authorization: toHex(open.authorization),
    key: toHex(keys.key),
    nonce: toHex(keys.nonce),
    commit: toHex(open.commit),
    frames: frames.map(short),
    requestDigest: toHex(sent.requestDigest),
    wraps: open.candidates.map(({ wrap }) => toHex(wrap)),
    commitments: candidates.map((_, i) => toHex(sent.requestCommitments[i] as Bytes)),
  };
}

function responseVector(plan: Plan, sent: Sealed['sent'], made: Awaited<ReturnType<typeof answer>>, nonce: Bytes) {
  const from = sent.session.candidates[plan.place] as (typeof sent.session.candidates)[number];
  const name = { requestId: sent.header.requestId, headerHash: sent.headerHash, requestDigest: sent.requestDigest };
  const keys = responseKeys(from.exporter, name, sent.contentKey, from.enc, nonce);
  const signed = ({ receipt, signature }: typeof made.last) => ({
    object: toHex(receipt),
    signature: toHex(signature),
    digest: toHex(receiptDigest(receipt)),
  });
  return {
    preface: toHex(made.preface),
    key: toHex(keys.key),
    nonce: toHex(keys.nonce),
    commitmentKey: toHex(commitmentKey(from.exporter, 'response', name.requestId, name.headerHash)),
    messages: plan.answer.map(short),
    frames: made.frames.map(short),
    ends: plan.ends,
    checkpoint: { afterFrames: made.checkpointAfter, ...signed(made.checkpoint) },
    receipt: signed(made.last),
  };
}

/** Hex, or for long runs of ciphertext its length and SHA-256: they follow from the rest. */
function short(bytes: Bytes): string | { length: number; sha256: string; repeats?: string } {
  if (bytes.length <= 2048) return toHex(bytes);
  const same = bytes.every((byte) => byte === bytes[0]) ? { repeats: toHex(bytes.subarray(0, 1)) } : {};
  return { length: bytes.length, sha256: toHex(sha256(bytes)), ...same };
}

async function smallThings() {
  const key = ed25519Key(filled(32, 1));
  const channel = { workchain: 0, account: filled(32, 17) };
  const of = { channel, sessionKey: filled(32, 3), limit: 5n, notAfter: NOW };
  const tree = nonceTree([1, 2, 3].map((value) => clientNonceInput(filled(32, value))));
  const tokens = Uint32Array.from({ length: 2100 }, (_, i) => i);
  return {
    price: { object: toHex(encodePriceSheet(PRICE)), id: toHex(priceId(encodePriceSheet(PRICE))) },
    nonceTree: {
      helloDigests: [1, 2, 3].map((value) => toHex(filled(32, value))),
      root: toHex(tree.root),
      proofs: tree.proofs.map((proof) => toHex(encodeNonceProof(proof))),
    },
    padme: [256, 257, 300, 1000, 4097, 65_536, 70_004, 1_000_003].map((length) => [length, padme(length)]),
    delegation: {
      clientSeed: toHex(filled(32, 1)),
      delegate: toHex(await signDelegation(key, of)),
      undelegate: toHex(await signUndelegation(key, channel, of.sessionKey)),
    },
    tags: {
      cacheSecret: toHex(filled(32, 1)),
      tokens: '0, 1, 2 … 2099',
      now: NOW,
      random: '00 × 48',
      tags: toHex(prefixTags(filled(32, 1), MODEL, tokens, NOW, (length) => filled(length, 0))),
      cacheSalt: toHex(cacheSalt(filled(32, 1), MODEL)),
    },
    receiptsRoot: toHex(receiptsRoot([filled(32, 1), filled(32, 2), filled(32, 3)])),
  };
}

/** The document as it stands in the file. */
export async function sessionVectors(): Promise<string> {
  const exchanges = [];
  for (const plan of PLANS) exchanges.push(await exchange(plan));
  const document = {
    about:
      'AIS/1 version 1. Meaning of each field: docs/ais-1.md, section "Test vectors". Byte strings in lower-case hex.',
    dispatchKeySeed: toHex(filled(32, 77)),
    model: toHex(MODEL),
    ...(await smallThings()),
    exchanges,
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}
