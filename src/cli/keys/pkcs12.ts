import * as pkijs from 'pkijs';
import { utf8 } from '../../core/index.ts';

const ITERATIONS = 300_000;
const KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const ENCRYPTION = {
  // pkijs draws the initialisation vector itself; its types ask for one.
  contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 } as {
    name: 'AES-CBC';
    length: number;
    iv: Uint8Array<ArrayBuffer>;
  },
  hmacHashAlgorithm: 'SHA-256',
  iterationCount: ITERATIONS,
};

/**
 * A key with its certificates as one file (RFC 7292), for browsers and the stores of Windows and macOS: AES-256 under
 * PBKDF2, and SHA-256 over all of it, as every system since Windows 10 1709 reads.
 * @param key PKCS#8
 */
export async function pkcs12(
  key: ArrayBuffer,
  certificates: readonly pkijs.Certificate[],
  passphrase: string,
): Promise<Uint8Array> {
  const password = utf8(passphrase).buffer;
  const shrouded = new pkijs.PKCS8ShroudedKeyBag({ parsedValue: pkijs.PrivateKeyInfo.fromBER(key) });
  await shrouded.makeInternalValues({ password, ...ENCRYPTION });
  const keys = new pkijs.SafeContents({
    safeBags: [new pkijs.SafeBag({ bagId: KEY_BAG, bagValue: shrouded })],
  });
  const chain = new pkijs.SafeContents({
    safeBags: certificates.map(
      (certificate) =>
        new pkijs.SafeBag({ bagId: CERTIFICATE_BAG, bagValue: new pkijs.CertBag({ parsedValue: certificate }) }),
    ),
  });
  const safe = new pkijs.AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: 0, value: keys },
        { privacyMode: 1, value: chain },
      ],
    },
  });
  await safe.makeInternalValues({ safeContents: [{}, { password, ...ENCRYPTION }] });
  const bundle = new pkijs.PFX({ parsedValue: { integrityMode: 0, authenticatedSafe: safe } });
  await bundle.makeInternalValues({
    password,
    iterations: ITERATIONS,
    pbkdf2HashAlgorithm: { name: 'SHA-256' },
    hmacHashAlgorithm: 'SHA-256',
  });
  return new Uint8Array(bundle.toSchema().toBER(false));
}
