export * from './ais/beacon.ts';
export * from './ais/keyset.ts';
export * from './ais/nonce.ts';
export * from './ais/payable.ts';
export * from './ais/receipts-root.ts';
export * from './bounded-body.ts';
export * from './bytes.ts';
export * from './canonical-json.ts';
export * from './cursor.ts';
export * from './der.ts';
export * from './efi.ts';
export * from './errors.ts';
export * from './html.ts';
export * from './merkle.ts';
export * from './objects.ts';
export * from './patrol.ts';
export * from './strict-json.ts';
export * from './time.ts';
export * from './tracing.ts';
export * from './x509/certificate.ts';
export * from './x509/crl.ts';
export * from './x509/extensions.ts';
export * from './x509/name.ts';
export {
  isAnswerFor,
  OCSP_BYTES_MAX,
  type OcspAnswer,
  parseOcspResponse,
  whyNotOcspOf,
  type X509OcspResponse,
} from './x509/ocsp.ts';
export * from './x509/ocsp-request.ts';
export * from './x509/path.ts';
export * from './x509/pem.ts';
export * from './x509/rsa-key.ts';
export * from './x509/rsa-pss.ts';
export * from './x509/signature.ts';
