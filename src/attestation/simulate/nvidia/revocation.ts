import { sha384 } from '#crypto';
import { type Bytes, concat, utf8 } from '../../../core/index.ts';
import * as der from '../der.ts';
import * as x509 from '../x509.ts';
import { ECDSA_WITH_SHA384, issueNvidiaCertificate, type NvidiaAuthority, ocspSigningPurpose } from './certificates.ts';

const OCSP_BASIC = '1.3.6.1.5.5.7.48.1.1';
const OCSP_NONCE = '1.3.6.1.5.5.7.48.1.2';
const SHA384 = '2.16.840.1.101.3.4.2.2';

export type OcspRequest = Readonly<{
  issuer: NvidiaAuthority;
  /** Serial number of the certificate that is asked about. */
  serial: Uint8Array;
  status?: 'good' | 'revoked' | 'unknown';
  /** CRLReason of a revocation (RFC 5280 section 5.3.1); 6 is certificateHold. */
  reason?: number;
  /** Seconds since 1970. */
  thisUpdate: number;
  nextUpdate: number;
  /** Echoed where given. */
  nonce?: Uint8Array;
  /** Signs in place of the issuer. */
  responder: NvidiaAuthority;
  /** Of the responder; empty where the issuer itself answers. */
  certificates: readonly Uint8Array[];
}>;

function generalizedTime(at: number): Bytes {
  const digits = new Date(at * 1000).toISOString().replace(/[-:T]|\.\d{3}/g, '');
  return der.tagged(0x18, utf8(digits));
}

function certificateStatus({ status = 'good', reason = 1, thisUpdate }: OcspRequest): Bytes {
  if (status !== 'revoked') return der.tagged(status === 'good' ? 0x80 : 0x82, new Uint8Array(0));
  return der.explicit(1, concat(generalizedTime(thisUpdate), der.explicit(0, der.enumerated(reason))));
}

/** A whole OCSP response (RFC 6960 section 4.2.1), DER, with CertIDs over SHA-384. */
export function issueOcspResponse(request: OcspRequest): Bytes {
  const { issuer, serial, responder, thisUpdate, nextUpdate, certificates, nonce } = request;
  const certId = der.sequence(
    der.sequence(der.oid(SHA384)),
    der.octetString(sha384(issuer.name)),
    der.octetString(sha384(issuer.key.point)),
    der.unsignedInteger(serial),
  );
  const answer = der.sequence(
    certId,
    certificateStatus(request),
    generalizedTime(thisUpdate),
    der.explicit(0, generalizedTime(nextUpdate)),
  );
  const echoed =
    nonce === undefined
      ? []
      : [der.explicit(1, der.sequence(x509.extension(OCSP_NONCE, false, der.octetString(nonce))))];
  const data = der.sequence(
    der.explicit(1, responder.name),
    generalizedTime(thisUpdate),
    der.sequence(answer),
    ...echoed,
  );
  const basic = der.sequence(
    data,
    ECDSA_WITH_SHA384,
    der.bitString(responder.key.signDer(data)),
    ...(certificates.length === 0 ? [] : [der.explicit(0, der.sequence(...certificates))]),
  );
  const bytes = der.sequence(der.oid(OCSP_BASIC), der.octetString(basic));
  return der.sequence(der.enumerated(0), der.explicit(0, bytes));
}

/** A response with an error status, which nobody signs. */
export function ocspError(status: number): Bytes {
  return der.sequence(der.enumerated(status));
}

/** The certificate of a responder that this authority lets answer for it. */
export function issueResponder(
  issuer: NvidiaAuthority,
  responder: NvidiaAuthority,
  window: Readonly<{ notBefore?: number; notAfter?: number; purpose?: boolean }> = {},
): Bytes {
  const { purpose = true, ...dates } = window;
  const extensions = purpose ? [ocspSigningPurpose()] : [];
  return issueNvidiaCertificate({ subject: responder, issuer, ca: false, extensions, ...dates });
}

export type NvidiaCrlRequest = Readonly<{
  issuer: NvidiaAuthority;
  /** Seconds since 1970. */
  thisUpdate: number;
  nextUpdate: number;
  number?: number;
  revoked: readonly Uint8Array[];
  /** NVIDIA signs its lists with P-384 keys over SHA-256. */
  hash?: 'sha256' | 'sha384';
}>;

export function issueNvidiaCrl({ issuer, revoked, number = 1, hash = 'sha256', ...window }: NvidiaCrlRequest): Bytes {
  const algorithm = hash === 'sha384' ? ECDSA_WITH_SHA384 : der.sequence(der.oid('1.2.840.10045.4.3.2'));
  const parts = {
    ...window,
    issuer: issuer.name,
    entries: revoked.map((serial) => x509.revokedEntry(serial, window.thisUpdate)),
    extensions: [x509.crlNumber(number), x509.authorityKeyIdentifier(issuer.key.keyIdentifier)],
  };
  return x509.revocationList(parts, { algorithm, sign: (message) => issuer.key.signDer(message, hash) });
}
