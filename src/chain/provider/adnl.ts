import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { ed25519Key, sha256, sha512, x25519 } from '#crypto';
import { type Bytes, CodedError, concat, equalBytes, type Randomness, toHex, u32 } from '../../core/index.ts';
import { unreachable } from './provider.ts';

/** Of a frame after its length: nonce, payload and checksum. */
const FRAME_BYTES_MAX = 8 * 1024 * 1024;
const NONCE_BYTES = 32;
const CHECKSUM_BYTES = 32;
const QUERIES_MAX = 64;
/** TL constructors, little-endian: an Ed25519 key, a question and its answer. */
const PUB_ED25519 = Uint8Array.of(0xc6, 0xb4, 0x13, 0x48);
const MESSAGE_QUERY = Uint8Array.of(0x7a, 0xf9, 0x8b, 0xb4);
const MESSAGE_ANSWER = Uint8Array.of(0x16, 0x84, 0xac, 0x0f);

export type AdnlOptions = Readonly<{
  host: string;
  port: number;
  /** Ed25519, 32 bytes: whoever answers has shown that it holds the private half. */
  publicKey: Bytes;
  requestMs: number;
  randomness: Randomness;
}>;

type Query = Readonly<{ resolve: (answer: Bytes) => void; reject: (error: unknown) => void; timer: NodeJS.Timeout }>;
type Session = { socket: Socket; encrypt: Cipheriv; decrypt: Decipheriv; queries: Map<string, Query> };

/**
 * Questions and answers over ADNL in TCP, as liteservers speak it: AES-256-CTR under an X25519 secret with the server's
 * key, each frame with a checksum. The connection is opened by the first question and again after it broke; a frame that
 * is too long or does not hold ends it, and nothing a server sends throws anywhere but out of a question.
 */
export function createAdnl(options: AdnlOptions) {
  let opening: Promise<Session> | null = null;

  const close = (session: Session, cause: unknown): void => {
    session.socket.destroy();
    opening = null;
    for (const { reject, timer } of session.queries.values()) {
      clearTimeout(timer);
      reject(unreachable('liteserver', cause));
    }
    session.queries.clear();
  };

  const open = async (): Promise<Session> => {
    const { handshake, rx, tx } = await handshakeFor(options.publicKey, options.randomness);
    const socket = connect({ host: options.host, port: options.port, noDelay: true });
    socket.unref();
    const session: Session = {
      socket,
      encrypt: createCipheriv('aes-256-ctr', tx.key, tx.nonce),
      decrypt: createDecipheriv('aes-256-ctr', rx.key, rx.nonce),
      queries: new Map(),
    };
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) => {
        clearTimeout(timer);
        close(session, cause);
        reject(unreachable('liteserver', cause));
      };
      const timer = setTimeout(() => fail(new Error('the handshake was not answered in time')), options.requestMs);
      let ready = false;
      const frames = frameReader((payload) => {
        // The first frame is empty: the server has the key that the handshake was made for.
        if (ready) return answered(session, payload);
        if (payload.length !== 0) throw new RangeError('the handshake was answered with something else');
        ready = true;
        clearTimeout(timer);
        resolve(session);
      });
      socket.on('connect', () => socket.write(handshake));
      socket.on('data', (chunk) => {
        try {
          frames(session.decrypt.update(chunk));
        } catch (cause) {
          fail(cause);
        }
      });
      socket.on('error', fail);
      socket.on('close', () => fail(new Error('the connection was closed')));
    });
  };

  return {
    /** @throws CodedError CHAIN_UNREACHABLE */
    async query(question: Uint8Array): Promise<Bytes> {
      opening ??= open().catch((error: unknown) => {
        opening = null;
        throw error;
      });
      const session = await opening;
      if (session.queries.size >= QUERIES_MAX) {
        throw new CodedError('CHAIN_UNREACHABLE', 'the liteserver has too many questions open', { most: QUERIES_MAX });
      }
      const id = options.randomness(32);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          session.queries.delete(toHex(id));
          reject(unreachable('liteserver', new Error('no answer in time')));
        }, options.requestMs);
        session.queries.set(toHex(id), { resolve, reject, timer });
        const payload = concat(MESSAGE_QUERY, id, tlBytes(question));
        session.socket.write(session.encrypt.update(frame(payload, options.randomness(NONCE_BYTES))));
      });
    },
    close(): void {
      void opening?.then((session) => close(session, new Error('closed here'))).catch(() => undefined);
    },
  };
}

function answered(session: Session, payload: Uint8Array): void {
  if (!equalBytes(payload.subarray(0, 4), MESSAGE_ANSWER)) return; // pings and the like ask for nothing
  const id = toHex(payload.subarray(4, 36));
  const query = session.queries.get(id);
  if (query === undefined) return; // too late
  const answer = parseTlBytes(payload.subarray(36));
  session.queries.delete(id);
  clearTimeout(query.timer);
  query.resolve(answer);
}

/** @returns takes decrypted bytes as they come, gives whole payloads; throws RangeError for a frame that does not hold */
export function frameReader(whole: (payload: Uint8Array) => void): (chunk: Uint8Array) => void {
  let chunks: Uint8Array[] = [];
  let length = 0;
  let needed = 4;
  return (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    while (length >= needed) {
      const held = chunks.length === 1 ? (chunks[0] as Uint8Array) : concat(...chunks);
      const size = new DataView(held.buffer, held.byteOffset).getUint32(0, true);
      if (size < NONCE_BYTES + CHECKSUM_BYTES || size > FRAME_BYTES_MAX) throw new RangeError('length of a frame');
      chunks = [held];
      needed = 4 + size;
      if (length < needed) return;
      const content = held.subarray(4, needed - CHECKSUM_BYTES);
      if (!equalBytes(sha256(content), held.subarray(needed - CHECKSUM_BYTES, needed))) {
        throw new RangeError('checksum of a frame');
      }
      chunks = [held.subarray(needed)];
      length -= needed;
      needed = 4;
      whole(content.subarray(NONCE_BYTES));
    }
  };
}

export function frame(payload: Uint8Array, nonce: Uint8Array): Bytes {
  const content = concat(nonce, payload);
  return concat(u32LittleEndian(content.length + CHECKSUM_BYTES), content, sha256(content));
}

const u32LittleEndian = (value: number): Bytes => u32(value).reverse();

/** TL's `bytes`: a length of one or four bytes, padded to four. */
export function tlBytes(content: Uint8Array): Bytes {
  const length = content.length;
  const head =
    length < 254 ? Uint8Array.of(length) : Uint8Array.of(254, length & 0xff, (length >> 8) & 0xff, length >> 16);
  return concat(head, content, new Uint8Array((4 - ((head.length + length) % 4)) % 4));
}

/** @throws RangeError unless it is exactly one `bytes` */
export function parseTlBytes(encoded: Uint8Array): Bytes {
  const [first = 255, a = 0, b = 0, c = 0] = encoded;
  if (first === 255) throw new RangeError('TL bytes');
  const head = first < 254 ? 1 : 4;
  const length = first < 254 ? first : a + (b << 8) + (c << 16);
  const content = Uint8Array.from(encoded.subarray(head, head + length));
  if (!equalBytes(tlBytes(content), encoded)) throw new RangeError('TL bytes');
  return content;
}

/** The first packet: to whom, from which key of this connection, and the stream keys under the shared secret. */
async function handshakeFor(publicKey: Bytes, randomness: Randomness) {
  const seed = randomness(32);
  const shared = await sharedSecret(seed, publicKey);
  const params = randomness(160);
  const hash = sha256(params);
  const sealed = handshakeCipher(shared, hash).update(params);
  const handshake = concat(adnlId(publicKey), ed25519Key(seed).publicKey, hash, sealed);
  const rx = { key: params.subarray(0, 32), nonce: params.subarray(64, 80) };
  const tx = { key: params.subarray(32, 64), nonce: params.subarray(80, 96) };
  return { handshake, rx, tx };
}

/** The short name of a key in ADNL. */
export const adnlId = (publicKey: Uint8Array): Bytes => sha256(concat(PUB_ED25519, publicKey));

export function handshakeCipher(shared: Uint8Array, hash: Uint8Array): Cipheriv {
  const key = concat(shared.subarray(0, 16), hash.subarray(16, 32));
  return createCipheriv('aes-256-ctr', key, concat(hash.subarray(0, 4), shared.subarray(20, 32)));
}

/** X25519 between Ed25519 keys. @throws CodedError CHAIN_UNREACHABLE for a key that agrees on nothing */
export async function sharedSecret(seed: Uint8Array, publicKey: Uint8Array): Promise<Bytes> {
  const shared = await x25519(sha512(seed).subarray(0, 32), montgomery(publicKey));
  if (shared === null) throw new CodedError('CHAIN_UNREACHABLE', 'the liteserver’s key is of small order');
  return shared;
}

const P = 2n ** 255n - 19n;

/** RFC 7748 section 4.1: u = (1 + y) / (1 - y). */
function montgomery(publicKey: Uint8Array): Bytes {
  const bytes = Uint8Array.from(publicKey).reverse();
  bytes[0] = (bytes[0] as number) & 0x7f;
  const y = BigInt(`0x${toHex(bytes)}`);
  const u = ((1n + y) * power(P + 1n - (y % P), P - 2n)) % P;
  return Uint8Array.from(Buffer.from(u.toString(16).padStart(64, '0'), 'hex')).reverse();
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, left] = [base % P, exponent]; left > 0n; square = (square * square) % P, left >>= 1n) {
    if ((left & 1n) === 1n) result = (result * square) % P;
  }
  return result;
}
