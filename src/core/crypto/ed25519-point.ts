/** Little-endian y of the five points whose order divides 8, up to the sign of x. */
const SMALL_ORDER: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
];
const SMALL_ORDER_LAST = SMALL_ORDER.map((hex) => Number.parseInt(hex.slice(-2), 16));

/**
 * Whether 32 bytes can be the key or the commitment of an honest signer (RFC 8032): y below 2^255 − 19, and not of small
 * order, under which one signature holds for many messages. Libraries differ on both, so it is decided before they are
 * asked; whether a point of the curve has this y is theirs.
 */
export function isHonestPoint(encoded: Uint8Array): boolean {
  const last = (encoded[31] as number) & 0x7f;
  if (last === 0x7f && (encoded[0] as number) >= 0xed && encoded.subarray(1, 31).every((byte) => byte === 0xff)) {
    return false; // p or more
  }
  return !SMALL_ORDER.some((hex, at) => {
    if (SMALL_ORDER_LAST[at] !== last) return false;
    for (let i = 0; i < 31; i++) if (Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16) !== encoded[i]) return false;
    return true;
  });
}
