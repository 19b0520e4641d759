import { type Bytes, Cursor, concat, u8, u16, u32, u64 } from '../../../core/index.ts';

const STRUCTURE = 'tpm.TPMS_ATTEST';
/** "ÿTCG": a TPM signs nothing that begins so, unless it made it itself. */
const TPM_GENERATED = 0xff54_4347;
const ST_ATTEST_QUOTE = 0x8018;
const ALG_SHA256 = 0x000b;

export const TPM_QUOTE_BYTES_MAX = 1024;
export const TPM_PCRS = 24;
const NAME_BYTES_MAX = 68;
const NONCE_BYTES_MAX = 64;
const SELECTION_BYTES = TPM_PCRS / 8;
const DIGEST_BYTES = 32;

/** A TPM 2.0 quote over PCRs of the SHA-256 bank, parsed: nothing in it is verified. */
export type ParsedTpmQuote = Readonly<{
  /** Name of the signing key and its parents, as the TPM has it. */
  qualifiedSigner: Bytes;
  /** extraData: the nonce that the caller gave, up to 64 bytes. */
  nonce: Bytes;
  clock: Readonly<{ clock: bigint; resetCount: number; restartCount: number; safe: boolean }>;
  firmwareVersion: bigint;
  /** The selected PCRs, ascending. */
  pcrs: readonly number[];
  /** SHA-256 over the selected PCRs, end to end; 32 bytes. */
  pcrDigest: Bytes;
  /** The exact bytes that are signed. */
  signedBytes: Bytes;
}>;

/**
 * Parses TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE (TPM 2.0 Library, Part 2, 10.12), big-endian, to its last byte: one
 * selection, of the SHA-256 bank, of 24 PCRs.
 * @throws CodedError EVIDENCE_TRUNCATED, EVIDENCE_TRAILING_BYTES, EVIDENCE_MALFORMED, EVIDENCE_UNSUPPORTED, EVIDENCE_TOO_LARGE
 */
export function parseTpmQuote(quote: Uint8Array): ParsedTpmQuote {
  const cursor = new Cursor(quote, STRUCTURE);
  if (quote.length > TPM_QUOTE_BYTES_MAX) {
    throw cursor.error('EVIDENCE_TOO_LARGE', 'quote', `more than ${TPM_QUOTE_BYTES_MAX} bytes`);
  }
  if (cursor.u32be('magic') !== TPM_GENERATED) throw cursor.error('EVIDENCE_MALFORMED', 'magic', 'not made by a TPM');
  if (cursor.u16be('type') !== ST_ATTEST_QUOTE) throw cursor.error('EVIDENCE_UNSUPPORTED', 'type', 'not a quote');
  const qualifiedSigner = sized(cursor, 'qualifiedSigner', NAME_BYTES_MAX);
  const nonce = sized(cursor, 'extraData', NONCE_BYTES_MAX);
  const clock = {
    clock: cursor.u64be('clock'),
    resetCount: cursor.u32be('resetCount'),
    restartCount: cursor.u32be('restartCount'),
    safe: yesNo(cursor),
  };
  const firmwareVersion = cursor.u64be('firmwareVersion');
  const pcrs = selection(cursor);
  const pcrDigest = sized(cursor, 'pcrDigest', DIGEST_BYTES);
  if (pcrDigest.length !== DIGEST_BYTES)
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'pcrDigest', 'not a SHA-256 digest');
  cursor.end();
  return { qualifiedSigner, nonce, clock, firmwareVersion, pcrs, pcrDigest, signedBytes: new Uint8Array(quote) };
}

function sized(cursor: Cursor, field: string, max: number): Bytes {
  const length = cursor.u16be(field);
  if (length > max) throw cursor.error('EVIDENCE_MALFORMED', field, `${length} bytes, at most ${max}`);
  return cursor.bytes(field, length);
}

function yesNo(cursor: Cursor): boolean {
  const value = cursor.u8('safe');
  if (value > 1) throw cursor.error('EVIDENCE_MALFORMED', 'safe', 'neither YES nor NO');
  return value === 1;
}

function selection(cursor: Cursor): number[] {
  const isSha256 = cursor.u32be('pcrSelect.count') === 1 && cursor.u16be('pcrSelect.hash') === ALG_SHA256;
  if (!isSha256 || cursor.u8('pcrSelect.size') !== SELECTION_BYTES) {
    throw cursor.error('EVIDENCE_UNSUPPORTED', 'pcrSelect', 'not one selection of the 24 PCRs of the SHA-256 bank');
  }
  const bits = cursor.bytes('pcrSelect', SELECTION_BYTES);
  const pcrs: number[] = [];
  for (let pcr = 0; pcr < TPM_PCRS; pcr++) if ((((bits[pcr >>> 3] as number) >>> (pcr & 7)) & 1) === 1) pcrs.push(pcr);
  return pcrs;
}

/** The bytes of a quote from its fields: the inverse of {@link parseTpmQuote}. `signedBytes` is not read. */
export function encodeTpmQuote(quote: Omit<ParsedTpmQuote, 'signedBytes'>): Bytes {
  const bits = new Uint8Array(SELECTION_BYTES);
  for (const pcr of quote.pcrs) bits[pcr >>> 3] = (bits[pcr >>> 3] as number) | (1 << (pcr & 7));
  const withSize = (bytes: Uint8Array) => concat(u16(bytes.length), bytes);
  const { clock, resetCount, restartCount, safe } = quote.clock;
  return concat(
    u32(TPM_GENERATED),
    u16(ST_ATTEST_QUOTE),
    withSize(quote.qualifiedSigner),
    withSize(quote.nonce),
    u64(clock),
    u32(resetCount),
    u32(restartCount),
    u8(safe ? 1 : 0),
    u64(quote.firmwareVersion),
    u32(1),
    u16(ALG_SHA256),
    u8(SELECTION_BYTES),
    bits,
    withSize(quote.pcrDigest),
  );
}
