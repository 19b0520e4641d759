import { CodedError, parsePem, toHex, type UnixSeconds, utf8 } from '../../core/index.ts';
import {
  CHAIN_CERTIFICATES_MAX,
  type IntelCollateral,
  loadIntelEndorsements,
  parseNvidiaCertificate,
  type TrustAnchor,
} from '../endorsements/index.ts';
import type { BundledDocument } from './bundle.ts';
import { crlDer } from './crl-encoding.ts';
import type { Parts } from './document.ts';
import { INTEL_CA_NAME } from './intel-service.ts';
import type { AmdAsk, AmdCollateralSet, IntelAsk } from './service.ts';
import { genuine } from './verified-parts.ts';

/** Collateral as the documents of a bundle: nothing is verified here, whoever imports the bundle does that. */

/** The other way round from `getIntelCollateral`. @throws CodedError ENDORSEMENT_MISSING for a field that is absent */
export function intelDocuments(
  { fmspc, ca, channel = 'standard' }: IntelAsk,
  collateral: IntelCollateral,
  fetchedAt: UnixSeconds,
): BundledDocument[] {
  const field = (name: keyof IntelCollateral): string => {
    const text = collateral[name];
    if (text === undefined) throw new CodedError('ENDORSEMENT_MISSING', `${name} is missing`, { field: name });
    return text;
  };
  const signed = (name: 'tcb_info' | 'qe_identity'): Parts => ({
    text: field(name),
    signature: field(`${name}_signature`),
    issuerChain: field(`${name}_issuer_chain`),
  });
  const crl = (name: 'pck_crl' | 'root_ca_crl') => toHex(crlDer(utf8(field(name)), name));
  const issuerChain = field('pck_crl_issuer_chain');
  const root = parsePem(issuerChain, 'CERTIFICATE', CHAIN_CERTIFICATES_MAX).at(-1) as Uint8Array;
  const documents: Readonly<Record<string, Parts>> = {
    [`tdx-tcb-info/${fmspc.toLowerCase()}/${channel}`]: signed('tcb_info'),
    [`td-qe-identity/${channel}`]: signed('qe_identity'),
    [`pck-crl/${ca}`]: { crl: crl('pck_crl'), issuerChain },
    'root-crl': { crl: crl('root_ca_crl'), issuer: toHex(root) },
  };
  return Object.entries(documents).map(([id, parts]) => ({ id, parts, fetchedAt }));
}

/**
 * The same for a set from elsewhere: which platform it is of is read from its documents, when it was fetched is not
 * known, so it counts as old as its TCB info.
 * @throws CodedError for a set that is not whole, or whose TCB info or CA is not genuine under these roots
 */
export async function documentsOfIntelSet(
  collateral: IntelCollateral,
  anchors: readonly TrustAnchor[],
): Promise<BundledDocument[]> {
  const { tcbInfo, pckCrlIssuer } = await loadIntelEndorsements(collateral, anchors);
  const { document } = genuine(tcbInfo);
  const { commonName } = genuine(pckCrlIssuer).leaf.subject;
  const ca = commonName === INTEL_CA_NAME.platform ? 'platform' : 'processor';
  return intelDocuments({ fmspc: toHex(document.fmspc), ca }, collateral, document.issueDate);
}

/** ASK or ASVK, ARK and list of a line. @throws CodedError ENDORSEMENT_MISSING for a certificate that is absent */
export function amdDocuments(
  { line, key }: Pick<AmdAsk, 'line' | 'key'>,
  { certificates, crl }: Pick<AmdCollateralSet, 'certificates' | 'crl'>,
  fetchedAt: UnixSeconds,
): BundledDocument[] {
  const [intermediate, root] = certificates.slice(-2).map(toHex);
  if (root === undefined || intermediate === undefined) {
    throw new CodedError('ENDORSEMENT_MISSING', 'intermediate and root belong to a chain');
  }
  const documents: Readonly<Record<string, Parts>> = {
    [`amd-chain/${line}/${key}`]: { intermediate, root },
    [`amd-crl/${line}/${key}`]: { crl: toHex(crl), root },
  };
  return Object.entries(documents).map(([id, parts]) => ({ id, parts, fetchedAt }));
}

/** The other way round from `getNvidiaCollateral`: an answer is about the certificate that it names. */
export function nvidiaDocuments(
  manifests: ReadonlyMap<string, string>,
  answers: readonly Readonly<{ response: Uint8Array; serial: string; issuers: readonly Uint8Array[] }>[],
  fetchedAt: UnixSeconds,
): BundledDocument[] {
  const rims = [...manifests].map(([id, manifest]) => ({ id: `nvidia-rim/${id}`, parts: { manifest }, fetchedAt }));
  const ocsp = answers.map(({ response, serial, issuers }) => {
    const issuer = parseNvidiaCertificate(issuers[0] as Uint8Array);
    const parts = { response: toHex(response), issuers: issuers.map(toHex).join(' ') };
    return { id: `nvidia-ocsp/${toHex(issuer.spkiSha256)}/${serial}`, parts, fetchedAt };
  });
  return [...rims, ...ocsp];
}
