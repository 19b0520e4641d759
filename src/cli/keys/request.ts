import { createPublicKey } from 'node:crypto';
import * as pkijs from 'pkijs';
import { CodedError } from '../../core/index.ts';

const REQUEST_CHARACTERS_MAX = 16 * 1024;
const RSA_BITS = { least: 2048, most: 8192 };

/**
 * The public key of a certificate signing request (PKCS#10, PEM) whose maker proved to have it. Nothing else is taken
 * from it: names and uses are for whoever issues to say.
 * @throws CodedError CONFIG_INVALID
 */
export async function requestedKey(pem: string): Promise<pkijs.PublicKeyInfo> {
  const refused = (why: string, cause?: unknown) =>
    new CodedError('CONFIG_INVALID', `the signing request ${why}`, {}, { cause });
  const body =
    /^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/.exec(
      pem.slice(0, REQUEST_CHARACTERS_MAX),
    )?.[1];
  if (body === undefined) throw refused('is not one, in PEM');
  let request: pkijs.CertificationRequest;
  let own: boolean;
  try {
    request = pkijs.CertificationRequest.fromBER(Buffer.from(body, 'base64'));
    own = await request.verify();
  } catch (cause) {
    throw refused('cannot be read', cause);
  }
  if (!own) throw refused('is not signed with the key that it names');
  const spki = Buffer.from(request.subjectPublicKeyInfo.toSchema().toBER(false));
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey({
    key: spki,
    format: 'der',
    type: 'spki',
  });
  const bits = details?.modulusLength ?? 0;
  const strong =
    (type === 'ec' && (details?.namedCurve === 'prime256v1' || details?.namedCurve === 'secp384r1')) ||
    (type === 'rsa' && bits >= RSA_BITS.least && bits <= RSA_BITS.most);
  if (!strong) throw refused('needs a key on P-256 or P-384, or RSA of 2048 to 8192 bits');
  return request.subjectPublicKeyInfo;
}
