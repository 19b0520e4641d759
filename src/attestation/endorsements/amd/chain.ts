import {
  DER_TAG,
  DerReader,
  equalBytes,
  isRsaKey,
  toHex,
  unknownCriticalExtension,
  whyNotIssuedBy,
  type X509Certificate,
  type X509Name,
} from '../../../core/index.ts';
import { isSnpLine, type SnpLine, type SnpSigner } from '../../evidence/snp/index.ts';
import { type Judged, judgeParse, missing, ok, wrong } from '../judged.ts';
import { anchorFor, type TrustAnchor } from '../trust-anchor.ts';
import type { AmdCache } from './amd-cache.ts';
import { type AmdLeafFacts, readAmdLeaf } from './leaf.ts';
import type { AmdEndorsements } from './load.ts';
import { AMD_ROOTS } from './roots.ts';

/** ARK → ASK → VCEK or ARK → ASVK → VLEK, with every signature verified up to a pinned key. */
export type AmdChain = Readonly<{
  signer: SnpSigner;
  leaf: X509Certificate;
  facts: AmdLeafFacts;
  /** ASK or ASVK. */
  intermediate: X509Certificate;
  root: X509Certificate;
  anchor: TrustAnchor;
  line: SnpLine;
}>;

const LEAF_NAME: Readonly<Record<SnpSigner, string>> = { VCEK: 'SEV-VCEK', VLEK: 'SEV-VLEK' };
const INTERMEDIATE_PREFIX: Readonly<Record<SnpSigner, string>> = { VCEK: 'SEV-', VLEK: 'SEV-VLEK-' };
const ROOT_PREFIX = 'ARK-';

/** The line that a CA's common name ends in, after exactly this prefix, or null. */
function lineAfter(prefix: string, { commonName }: X509Name): SnpLine | null {
  if (commonName === null || !commonName.startsWith(prefix)) return null;
  const line = commonName.slice(prefix.length);
  return isSnpLine(line) ? line : null;
}

/** Leaves by the kind of key they say they hold; a name proves nothing, the chain does. */
export function leavesOf(from: AmdEndorsements, signer: SnpSigner): readonly X509Certificate[] {
  return from.certificates.filter(({ subject }) => subject.commonName === LEAF_NAME[signer]);
}

/**
 * Finds and verifies the chain of the key that signed a report (AMD 57230). A VCEK chains through an ASK only, a VLEK
 * through an ASVK only. Certificates are told apart by key and serial: two ASKs of one name exist.
 * @param anchors roots the caller trusts, by key; AMD's own are checked as whole certificates too
 * @param isLikely which of several leaves to try first; which one signed is for the verifier
 */
export async function verifyAmdChain(
  from: AmdEndorsements,
  signer: SnpSigner,
  anchors: readonly TrustAnchor[],
  isLikely: (leaf: X509Certificate) => boolean = () => true,
): Promise<Judged<AmdChain>> {
  const given = leavesOf(from, signer);
  // One chip has a certificate for each TCB, and a bag may hold several: the one that fits is tried first.
  const leaves = given.length > 1 ? [...given].sort((a, b) => Number(isLikely(b)) - Number(isLikely(a))) : given;
  // Whatever is no leaf by name stands as a CA: one that may not be one is refused, not overlooked.
  const isLeaf = ({ subject }: X509Certificate) => Object.values(LEAF_NAME).includes(subject.commonName ?? '');
  const cas = from.certificates.filter((certificate) => !isLeaf(certificate));
  const roots = cas.filter(({ subject, issuer }) => equalBytes(subject.der, issuer.der));
  const intermediates = cas.filter((certificate) => !roots.includes(certificate));
  if (leaves.length === 0) {
    const other = leavesOf(from, signer === 'VCEK' ? 'VLEK' : 'VCEK');
    if (other.length === 0) return missing(`no ${signer} certificate is given`);
    return wrong(
      'EVIDENCE_CHAIN_INVALID',
      `a ${signer} signed the report; only the other kind of certificate is given`,
    );
  }
  if (intermediates.length === 0) return missing(`the ${signer === 'VCEK' ? 'ASK' : 'ASVK'} is not given`);
  if (roots.length === 0) return missing('the ARK is not given');
  let first: Judged<AmdChain> | null = null;
  for (const leaf of leaves) {
    for (const intermediate of intermediates) {
      for (const root of roots) {
        const judged = await judgeChain({ signer, leaf, intermediate, root }, anchors, from);
        if (judged.state === 'ok') return judged;
        first ??= judged;
      }
    }
  }
  return first ?? missing('no chain is given');
}

type Candidate = Pick<AmdChain, 'signer' | 'leaf' | 'intermediate' | 'root'>;

const refuse = (why: string) => wrong('EVIDENCE_CHAIN_INVALID', why);

async function judgeChain(
  candidate: Candidate,
  anchors: readonly TrustAnchor[],
  { cache }: AmdEndorsements,
): Promise<Judged<AmdChain>> {
  const { signer, leaf, intermediate, root } = candidate;
  const held = cache.chains.get(toHex(leaf.sha256));
  if (held !== undefined && held.signer === signer && held.intermediate === intermediate && held.root === root) {
    const anchor = anchorFor(root.spkiSha256, anchors);
    return anchor === null ? refuse('the ARK is not a pinned one') : ok({ ...held, anchor });
  }
  const authorities = await verifyAmdAuthorities(candidate, anchors, cache);
  if (authorities.state !== 'ok') return authorities;
  const why = whyNotLeaf(candidate);
  if (why !== null) return refuse(why);
  if (!(await cache.issued(leaf, intermediate))) return refuse('the intermediate CA did not sign the leaf');
  const facts = judgeParse('leaf', () => readAmdLeaf(leaf));
  if (facts.state !== 'ok') return facts;
  const chain = { ...authorities.value, leaf, facts: facts.value };
  cache.chains.set(toHex(leaf.sha256), chain);
  return ok(chain);
}

/** A chain without its leaf. */
export type AmdAuthorities = Omit<AmdChain, 'leaf' | 'facts'>;

/** Verifies ASK or ASVK, whichever vouches for this kind of leaf, up to a pinned ARK (AMD 57230). */
export async function verifyAmdAuthorities(
  candidate: Pick<AmdChain, 'signer' | 'intermediate' | 'root'>,
  anchors: readonly TrustAnchor[],
  cache: AmdCache,
): Promise<Judged<AmdAuthorities>> {
  const { signer, intermediate, root } = candidate;
  const judged = await verifyAmdRoot(root, anchors, cache);
  if (judged.state !== 'ok') return judged;
  const { line, anchor } = judged.value;
  const why = whyNotIntermediate(candidate, line);
  if (why !== null) return refuse(why);
  if (!(await cache.issued(intermediate, root))) return refuse('the ARK did not sign the intermediate CA');
  return ok({ signer, intermediate, root, anchor, line });
}

/** Verifies that a certificate is a pinned ARK, and of which line. */
export async function verifyAmdRoot(
  root: X509Certificate,
  anchors: readonly TrustAnchor[],
  cache: AmdCache,
): Promise<Judged<Pick<AmdChain, 'anchor' | 'line'>>> {
  const anchor = anchorFor(root.spkiSha256, anchors);
  if (anchor === null) return refuse('the ARK is not a pinned one');
  const pinned = AMD_ROOTS.find(({ spkiSha256 }) => equalBytes(spkiSha256, root.spkiSha256));
  if (pinned !== undefined && !equalBytes(pinned.certificateSha256, root.sha256)) {
    return refuse("the ARK certificate is another than AMD's, though its key is AMD's");
  }
  const line = lineAfter(ROOT_PREFIX, root.subject);
  if (line === null || (pinned !== undefined && pinned.line !== line)) return refuse('the ARK is of no known line');
  const unknown = unknownCriticalExtension(root);
  if (unknown !== null) return refuse(`the root has the unknown critical extension ${unknown}`);
  if (!isRsaKey(root.spki, 4096)) return refuse('a CA key is not RSA-4096');
  const why = whyNotIssuedBy(root, root, 1);
  if (why !== null) return refuse(why);
  // The very bytes that are pinned need no signature by themselves.
  const isPinnedWhole = anchor.certificateSha256 !== undefined && equalBytes(anchor.certificateSha256, root.sha256);
  if (!isPinnedWhole && !(await cache.issued(root, root))) return refuse('the ARK did not sign itself');
  return ok({ anchor, line });
}

function whyNotIntermediate(
  { signer, intermediate, root }: Pick<AmdChain, 'signer' | 'intermediate' | 'root'>,
  line: SnpLine,
): string | null {
  if (lineAfter(INTERMEDIATE_PREFIX[signer], intermediate.subject) !== line) {
    return `the intermediate CA is not ${INTERMEDIATE_PREFIX[signer]}${line}, through which a ${signer} chains`;
  }
  const why = whyNotOfChain('intermediate', intermediate, root);
  if (why !== null) return why;
  if (!isRsaKey(intermediate.spki, 4096)) return 'a CA key is not RSA-4096';
  if (intermediate.basicConstraints?.pathLength !== 0) return 'the intermediate CA may issue other CAs';
  return whyNotIssuedBy(intermediate, root, 1);
}

function whyNotLeaf({ leaf, intermediate, root }: Candidate): string | null {
  const why = whyNotOfChain('leaf', leaf, root);
  if (why !== null) return why;
  if (leaf.publicKey?.curve !== 'P-384') return 'the leaf key is not on P-384';
  if (leaf.basicConstraints !== null) return 'the leaf states basic constraints';
  return whyNotIssuedBy(leaf, intermediate, 0);
}

function whyNotOfChain(who: string, certificate: X509Certificate, root: X509Certificate): string | null {
  const unknown = unknownCriticalExtension(certificate);
  if (unknown !== null) return `the ${who} has the unknown critical extension ${unknown}`;
  const isOne = withoutCommonName(certificate.subject) === withoutCommonName(root.subject);
  return isOne ? null : `the ${who} is named for another organisation than the ARK`;
}

/** The name's other attributes, in order: country, organisation and so on are the same in a whole chain. */
function withoutCommonName({ der }: X509Name): string {
  const outer = new DerReader(der, 'name');
  const name = outer.sequence('name');
  const kept: string[] = [];
  while (!name.done) {
    const { whole, content } = name.element('name', DER_TAG.set);
    const attribute = name.inside('name', content).sequence('name');
    if (attribute.oid('name') !== '2.5.4.3') kept.push(toHex(whole));
  }
  return kept.join();
}
