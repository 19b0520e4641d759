import * as crypto from 'node:crypto';
import {
  CodedError,
  DerReader,
  equalBytes,
  fromHex,
  parseCertificate,
  parseCrl,
  toHex,
  type X509Certificate,
} from '../../core/index.ts';
import { isSnpLine, productLine, type SnpLine } from '../evidence/snp/index.ts';
import { type AmdCa, parseAmdCa } from './amd-ca.ts';
import { AMD_TCB_PARTS, type AmdEndorsementKey, tcbOfText } from './amd-tcb.ts';
import { type DocumentKind, type Parts, within } from './document.ts';
import { wellFormed, windowOfCertificate, windowOfCrl } from './intel-kinds.ts';
import type { KdsClient } from './kds-client.ts';

/** A root key of AMD (an ARK) that the caller trusts for one product line. */
export type AmdRoot = Readonly<{ line: SnpLine; spkiSha256: Uint8Array }>;

export type AmdKind = 'amd-chain' | 'amd-crl' | 'amd-vcek';

const HWID = '1.3.6.1.4.1.3704.1.4';
const VCEK_NAME = 'SEV-VCEK';
const DER_OCTET_STRING = 0x04;
const PSS_SALT_BYTES = 48;

type Chain = Readonly<{ intermediate: AmdCa; root: AmdCa }>;

/**
 * AMD's kinds of documents (sev-snp.md sections 4 and 5): enough is verified to know that an answer is what was asked
 * for, so that nothing false is kept for ever. What a report needs beyond that is the verifier's to judge.
 * @param keptChain the parts of a verified `amd-chain`: the service is asked for it once, not once for each chip
 */
export function amdKinds(
  client: KdsClient | null,
  roots: readonly AmdRoot[],
  keptChain: (line: SnpLine, key: AmdEndorsementKey) => Promise<Parts>,
): Readonly<Record<AmdKind, DocumentKind>> {
  const online = (): KdsClient => {
    if (client !== null) return client;
    throw new CodedError('ENDORSEMENT_UNREACHABLE', 'no key distribution service of AMD is configured');
  };
  const chainOf = (line: SnpLine, key: AmdEndorsementKey, parts: Parts): Chain => {
    const intermediate = parseAmdCa(fromHex(parts.intermediate as string, 'intermediate'));
    const root = rootOf(line, parts, roots);
    const name = key === 'vcek' ? `SEV-${line}` : `SEV-VLEK-${line}`;
    if (intermediate.subject.commonName !== name) throw wrong('the chain is that of another line or key');
    issued(intermediate, root);
    return { intermediate, root };
  };
  return {
    'amd-chain': {
      isImmutable: false,
      isOnline: client !== null,
      fetch: ([line, key]) => online().chain(line as SnpLine, key as AmdEndorsementKey),
      verify: async ([line = '', key = ''], parts) => {
        wellFormed(isSnpLine(line) && isKey(key), parts, ['intermediate', 'root']);
        const { intermediate, root } = chainOf(line as SnpLine, key as AmdEndorsementKey, parts);
        const version = BigInt(intermediate.notBefore);
        return { window: within(windowOfCertificate(intermediate), windowOfCertificate(root)), version };
      },
    },
    'amd-crl': {
      isImmutable: false,
      isOnline: client !== null,
      fetch: async ([line, key]) => {
        const { root } = await keptChain(line as SnpLine, key as AmdEndorsementKey);
        return { crl: await online().crl(line as SnpLine, key as AmdEndorsementKey), root: root as string };
      },
      verify: async ([line = '', key = ''], parts) => {
        wellFormed(isSnpLine(line) && isKey(key), parts, ['crl', 'root']);
        const root = rootOf(line as SnpLine, parts, roots);
        const crl = parseCrl(fromHex(parts.crl as string, 'crl'));
        if (!equalBytes(crl.issuer.der, root.subject.der)) throw wrong('the CRL has another issuer');
        signed(crl, root, 'the CRL');
        const version = (BigInt(`0x0${crl.crlNumber}`) << 40n) + BigInt(crl.thisUpdate);
        return { window: within(windowOfCrl(crl), windowOfCertificate(root)), version };
      },
    },
    'amd-vcek': {
      isImmutable: true,
      isOnline: client !== null,
      fetch: async ([line = '', hwid = '', tcb = '']) => {
        const svns = tcbOfText(line as SnpLine, tcb);
        if (svns === null) throw new CodedError('INVARIANT_BROKEN', 'a document id without a TCB');
        const chain = await keptChain(line as SnpLine, 'vcek');
        return { ...chain, certificate: await online().vcek(line as SnpLine, hwid, svns) };
      },
      verify: async ([line = '', hwid = '', tcb = ''], parts) => {
        const svns = isSnpLine(line) ? tcbOfText(line, tcb) : null;
        wellFormed(svns !== null && /^[0-9a-f]*$/.test(hwid), parts, ['certificate', 'intermediate', 'root']);
        const { intermediate, root } = chainOf(line as SnpLine, 'vcek', parts);
        const leaf = parseCertificate(fromHex(parts.certificate as string, 'certificate'));
        issued(leaf, intermediate);
        if (leaf.subject.commonName !== VCEK_NAME) throw wrong('the certificate is not a VCEK');
        if (toHex(hwidOf(leaf, productLine(line as SnpLine).hwidBytes)) !== hwid)
          throw wrong('the VCEK is of another chip');
        for (const [part, svn] of svns ?? []) {
          if (splOf(leaf, AMD_TCB_PARTS[part].oid) !== svn) throw wrong(`the VCEK is of another TCB (${part})`);
        }
        const window = within(...[leaf, intermediate, root].map(windowOfCertificate));
        return { window, version: BigInt(leaf.notBefore) };
      },
    },
  };
}

const wrong = (why: string) => new CodedError('ENDORSEMENT_CHAIN_INVALID', why);

const isKey = (text: string): text is AmdEndorsementKey => text === 'vcek' || text === 'vlek';

/** The root that came with the answer, where it is the pinned one of this line: it is never trusted for itself. */
function rootOf(line: SnpLine, parts: Parts, roots: readonly AmdRoot[]): AmdCa {
  const root = parseAmdCa(fromHex(parts.root as string, 'root'));
  const isPinned = roots.some((pin) => pin.line === line && equalBytes(pin.spkiSha256, root.spkiSha256));
  if (!isPinned) throw wrong(`the chain does not end at the pinned root of ${line}`);
  signed(root, root, 'the root'); // so that its dates are the key holder's
  return root;
}

function issued(subject: AmdCa | X509Certificate, issuer: AmdCa): void {
  if (!equalBytes(subject.issuer.der, issuer.subject.der)) throw wrong('a certificate has another issuer');
  signed(subject, issuer, 'a certificate');
}

/**
 * RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes, AMD's only algorithm. Node's own: a key that is not RSA,
 * or a signature made otherwise, does not verify.
 */
function signed(what: Readonly<{ tbs: Uint8Array; signature: Uint8Array }>, issuer: AmdCa, name: string): void {
  let holds = false;
  try {
    const key = crypto.createPublicKey({ key: Buffer.from(issuer.spki), format: 'der', type: 'spki' });
    const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
    holds =
      key.asymmetricKeyType === 'rsa' &&
      crypto.verify('sha384', what.tbs, { key, padding, saltLength: PSS_SALT_BYTES }, what.signature);
  } catch {
    holds = false; // a key that cannot be read has signed nothing
  }
  if (!holds) throw new CodedError('ENDORSEMENT_SIGNATURE_INVALID', `${name} is not signed by its issuer`);
}

/** Raw bytes, or wrapped in an OCTET STRING; told by length, never by the first byte (sev-snp.md section 4.2). */
function hwidOf(leaf: X509Certificate, length: number): Uint8Array {
  const value = leaf.extensions.get(HWID)?.value ?? new Uint8Array(0);
  const isWrapped = value.length === length + 2 && value[0] === DER_OCTET_STRING && value[1] === length;
  if (value.length !== length && !isWrapped) throw wrong('the VCEK names no chip of this line');
  return value.subarray(value.length - length);
}

function splOf(leaf: X509Certificate, oid: string): number {
  const value = leaf.extensions.get(oid)?.value;
  if (value === undefined) throw wrong('the VCEK lacks a part of the TCB');
  const reader = new DerReader(value, 'vcek');
  const spl = reader.smallInteger('SPL', 255);
  reader.end();
  return spl;
}
