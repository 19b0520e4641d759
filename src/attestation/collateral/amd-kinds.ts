import {
  CodedError,
  equalBytes,
  fromHex,
  parseCrl,
  signedByRsaPss,
  whyNotCrlOf,
  type X509Certificate,
  type X509Crl,
} from '../../core/index.ts';
import {
  AmdCache,
  type AmdLeafFacts,
  type TrustAnchor,
  verifyAmdAuthorities,
  verifyAmdChain,
  verifyAmdRoot,
} from '../endorsements/index.ts';
import { isSnpLine, type SnpLine, type SnpSigner, type SnpTcbPart } from '../evidence/snp/index.ts';
import { type AmdEndorsementKey, tcbOfText } from './amd-tcb.ts';
import { type DocumentKind, type Parts, type Window, within } from './document.ts';
import type { KdsClient } from './kds-client.ts';
import { genuine, mismatch, wellFormed, windowOfCertificate } from './verified-parts.ts';

export type AmdKind = 'amd-chain' | 'amd-crl' | 'amd-vcek';

const SIGNER: Readonly<Record<AmdEndorsementKey, SnpSigner>> = { vcek: 'VCEK', vlek: 'VLEK' };

/**
 * AMD's kinds of documents (AMD 57230), verified as evidence is, up to one of these roots. Revocation and dates are for
 * whoever uses them.
 * @param keptChain the parts of a verified `amd-chain`: the service is asked for it once, not once for each chip
 */
export function amdKinds(
  client: KdsClient | null,
  anchors: readonly TrustAnchor[],
  keptChain: (line: SnpLine, key: AmdEndorsementKey) => Promise<Parts>,
): Readonly<Record<AmdKind, DocumentKind>> {
  const cache = new AmdCache();
  const online = (): KdsClient => {
    if (client !== null) return client;
    throw new CodedError('ENDORSEMENT_UNREACHABLE', 'no key distribution service of AMD is configured');
  };
  const kind = (isImmutable: boolean, fetch: DocumentKind['fetch'], verify: DocumentKind['verify']): DocumentKind => ({
    ...{ isImmutable, fetch, verify },
    isOnline: client !== null,
  });
  const certificate = (parts: Parts, name: string) => cache.certificate(fromHex(parts[name] as string, name));
  return {
    'amd-chain': kind(
      false,
      ([line, key]) => online().chain(line as SnpLine, key as AmdEndorsementKey),
      async ([line = '', key = ''], parts) => {
        wellFormed(isSnpLine(line) && isKey(key), parts, ['intermediate', 'root']);
        const [intermediate, root] = [certificate(parts, 'intermediate'), certificate(parts, 'root')];
        const signer = SIGNER[key as AmdEndorsementKey];
        ofLine(line, genuine(await verifyAmdAuthorities({ signer, intermediate, root }, anchors, cache)));
        const window = within(windowOfCertificate(intermediate), windowOfCertificate(root));
        return { window, version: BigInt(intermediate.notBefore) };
      },
    ),
    'amd-crl': kind(
      false,
      async ([line, key]) => {
        const { root } = await keptChain(line as SnpLine, key as AmdEndorsementKey);
        return { crl: await online().crl(line as SnpLine, key as AmdEndorsementKey), root: root as string };
      },
      async ([line = '', key = ''], parts) => {
        wellFormed(isSnpLine(line) && isKey(key), parts, ['crl', 'root']);
        const root = certificate(parts, 'root');
        ofLine(line, genuine(await verifyAmdRoot(root, anchors, cache)));
        const crl = await genuineCrl(parts.crl as string, root, cache);
        const version = (BigInt(`0x0${crl.crlNumber}`) << 40n) + BigInt(crl.thisUpdate);
        return { window: within(windowOfAmdCrl(crl), windowOfCertificate(root)), version };
      },
    ),
    'amd-vcek': kind(
      true,
      async ([line = '', hwid = '', tcb = '']) => {
        const svns = tcbOfText(line as SnpLine, tcb);
        if (svns === null) throw new CodedError('INVARIANT_BROKEN', 'a document id without a TCB');
        const chain = await keptChain(line as SnpLine, 'vcek');
        return { ...chain, certificate: await online().vcek(line as SnpLine, hwid, svns) };
      },
      async ([line = '', hwid = '', tcb = ''], parts) => {
        const svns = isSnpLine(line) ? tcbOfText(line, tcb) : null;
        wellFormed(svns !== null && /^[0-9a-f]*$/.test(hwid), parts, ['certificate', 'intermediate', 'root']);
        const given = ['certificate', 'intermediate', 'root'].map((name) => certificate(parts, name));
        const from = { certificates: given, crls: [], line: null, cache };
        const chain = genuine(await verifyAmdChain(from, 'VCEK', anchors));
        ofLine(line, chain);
        isOf(chain.facts, fromHex(hwid, 'hwid'), svns as ReadonlyMap<SnpTcbPart, number>);
        return { window: within(...given.map(windowOfCertificate)), version: BigInt(chain.leaf.notBefore) };
      },
    ),
  };
}

const isKey = (text: string): text is AmdEndorsementKey => Object.hasOwn(SIGNER, text);

function ofLine(line: string, found: Readonly<{ line: SnpLine }>): void {
  if (found.line !== line) throw mismatch('is of another product line');
}

/** A VCEK is asked for by chip and TCB: it is kept for ever only where it states both. */
function isOf({ hwid, tcb }: AmdLeafFacts, chip: Uint8Array, svns: ReadonlyMap<SnpTcbPart, number>): void {
  if (hwid === null || !equalBytes(hwid, chip)) throw mismatch('is of another chip');
  for (const [part, svn] of svns) if (tcb[part] !== svn) throw mismatch(`is of another TCB (${part})`);
}

async function genuineCrl(hex: string, root: X509Certificate, cache: AmdCache): Promise<X509Crl> {
  const crl = parseCrl(fromHex(hex, 'crl'));
  const why = whyNotCrlOf(crl, root);
  if (why !== null) throw new CodedError('ENDORSEMENT_CHAIN_INVALID', why);
  if (await signedByRsaPss(crl, root.spki, cache.verify)) return crl;
  throw new CodedError('ENDORSEMENT_SIGNATURE_INVALID', 'the CRL is not signed by its issuer');
}

/** AMD's lists are good until just before their nextUpdate. */
const windowOfAmdCrl = (crl: X509Crl): Window => ({ from: crl.thisUpdate, until: crl.nextUpdate - 1 });
