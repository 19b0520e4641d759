import type { LoggedEvent, ParsedEventLog, ParsedTdxQuote } from '../../src/attestation/index.ts';
import { EVENT_TYPE, SHA384_ID, TD_REPORT_BYTES } from '../../src/attestation/index.ts';
import * as der from '../../src/attestation/simulate/der.ts';
import { concat, DerReader, fromHex, toHex, type X509Certificate } from '../../src/core/index.ts';

// Writers for what the verifier only reads: what was parsed must give the bytes it came from.

export function little(value: number | bigint, width: 1 | 2 | 4 | 8): Uint8Array {
  const out = new Uint8Array(width);
  for (let i = 0, rest = BigInt(value); i < width; i++, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

/** The quote without what follows its end. Of the header, which is signed as it stands, only the version is written anew. */
export function encodeTdxQuote(quote: ParsedTdxQuote): Uint8Array {
  const { extension, teeTcbSvn2, mrServiceTd, ...base } = quote.report;
  const body = concat(
    ...Object.values(base),
    ...[teeTcbSvn2, mrServiceTd].flatMap((field) => field ?? []),
    ...Object.values(extension ?? {}),
  );
  const inner = concat(
    quote.qeReport.raw,
    quote.qeReportSignature,
    little(quote.qeAuthData.length, 2),
    quote.qeAuthData,
    little(quote.certificationType, 2),
    little(quote.certificationData.length, 4),
    quote.certificationData,
  );
  const section = concat(quote.signature, quote.attestationKey, little(6, 2), little(inner.length, 4), inner);
  return concat(
    little(quote.version, 2),
    quote.signedBytes.subarray(2, 28),
    quote.userData,
    quote.version === 5
      ? concat(little(quote.bodyType, 2), little(TD_REPORT_BYTES[quote.bodyType], 4))
      : new Uint8Array(0),
    body,
    little(section.length, 4),
    section,
  );
}

/** A certificate from its parsed fields. */
export function encodeCertificate(certificate: X509Certificate): Uint8Array {
  const algorithm = fromHex(certificate.signatureAlgorithm);
  const extensions = [...certificate.extensions].map(([id, { critical, value }]) =>
    der.sequence(der.oid(id), ...(critical ? [der.boolean(true)] : []), der.octetString(value)),
  );
  const tbs = der.sequence(
    der.explicit(0, der.integer(2)),
    der.unsignedInteger(fromHex(certificate.serial)),
    algorithm,
    certificate.issuer.der,
    der.sequence(der.time(certificate.notBefore), der.time(certificate.notAfter)),
    certificate.subject.der,
    certificate.spki,
    der.explicit(3, der.sequence(...extensions)),
  );
  return der.sequence(tbs, algorithm, der.bitString(certificate.signature));
}

/** Every element of a DER structure read and written again, down to the last one. */
export function rewriteDer(bytes: Uint8Array): Uint8Array {
  const reader = new DerReader(bytes, 'der');
  const out: Uint8Array[] = [];
  while (!reader.done) {
    const { tag, content } = reader.any('element');
    const inner = (tag & 0x20) === 0 ? content : rewriteDer(content);
    const length: number[] = [];
    for (let rest = inner.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff);
    const head = inner.length < 0x80 ? [tag, inner.length] : [tag, 0x80 | length.length, ...length];
    out.push(Uint8Array.from(head), inner);
  }
  return concat(...out);
}

/** The entries of a log whose header declares SHA-384 alone. */
export function encodeFirmwareEvents({ events }: ParsedEventLog): Uint8Array {
  return concat(
    ...events.map(({ register, type, digest, data }) =>
      concat(
        little(register === null ? 0 : register + 1, 4),
        little(type, 4),
        digest === null ? little(0, 4) : concat(little(1, 4), little(SHA384_ID, 2), digest),
        little(data.length, 4),
        data,
      ),
    ),
  );
}

/** dstack's form; the firmware's events have names there that nothing measures and the parser does not keep. */
export function encodeDstackLog({ events }: ParsedEventLog): string {
  const item = ({ register, type, digest, data, runtimeName }: LoggedEvent) => ({
    imr: register,
    event_type: type,
    digest: toHex(digest ?? new Uint8Array()),
    event: type === EVENT_TYPE.DSTACK_RUNTIME ? runtimeName : '',
    event_payload: toHex(data),
  });
  return JSON.stringify(events.map(item));
}
