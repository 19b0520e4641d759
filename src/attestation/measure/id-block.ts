import { ecdsaVerify, sha384 } from '#crypto';
import { type Bytes, CodedError, Cursor, concat, isZero, u32 } from '../../core/index.ts';
import { malformed, unsupported } from './image-bytes.ts';

export const ID_BLOCK_BYTES = 96;
export const ID_AUTH_BYTES = 4096;
const PUBLIC_KEY_BYTES = 0x404;
const SIGNATURE_BYTES = 512;
/** P-384 coordinates and signature parts, little-endian, in slots of 72 bytes. */
const SLOT_BYTES = 72;
const COORDINATE_BYTES = 48;
const CURVE_P384 = 2;
const ECDSA_P384_SHA384 = 1;

/** What the owner of a guest signed to be launched (AMD 56860, ID_BLOCK), with the digests a report then carries. */
export type IdBlock = Readonly<{
  launchDigest: Bytes;
  familyId: Bytes;
  imageId: Bytes;
  guestSvn: number;
  /** GUEST_POLICY; the ID block alone binds it to an image. */
  policy: bigint;
  /** SHA-384 over the keys as they stand in the block, 48 bytes; the author's is zero where there is none. */
  idKeyDigest: Bytes;
  authorKeyDigest: Bytes;
}>;

/**
 * Reads an ID block with its authentication, and checks it as the firmware does at launch: the block is signed by the ID
 * key, the ID key by the author's where there is one. A launch with another would fail.
 * @param block 96 bytes
 * @param auth ID_AUTHENTICATION, 4096 bytes
 * @throws CodedError IMAGE_MALFORMED (lengths, reserved bytes, a signature that doesn't hold), IMAGE_UNSUPPORTED
 * @see AMD 56860, SNP_LAUNCH_FINISH
 */
export async function readIdBlock(block: Uint8Array, auth: Uint8Array): Promise<IdBlock> {
  requireLength('ID block', block, ID_BLOCK_BYTES);
  requireLength('ID authentication', auth, ID_AUTH_BYTES);
  const fields = new Cursor(block, 'ID block');
  const head = {
    launchDigest: fields.bytes('LD', 48),
    familyId: fields.bytes('FAMILY_ID', 16),
    imageId: fields.bytes('IMAGE_ID', 16),
  };
  const version = fields.u32('VERSION');
  if (version !== 1) throw unsupported('ID block', `version ${version}`);
  const rest = { guestSvn: fields.u32('GUEST_SVN'), policy: fields.u64('POLICY') };
  const cursor = new Cursor(auth, 'ID authentication');
  const idAlgorithm = cursor.u32('ID_KEY_ALGO');
  const authorAlgorithm = cursor.u32('AUTH_KEY_ALGO');
  if (idAlgorithm !== ECDSA_P384_SHA384 || authorAlgorithm > ECDSA_P384_SHA384) {
    throw unsupported('ID authentication', 'a key algorithm that is not ECDSA P-384 with SHA-384');
  }
  requireZeros(cursor.bytes('reserved1', 56));
  const blockSignature = cursor.bytes('ID_BLOCK_SIG', SIGNATURE_BYTES);
  const idKey = cursor.bytes('ID_KEY', PUBLIC_KEY_BYTES);
  requireZeros(cursor.bytes('reserved2', 60));
  const keySignature = cursor.bytes('ID_KEY_SIG', SIGNATURE_BYTES);
  const authorKey = cursor.bytes('AUTHOR_KEY', PUBLIC_KEY_BYTES);
  requireZeros(cursor.bytes('reserved3', 892));
  await requireSigned('the block is not signed by the ID key', idKey, block, blockSignature);
  const idKeyDigest = sha384(idKey);
  if (authorAlgorithm === 0) {
    requireZeros(concat(keySignature, authorKey));
    return { ...head, ...rest, idKeyDigest, authorKeyDigest: new Uint8Array(48) };
  }
  await requireSigned("the ID key is not signed by the author's", authorKey, idKey, keySignature);
  return { ...head, ...rest, idKeyDigest, authorKeyDigest: sha384(authorKey) };
}

/**
 * ID_KEY_DIGEST or AUTHOR_KEY_DIGEST of a P-384 key: SHA-384 over it in the form of the block, 48 bytes.
 * @param x big-endian, 48 bytes, as is y
 */
export function snpKeyDigest(x: Uint8Array, y: Uint8Array): Bytes {
  requireLength('a coordinate', x, COORDINATE_BYTES);
  requireLength('a coordinate', y, COORDINATE_BYTES);
  const key = new Uint8Array(PUBLIC_KEY_BYTES);
  key.set(u32(CURVE_P384).reverse(), 0);
  key.set(Uint8Array.from(x).reverse(), 4);
  key.set(Uint8Array.from(y).reverse(), 4 + SLOT_BYTES);
  return sha384(key);
}

function requireLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw malformed(what, `${bytes.length} bytes, not ${length}`, { length: bytes.length });
}

function requireZeros(bytes: Uint8Array): void {
  if (!isZero(bytes)) throw malformed('ID authentication', 'reserved bytes that are not zero');
}

async function requireSigned(why: string, key: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<void> {
  const point = new Cursor(key, 'public key');
  const curve = point.u32('CURVE');
  if (curve !== CURVE_P384) throw unsupported('ID authentication', `curve ${curve}, not P-384`);
  const [x, y] = [slot(point, 'QX'), slot(point, 'QY')];
  requireZeros(point.rest('reserved'));
  const parts = new Cursor(signature, 'signature');
  const rs = concat(slot(parts, 'R'), slot(parts, 'S'));
  requireZeros(parts.rest('reserved'));
  if (!(await ecdsaVerify('P-384', concat(Uint8Array.of(4), x, y), message, rs))) {
    throw new CodedError('IMAGE_MALFORMED', `ID block: ${why}`, { structure: 'ID block' });
  }
}

/** A number of 48 bytes in its slot, big-endian; what is above it must be zero. */
function slot(cursor: Cursor, field: string): Bytes {
  const value = cursor.bytes(field, COORDINATE_BYTES);
  requireZeros(cursor.bytes(field, SLOT_BYTES - COORDINATE_BYTES));
  return value.reverse() as Bytes;
}
