import {
  CodedError,
  fromHex,
  parseCertificate,
  parseCrl,
  parseStrictJson,
  signedBy,
  toHex,
  utf8,
  whyNotCrlOf,
  type X509Certificate,
  type X509Crl,
} from '../../core/index.ts';
import {
  anchorFor,
  type IntelChain,
  loadIntelEndorsements,
  type SignedByIntel,
  type TrustAnchor,
  VerificationCache,
  verifyIntelChain,
} from '../endorsements/index.ts';
import { type DocumentKind, type Parts, type Verified, type Window, within } from './document.ts';
import { type EvaluationNumbers, parseEvaluationNumbers } from './evaluation-numbers.ts';
import { INTEL_CA_NAME, type IntelClient, type PckCa, type TcbChannel } from './intel-service.ts';
import { genuine, mismatch, wellFormed, windowOfCertificate } from './verified-parts.ts';

const FMSPC = /^[0-9a-f]{12}$/;
const CHANNEL = /^(?:standard|early|[1-9]\d{0,8})$/;

export type IntelKind = 'tdx-tcb-info' | 'td-qe-identity' | 'pck-crl' | 'root-crl' | 'tdx-evaluation-numbers';

/** Intel's kinds of documents, verified up to one of these roots (Intel PCS API v4). */
export function intelKinds(
  client: IntelClient | null,
  anchors: readonly TrustAnchor[],
): Readonly<Record<IntelKind, DocumentKind>> {
  const cache = new VerificationCache();
  const online = (): IntelClient => {
    if (client !== null) return client;
    throw new CodedError('ENDORSEMENT_UNREACHABLE', 'no collateral service of Intel is configured');
  };
  /** Roots of the chains verified here: whose CRL to expect. Never more than there are anchors. */
  const roots = new Map<string, X509Certificate>();
  const rootSeen = (chain: IntelChain): void => void roots.set(toHex(chain.root.spkiSha256), chain.root);
  const kind = (fetch: DocumentKind['fetch'], verify: DocumentKind['verify']): DocumentKind => ({
    isImmutable: false,
    isOnline: client !== null,
    fetch,
    verify,
  });
  return {
    'tdx-tcb-info': kind(
      ([fmspc, channel]) => online().tcbInfo(fmspc as string, channel as TcbChannel),
      async ([fmspc = '', channel = ''], parts) => {
        wellFormed(FMSPC.test(fmspc) && CHANNEL.test(channel), parts, ['text', 'signature', 'issuerChain']);
        const { text: tcb_info, signature: tcb_info_signature, issuerChain: tcb_info_issuer_chain } = parts;
        const collateral = { tcb_info, tcb_info_signature, tcb_info_issuer_chain };
        const { document, signer } = genuine((await loadIntelEndorsements(collateral, anchors, cache)).tcbInfo);
        if (toHex(document.fmspc) !== fmspc) throw mismatch('is about another platform (FMSPC)');
        rootSeen(signer);
        return versioned({ document, signer }, channel);
      },
    ),
    'td-qe-identity': kind(
      ([channel]) => online().qeIdentity(channel as TcbChannel),
      async ([channel = ''], parts) => {
        wellFormed(CHANNEL.test(channel), parts, ['text', 'signature', 'issuerChain']);
        const { text: qe_identity, signature: qe_identity_signature, issuerChain: qe_identity_issuer_chain } = parts;
        const collateral = { qe_identity, qe_identity_signature, qe_identity_issuer_chain };
        const found = genuine((await loadIntelEndorsements(collateral, anchors, cache)).qeIdentity);
        rootSeen(found.signer);
        return versioned(found, channel);
      },
    ),
    'pck-crl': kind(
      ([ca]) => online().pckCrl(ca as PckCa),
      async ([ca = ''], parts) => {
        wellFormed(Object.hasOwn(INTEL_CA_NAME, ca), parts, ['crl', 'issuerChain']);
        const chain = genuine(await verifyIntelChain(parts.issuerChain as string, 'pckCa', anchors, cache));
        if (chain.leaf.subject.commonName !== INTEL_CA_NAME[ca as PckCa])
          throw mismatch('comes with the chain of another CA');
        rootSeen(chain);
        const crl = await genuineCrl(parts.crl as string, chain.leaf, cache);
        return { window: within(windowOfCrl(crl), windowOf(chain)), version: crlVersion(crl) };
      },
    ),
    'root-crl': kind(
      async () => ({ crl: toHex(await online().rootCrl()), ...issuerOf([...roots.values()]) }),
      async (_, parts) => {
        wellFormed(true, parts, ['crl', 'issuer']);
        const root = parseCertificate(fromHex(parts.issuer as string, 'issuer'));
        if (anchorFor(root.spkiSha256, anchors) === null) throw mismatch('is not issued by a pinned root');
        const crl = await genuineCrl(parts.crl as string, root, cache);
        roots.set(toHex(root.spkiSha256), root);
        return { window: within(windowOfCrl(crl), windowOfCertificate(root)), version: crlVersion(crl) };
      },
    ),
    'tdx-evaluation-numbers': kind(
      () => online().evaluationNumbers(),
      async (_, parts) => {
        wellFormed(true, parts, ['text', 'signature', 'issuerChain']);
        const signer = genuine(await verifyIntelChain(parts.issuerChain as string, 'tcbSigner', anchors, cache));
        await signedText(parts, signer, cache);
        rootSeen(signer);
        return versioned({ document: evaluationNumbersOf(parts), signer }, 'standard');
      },
    ),
  };
}

export function evaluationNumbersOf(parts: Parts): EvaluationNumbers {
  return parseEvaluationNumbers(parseStrictJson(parts.text as string, 'evaluation data numbers'));
}

/** One vendor at a time: a second root (a simulated one beside Intel's) would have a CRL of its own elsewhere. */
function issuerOf(roots: readonly X509Certificate[]): { issuer: string } {
  const [root, another] = roots;
  if (root !== undefined && another === undefined) return { issuer: toHex(root.der) };
  throw new CodedError(
    'ENDORSEMENT_UNREACHABLE',
    root === undefined
      ? 'the root is not known yet: ask for a TCB info or a PCK CRL first'
      : 'chains end at several roots',
  );
}

async function genuineCrl(hex: string, issuer: X509Certificate, cache: VerificationCache): Promise<X509Crl> {
  const crl = parseCrl(fromHex(hex, 'crl'));
  const why = whyNotCrlOf(crl, issuer);
  if (why !== null) throw new CodedError('ENDORSEMENT_CHAIN_INVALID', why);
  if (await signedBy(crl, issuer.publicKey, cache.verify)) return crl;
  throw new CodedError('ENDORSEMENT_SIGNATURE_INVALID', 'the CRL is not signed by its issuer');
}

async function signedText(parts: Parts, signer: IntelChain, cache: VerificationCache): Promise<void> {
  const { publicKey } = signer.leaf;
  const signature = fromHex(parts.signature as string, 'signature');
  const isWhole = publicKey !== null && signature.length === 64;
  if (isWhole && (await cache.verify('P-256', publicKey.point, utf8(parts.text as string), signature))) return;
  throw new CodedError('ENDORSEMENT_SIGNATURE_INVALID', 'its signer did not sign this text');
}

type Issued = Readonly<{ issueDate: number; nextUpdate: number; evaluationNumber: number }>;

/** By evaluation number first: an older set, freshly signed, is a roll-back too. */
function versioned({ document, signer }: SignedByIntel<Issued>, channel: string): Verified {
  const { issueDate, nextUpdate, evaluationNumber } = document;
  if (/^\d/.test(channel) && Number(channel) !== evaluationNumber) throw mismatch('has another evaluation number');
  return {
    window: within({ from: issueDate, until: nextUpdate }, windowOf(signer)),
    version: (BigInt(evaluationNumber) << 40n) + BigInt(issueDate),
  };
}

function crlVersion(crl: X509Crl): bigint {
  return (BigInt(`0x0${crl.crlNumber}`) << 40n) + BigInt(crl.thisUpdate);
}

const windowOfCrl = (crl: X509Crl): Window => ({ from: crl.thisUpdate, until: crl.nextUpdate });

const windowOf = (chain: IntelChain): Window => within(...chain.certificates.map(windowOfCertificate));
