import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  sign,
  verify,
} from 'node:crypto';

/**
 * AIS/1 once more, written from docs/ais-1.md with `node:crypto` alone and nothing of src/: what another team would
 * write. It replays one exchange of the test vectors from the values that a client holds, and throws where one differs.
 */
type Hex = string;
type Short = Hex | Readonly<{ length: number; sha256: Hex; repeats?: Hex }>;
type Signed = Readonly<{ object: Hex; signature: Hex; digest: Hex }>;
export type VectorExchange = Readonly<{
  name: string;
  client: Readonly<{ hello: Hex; helloDigest: Hex }>;
  candidates: readonly Readonly<{
    identitySeed: Hex;
    receiptSeed: Hex;
    keysetDigest: Hex;
    keyset: Hex;
    workerId: Hex;
    offer: Hex;
    certificateDigest: Hex;
    kem: number;
    enc: Hex;
    sharedSecret: Hex;
    info: Hex;
    exporterSecret: Hex;
  }>[];
  request: Readonly<{
    message: Short;
    contentKey: Hex;
    header: Hex;
    headerHash: Hex;
    authorization: Hex;
    commit: Hex;
    frames: readonly Short[];
    requestDigest: Hex;
    wraps: readonly Hex[];
    commitments: readonly Hex[];
  }>;
  dispatch: Readonly<{ place: number; number: number; signature: Hex }>;
  response: Readonly<{
    preface: Hex;
    messages: readonly Short[];
    frames: readonly Short[];
    chain: readonly Hex[];
    ends: 'final' | 'error';
    checkpoint: Signed & Readonly<{ afterFrames: number }>;
    receipt: Signed;
  }>;
}>;

const raw = (hex: Hex) => Buffer.from(hex, 'hex');
const u32 = (value: number) => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};
const LP = (field: Uint8Array) => Buffer.concat([u32(field.length), field]);
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest();
const H = (label: string, ...fields: Uint8Array[]) =>
  sha256(Buffer.concat([LP(Buffer.from(`ais/1 ${label}`)), ...fields.map(LP)]));
const digestOf = (label: string, object: Uint8Array) =>
  sha256(Buffer.concat([LP(Buffer.from(`ais/1 ${label}`)), object]));
const HMAC = (key: Uint8Array, data: Uint8Array) => createHmac('sha256', key).update(data).digest();
const extract = (salt: Uint8Array, ikm: Uint8Array) => HMAC(salt.length === 0 ? Buffer.alloc(32) : salt, ikm);
function expand(prk: Uint8Array, info: Uint8Array, length: number): Buffer {
  let [block, out] = [Buffer.alloc(0), Buffer.alloc(0)];
  for (let i = 1; out.length < length; i++) {
    block = HMAC(prk, Buffer.concat([block, info, Buffer.of(i)])) as typeof block;
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, length);
}

/** Fields of an object. */
function fields(object: Uint8Array): Buffer[] {
  const from = Buffer.from(object);
  const out: Buffer[] = [];
  for (let at = 0; at < from.length; ) {
    const length = from.readUInt32BE(at);
    out.push(from.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return out;
}

function same(what: string, got: Uint8Array | undefined, expected: Hex | undefined): void {
  if (got === undefined || Buffer.from(got).toString('hex') !== expected) throw new Error(`${what} differs`);
}

const SPKI = '302a300506032b6570032100';
const PKCS8 = '302e020100300506032b657004220420';
const ed25519Public = (key: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([raw(SPKI), key]), format: 'der', type: 'spki' });
const ed25519Private = (seed: Hex) => createPrivateKey({ key: raw(PKCS8 + seed), format: 'der', type: 'pkcs8' });
function signed(what: string, key: Uint8Array, digest: Uint8Array, signature: Uint8Array): void {
  if (!verify(null, digest, ed25519Public(key), signature)) throw new Error(`${what}: not signed`);
}

function open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}
function frameNonce(nonce: Uint8Array, index: number): Buffer {
  const out = Buffer.from(nonce);
  out.writeUInt32BE((out.readUInt32BE(8) ^ index) >>> 0, 8);
  return out;
}
const openFrame = (key: Uint8Array, nonce: Uint8Array, index: number, frame: Buffer) =>
  open(key, frameNonce(nonce, index), frame.subarray(0, 1), frame.subarray(1));

/** RFC 9180 key schedule: base mode, HKDF-SHA256, export only; then `Context.Export`. */
function hpke(kem: number, sharedSecret: Uint8Array, info: Uint8Array) {
  const id = Buffer.concat([Buffer.from('HPKE'), Buffer.of(kem >> 8, kem & 255, 0, 1, 255, 255)]);
  const labeled = (label: string) => Buffer.concat([Buffer.from('HPKE-v1'), id, Buffer.from(label)]);
  const hash = (label: string, data: Uint8Array) => extract(Buffer.alloc(0), Buffer.concat([labeled(label), data]));
  const context = Buffer.concat([Buffer.of(0), hash('psk_id_hash', Buffer.alloc(0)), hash('info_hash', info)]);
  const secret = extract(sharedSecret, labeled('secret'));
  const derive = (prk: Uint8Array, label: string, data: Uint8Array, length: number) =>
    expand(prk, Buffer.concat([Buffer.of(length >> 8, length & 255), labeled(label), data]), length);
  const exporter = derive(secret, 'exp', context, 32);
  return {
    exporter,
    export: (label: string, length: number, ...of: Uint8Array[]) =>
      derive(exporter, 'sec', Buffer.concat([LP(Buffer.from(`ais/1 ${label}`)), ...of.map(LP)]), length),
  };
}

/** Throws where anything of the exchange differs from what this code makes of it. @returns what was checked, counted */
export function replay(exchange: VectorExchange, dispatchSeed: Hex): Readonly<{ frames: number; exporters: number }> {
  const { client, request, response, dispatch } = exchange;
  const hello = raw(client.hello);
  same('hello_digest', digestOf('hello', hello), client.helloDigest);
  const sessions = exchange.candidates.map((candidate) => {
    const [, certificate, signature, keysetDigest] = fields(raw(candidate.offer)) as [Buffer, Buffer, Buffer, Buffer];
    const [identity] = fields(raw(candidate.keyset)) as [Buffer];
    const digest = digestOf('epoch-cert', certificate);
    same('ec_digest', digest, candidate.certificateDigest);
    same('keyset_digest', digestOf('keyset', raw(candidate.keyset)), keysetDigest.toString('hex'));
    same('worker_id', H('worker-id', identity), candidate.workerId);
    signed('epoch certificate', identity, digest, signature);
    const info = Buffer.concat([LP(Buffer.from('ais/1 session')), LP(raw(client.helloDigest)), LP(digest)]);
    same('info', info, candidate.info);
    const context = hpke(candidate.kem, raw(candidate.sharedSecret), info);
    same('exporter_secret', context.exporter, candidate.exporterSecret);
    return context;
  });
  const header = raw(request.header);
  const hash = digestOf('header', header);
  same('header_hash', hash, request.headerHash);
  const of = fields(header);
  const [requestId, sessionKey] = [of[2], of[5]] as [Buffer, Buffer];
  exchange.candidates.forEach((candidate, i) => {
    const stated = (of[4] as Buffer).subarray(64 * i, 64 * i + 64).toString('hex');
    same('candidate', Buffer.concat([raw(candidate.certificateDigest), H('enc', raw(candidate.enc))]), stated);
  });
  signed('authorization', sessionKey, H('authorize', hash), raw(request.authorization));
  const name = replayRequest(request, requestId, hash, sessions);
  const { place, number } = dispatch;
  const { certificateDigest, enc, keyset, receiptSeed } = exchange.candidates[
    place
  ] as VectorExchange['candidates'][number];
  const key = ed25519Private(dispatchSeed);
  const stated = H('dispatch', hash, name, raw(certificateDigest), Buffer.of(number));
  same('dispatch', sign(null, stated, key), dispatch.signature);
  const session = sessions[place] as (typeof sessions)[number];
  const secret = session.export('response', 32, requestId, hash, name);
  const preface = raw(response.preface);
  const prk = extract(
    Buffer.concat([raw(enc), preface.subarray(33)]),
    Buffer.concat([secret, raw(request.contentKey)]),
  );
  const keys = {
    key: expand(prk, LP(Buffer.from('ais/1 response key')), 32),
    nonce: expand(prk, LP(Buffer.from('ais/1 response nonce')), 12),
  };
  let chain = H('response-start', hash, name, raw(certificateDigest), Buffer.of(number), preface.subarray(33));
  const data: Buffer[] = [];
  response.frames.forEach((frame, i) => {
    if (typeof frame !== 'string') throw new Error('a response frame is given whole');
    const bytes = raw(frame);
    const plain = openFrame(keys.key, keys.nonce, i, bytes);
    if (bytes[0] === 0) data.push(plain.subarray(4, 4 + plain.readUInt32BE(0)));
    chain = H('response', chain, bytes);
    same(`chain ${i + 1}`, chain, response.chain[i]);
  });
  same('messages', sha256(Buffer.concat(data)), sha256(Buffer.concat(response.messages.map(whole))).toString('hex'));
  const [, receiptKey] = fields(raw(keyset)) as [Buffer, Buffer];
  for (const receipt of [response.checkpoint, response.receipt]) {
    same('receipt_digest', digestOf('receipt', raw(receipt.object)), receipt.digest);
    signed('receipt', receiptKey, raw(receipt.digest), raw(receipt.signature));
    same('receipt by seed', sign(null, raw(receipt.digest), ed25519Private(receiptSeed)), receipt.signature);
  }
  const final = fields(raw(response.receipt.object));
  same('receipt chain', chain, final[13]?.toString('hex'));
  same('request commitment', raw(request.commitments[place] as Hex), final[14]?.toString('hex'));
  const commit = session.export('commit response', 32, requestId, hash);
  same('response commitment', HMAC(commit, Buffer.concat(data)), final[15]?.toString('hex'));
  return { frames: response.frames.length, exporters: sessions.length };
}

function whole(of: Short): Buffer {
  if (typeof of === 'string') return raw(of);
  if (of.repeats === undefined) throw new Error('not given whole');
  return Buffer.alloc(of.length, raw(of.repeats));
}

/** @returns request_digest */
function replayRequest(
  request: VectorExchange['request'],
  requestId: Buffer,
  hash: Buffer,
  sessions: readonly ReturnType<typeof hpke>[],
): Buffer {
  const material = (label: string, length: number) =>
    Buffer.from(
      hkdfSync(
        'sha256',
        raw(request.contentKey),
        requestId,
        Buffer.concat([LP(Buffer.from(`ais/1 request ${label}`)), LP(hash)]),
        length,
      ),
    );
  const [key, nonce, commit] = [material('key', 32), material('nonce', 12), material('commit', 32)];
  same('commit', commit, request.commit);
  const message = whole(request.message);
  let digest = H('request-start', hash, commit);
  const frames = request.frames.map((frame) => (typeof frame === 'string' ? raw(frame) : null));
  if (frames.every((frame) => frame !== null)) {
    const body = Buffer.concat(frames.map((frame, i) => openFrame(key, nonce, i, frame as Buffer)));
    same('message', body.subarray(4, 4 + body.readUInt32BE(0)), message.toString('hex'));
    for (const frame of frames) digest = H('request', digest, frame as Buffer);
    same('request_digest', digest, request.requestDigest);
  }
  digest = raw(request.requestDigest) as typeof digest;
  sessions.forEach((session, i) => {
    const wrap = session.export('wrap', 44, requestId, hash, digest);
    const opened = open(wrap.subarray(0, 32), wrap.subarray(32), Buffer.alloc(0), raw(request.wraps[i] as Hex));
    same(`wrap ${i}`, opened, request.contentKey);
    const commitment = HMAC(session.export('commit request', 32, requestId, hash), message);
    same(`request commitment ${i}`, commitment, request.commitments[i]);
  });
  return digest;
}
