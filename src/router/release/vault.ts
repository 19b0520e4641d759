import { aeadKey, aeadOpen, aeadSeal, hkdfExpand, hkdfExtract } from '#crypto';
import { type Bytes, CodedError, encodeObject, type Randomness, utf8 } from '../../core/index.ts';
import type { SecretRow } from '../../store/index.ts';

type Named = Pick<SecretRow, 'name' | 'secretId' | 'policyDigest'>;
const SALT_BYTES = 32;
const NONCE = new Uint8Array(12);

/** Keeps secrets at rest under a key of the owner's or operator's that is not kept beside them. @param key 32 bytes */
export function createVault(key: Uint8Array, randomness: Randomness) {
  // A key of its own for each record, by its salt, so that a constant nonce is never used twice.
  const keyOf = (salt: Uint8Array): Bytes =>
    hkdfExpand(hkdfExtract(salt, key), encodeObject([utf8('chrysalis release vault')]), 32);
  /** A record cannot be moved under another name or policy. */
  const bound = ({ name, secretId, policyDigest }: Named) => encodeObject([secretId, utf8(name), policyDigest]);
  return {
    seal(of: Named, secret: Uint8Array): Pick<SecretRow, 'salt' | 'sealed'> {
      const salt = randomness(SALT_BYTES);
      const own = keyOf(salt);
      const sealed = aeadSeal(aeadKey(own), NONCE, bound(of), secret);
      own.fill(0);
      return { salt, sealed };
    },
    /** The caller overwrites what it gets. @throws CodedError CONFIG_INVALID: another key, or a record that was changed */
    open(row: SecretRow): Bytes {
      const own = keyOf(row.salt);
      const secret = aeadOpen(aeadKey(own), NONCE, bound(row), row.sealed);
      own.fill(0);
      if (secret !== null) return secret;
      throw new CodedError('CONFIG_INVALID', `the secret ${row.name} does not open with this key`, {
        secret: row.name,
      });
    },
  };
}
export type Vault = ReturnType<typeof createVault>;
