import {
  type Bytes,
  CodedError,
  fromBase64,
  fromHex,
  type Json,
  jsonOfMembers,
  parseCrl,
  parsePem,
  signedBy,
  strictJsonMembers,
  utf8,
  type X509Certificate,
  type X509Crl,
} from '../../../core/index.ts';
import { type Judged, judgeParse, missing, ok, wrong } from '../judged.ts';
import type { TrustAnchor } from '../trust-anchor.ts';
import { VerificationCache } from '../verification-cache.ts';
import { type IntelChain, verifyIntelChain } from './chain.ts';
import type { IntelCollateral } from './collateral.ts';
import { type TdQeIdentity, tdQeIdentityOf } from './qe-identity.ts';
import { type TdxTcbInfo, tdxTcbInfoOf } from './tcb-info.ts';

export const COLLATERAL_DOCUMENT_CHARACTERS_MAX = 1024 * 1024;
/** A CRL of 1 MiB in hexadecimal, or in base64 with line ends. */
export const CRL_CHARACTERS_MAX = 2 * 1024 * 1024;

/** A signed document whose signature holds and whose signer chains to a pinned root. */
export type SignedByIntel<T> = Readonly<{ document: T; signer: IntelChain }>;

/**
 * Intel's endorsements of one platform, parsed and verified once, reused for every quote: all that does not depend on
 * the time or on the quote is settled. Make it with {@link loadIntelEndorsements}.
 */
export type IntelEndorsements = Readonly<{
  tcbInfo: Judged<SignedByIntel<TdxTcbInfo>>;
  qeIdentity: Judged<SignedByIntel<TdQeIdentity>>;
  /** Parsed; its signature is verified with the root of the quote's own chain. */
  rootCrl: Judged<X509Crl>;
  /** Parsed; its signature is verified with the CA that issued the quote's leaf. */
  pckCrl: Judged<X509Crl>;
  pckCrlIssuer: Judged<IntelChain>;
  /** PEM, for quotes that carry no chain. */
  pckCertificateChain: string | null;
  /** A root that completes a chain ending below it. */
  rootHint: X509Certificate | null;
  cache: VerificationCache;
}>;

/**
 * Parses Intel collateral and verifies its signatures up to a pinned root; never throws for bad collateral, which is
 * data in the result.
 * @param anchors roots the caller trusts; an empty list trusts nothing
 * @param cache held by the caller across calls, or a fresh one
 */
export async function loadIntelEndorsements(
  collateral: IntelCollateral,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache = new VerificationCache(),
): Promise<IntelEndorsements> {
  const { pck_crl_issuer_chain: pckCrlChain } = collateral;
  const pckCrlIssuer =
    pckCrlChain === undefined
      ? missing('pck_crl_issuer_chain is missing')
      : inCollateral('pck_crl_issuer_chain', await verifyIntelChain(pckCrlChain, 'pckCa', anchors, cache));
  const tcbInfo = await loadSigned(collateral, 'tcb_info', 'tcbInfo', tdxTcbInfoOf, anchors, cache);
  const qeIdentity = await loadSigned(collateral, 'qe_identity', 'enclaveIdentity', tdQeIdentityOf, anchors, cache);
  const rootCrl = loadCrl(collateral, 'root_ca_crl');
  const pckCrl = loadCrl(collateral, 'pck_crl');
  if (pckCrlIssuer.state === 'ok') {
    // Whose list it is depends on the quote; where it is this CA's, as a rule, its signature is remembered from here on.
    await rememberSignature(rootCrl, pckCrlIssuer.value.root, cache);
    await rememberSignature(pckCrl, pckCrlIssuer.value.leaf, cache);
  }
  return {
    tcbInfo,
    qeIdentity,
    rootCrl,
    pckCrl,
    pckCrlIssuer,
    pckCertificateChain: collateral.pck_certificate_chain ?? null,
    rootHint: pckCrlIssuer.state === 'ok' ? pckCrlIssuer.value.root : null,
    cache,
  };
}

async function rememberSignature(
  crl: Judged<X509Crl>,
  issuer: X509Certificate,
  cache: VerificationCache,
): Promise<void> {
  if (crl.state === 'ok') await signedBy(crl.value, issuer.publicKey, cache.verify);
}

/** The roots behind the documents of a set: each must be one that may vouch, like the quote's own. */
export function intelAnchorsOf({ tcbInfo, qeIdentity, pckCrlIssuer }: IntelEndorsements): TrustAnchor[] {
  return [
    ...(tcbInfo.state === 'ok' ? [tcbInfo.value.signer.anchor] : []),
    ...(qeIdentity.state === 'ok' ? [qeIdentity.value.signer.anchor] : []),
    ...(pckCrlIssuer.state === 'ok' ? [pckCrlIssuer.value.anchor] : []),
  ];
}

/** Endorsements of a caller that has none: everything is reported as missing. */
export function noIntelEndorsements(cache: VerificationCache = new VerificationCache()): IntelEndorsements {
  const none = (what: string) => missing(`${what} is missing`);
  return {
    tcbInfo: none('tcb_info'),
    qeIdentity: none('qe_identity'),
    rootCrl: none('root_ca_crl'),
    pckCrl: none('pck_crl'),
    pckCrlIssuer: none('pck_crl_issuer_chain'),
    pckCertificateChain: null,
    rootHint: null,
    cache,
  };
}

function inCollateral<T>(field: string, judged: Judged<T>): Judged<T> {
  if (judged.state !== 'failed') return judged;
  const code = judged.code === 'EVIDENCE_CHAIN_INVALID' ? 'ENDORSEMENT_CHAIN_INVALID' : judged.code;
  return wrong(code, `${field}: ${judged.reason}`);
}

async function loadSigned<T>(
  collateral: IntelCollateral,
  field: 'tcb_info' | 'qe_identity',
  member: string,
  read: (document: Json) => T,
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<Judged<SignedByIntel<T>>> {
  const given = collateral[field];
  const chainPem = collateral[`${field}_issuer_chain`];
  if (given === undefined) return missing(`${field} is missing`);
  if (given.length > COLLATERAL_DOCUMENT_CHARACTERS_MAX) return wrong('EVIDENCE_TOO_LARGE', `${field} is too long`);
  const exact = judgeParse(field, () => exactSignedText(given, member, field));
  if (exact.state !== 'ok') return exact;
  const signatureHex = collateral[`${field}_signature`] ?? exact.value.signature;
  if (signatureHex === undefined) return missing(`${field}_signature is missing`);
  if (chainPem === undefined) return missing(`${field}_issuer_chain is missing`);
  const signer = inCollateral(`${field}_issuer_chain`, await verifyIntelChain(chainPem, 'tcbSigner', anchors, cache));
  if (signer.state !== 'ok') return signer;
  if (!/^[0-9a-fA-F]{128}$/.test(signatureHex)) {
    return wrong('ENDORSEMENT_MALFORMED', `${field}_signature: not 128 hexadecimal digits`);
  }
  const { publicKey } = signer.value.leaf;
  const signature = fromHex(signatureHex, `${field}_signature`);
  if (publicKey === null || !(await cache.verify('P-256', publicKey.point, utf8(exact.value.text), signature))) {
    return wrong('ENDORSEMENT_SIGNATURE_INVALID', `${field}: its signer did not sign this text`);
  }
  const document = judgeParse(field, () => read(exact.value.document));
  return document.state === 'ok' ? ok({ document: document.value, signer: signer.value }) : document;
}

type SignedText = Readonly<{ text: string; document: Json; signature?: string }>;

/**
 * The exact text that is signed: the document itself, or the value cut out of the service's whole answer
 * (`{"tcbInfo": …, "signature": …}`) without writing it again. It is parsed once, before its signature is known to hold,
 * and read only after.
 */
function exactSignedText(given: string, member: string, field: string): SignedText {
  const members = strictJsonMembers(given, field);
  const inner = members.get(member);
  if (inner === undefined) return { text: given, document: jsonOfMembers(members) };
  const signature = members.get('signature')?.value;
  for (const name of members.keys()) {
    if (name !== member && name !== 'signature') {
      throw new CodedError('ENDORSEMENT_MALFORMED', `${field}: an unknown member beside ${member}`, { field });
    }
  }
  const text = given.slice(inner.start, inner.end);
  return { text, document: inner.value, ...(typeof signature === 'string' ? { signature } : {}) };
}

function loadCrl(collateral: IntelCollateral, field: 'root_ca_crl' | 'pck_crl'): Judged<X509Crl> {
  const given = collateral[field];
  if (given === undefined) return missing(`${field} is missing`);
  if (given.length > CRL_CHARACTERS_MAX) return wrong('EVIDENCE_TOO_LARGE', `${field} is too long`);
  return judgeParse(field, () => parseCrl(crlBytes(given, field)));
}

/** PEM by its first dashes; DER starts with 0x30, which is "30" in hexadecimal and "M" in base64: never mistaken. */
function crlBytes(given: string, field: string): Bytes {
  if (given.startsWith('-----')) {
    const [block, ...more] = parsePem(given, 'X509 CRL', 1, field);
    if (block === undefined || more.length > 0)
      throw new CodedError('CRL_MALFORMED', `${field}: not one CRL`, { field });
    return block;
  }
  return given.startsWith('30') ? fromHex(given, field) : fromBase64(given, field);
}
