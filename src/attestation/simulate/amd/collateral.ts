import { type Bytes, toBase64, type UnixSeconds } from '../../../core/index.ts';
import type { SnpLine, SnpSigner, SnpTcb } from '../../evidence/snp/index.ts';
import type { SimulatedKey } from '../keys.ts';
import type { SimulatedRsaKey } from '../rsa-keys.ts';
import {
  type AmdCaRequest,
  type AmdLeafClaims,
  issueAmdCa,
  issueAmdCrl,
  issueAmdLeaf,
  leafClaims,
  type PssProfile,
  pssIssuing,
  type Window,
} from './certificates.ts';
import { SIMULATED_LINES } from './platform.ts';

const DAY_SECONDS = 86_400;
/** As AMD's: a VCEK lives seven years from its issue, a VLEK one, a CRL a year and some days. */
const LIFE_DAYS = { VCEK: 2557, VLEK: 365, crl: 376 } as const;
/** The provider that simulated VLEKs name. */
export const SIMULATED_CSP_ID = 'CN=simulated-region.cloud.invalid';
/** Fixed: the CAs are good from 2020 to the end of 2049. */
const CA_WINDOW: Window = {
  from: Date.UTC(2020, 0, 1) / 1000,
  to: Date.UTC(2049, 11, 31, 23, 59, 59) / 1000,
};

export type AmdDocument = 'root' | 'intermediate' | 'leaf' | 'crl';
export type AmdAuthority = 'ark' | 'ask' | 'asvk';

/** What may be wrong with a set of collateral; each defect alone makes a report refused or the verdict unavailable. */
export type AmdCollateralDefects = Readonly<{
  missing?: readonly AmdDocument[];
  /** Documents whose window ended a day before `now`. */
  expired?: readonly AmdDocument[];
  /** Documents whose window begins a day after `now`. */
  notYetValid?: readonly AmdDocument[];
  /** Documents signed by a key that is not their issuer's; a root so signed has another key under the rightful name. */
  wronglySigned?: readonly AmdDocument[];
  /** How documents are signed, where not in AMD's way. */
  pss?: Readonly<Partial<Record<AmdDocument, PssProfile>>>;
  /** Serial numbers that stand in the CRL. */
  revoked?: readonly AmdAuthority[];
  /** 1 by default. */
  crlNumber?: number;
  /** The CRL, or the CAs, of another line, which the vendor must have. */
  crlOf?: SnpLine;
  authoritiesOf?: SnpLine;
  /** The leaf is issued by the other intermediate: a VCEK by the ASVK, a VLEK by the ASK. */
  crossed?: boolean;
  /** A leaf of the other kind, in its own chain, though the report was signed with the first. */
  otherKind?: boolean;
  /** A leaf with another key than the chip's. */
  strangeLeafKey?: boolean;
  leaf?: Partial<AmdLeafClaims>;
  intermediate?: Partial<Pick<AmdCaRequest, 'commonName' | 'pathLength' | 'keyUsage' | 'serial'>>;
  root?: Partial<Pick<AmdCaRequest, 'commonName' | 'keyUsage'>>;
}>;

/** Fields of the `snp-report` collateral document; DER in base64, leaf first. */
export type SimulatedAmdCollateral = Readonly<{ certs: readonly string[]; crls: readonly string[]; line: SnpLine }>;

export type AmdAuthorities = Readonly<Record<AmdAuthority, Readonly<{ key: SimulatedRsaKey; certificate: Bytes }>>>;

/** The chip or provider whose key the leaf certifies. */
export type AmdSubject = Readonly<{
  line: SnpLine;
  signer: SnpSigner;
  tcb: SnpTcb;
  hwid: Uint8Array;
  key: (signer: SnpSigner) => SimulatedKey;
  strangerKey: SimulatedKey;
}>;

const SERIAL_SUFFIX: Readonly<Record<AmdAuthority, readonly [number, number]>> = {
  ark: [0, 0],
  ask: [0, 1],
  asvk: [1, 1],
};

/** As AMD's: the line's number, then which CA of it. */
function serialOf(line: SnpLine, authority: AmdAuthority): Bytes {
  return Uint8Array.of(SIMULATED_LINES[line].serial, ...SERIAL_SUFFIX[authority]);
}

function nameOf(line: SnpLine, authority: AmdAuthority): string {
  return { ark: `ARK-${line}`, ask: `SEV-${line}`, asvk: `SEV-VLEK-${line}` }[authority];
}

/** AMD writes the default trailer out in its CAs, and leaves it out in leaves and CRLs since 2022. */
const PROFILE_OF: Readonly<Record<AmdDocument, PssProfile>> = {
  root: 'sha384ExplicitTrailer',
  intermediate: 'sha384ExplicitTrailer',
  leaf: 'sha384',
  crl: 'sha384',
};

/** What a good CA of this line is asked for. */
function caRequest(
  line: SnpLine,
  authority: AmdAuthority,
  keys: Readonly<Record<AmdAuthority, SimulatedRsaKey>>,
): AmdCaRequest {
  const isRoot = authority === 'ark';
  return {
    commonName: nameOf(line, authority),
    key: keys[authority],
    issuer: nameOf(line, 'ark'),
    authority: isRoot ? null : keys.ark,
    serial: serialOf(line, authority),
    window: CA_WINDOW,
    pathLength: isRoot ? null : 0,
    keyUsage: isRoot ? 0x06 : 0x04,
  };
}

/** A good CA certificate of this line. */
export function issueGoodCa(
  line: SnpLine,
  authority: AmdAuthority,
  keys: Readonly<Record<AmdAuthority, SimulatedRsaKey>>,
): Bytes {
  return issueAmdCa(caRequest(line, authority, keys), pssIssuing(keys.ark, PROFILE_OF.root));
}

/** Everything that a report of this chip is verified with, issued at the start of the UTC day of `now`. */
export function issueAmdCollateral(
  authoritiesOf: (line: SnpLine) => AmdAuthorities,
  subject: AmdSubject,
  now: UnixSeconds,
  defects: AmdCollateralDefects = {},
): SimulatedAmdCollateral {
  const today = Math.floor(now / DAY_SECONDS) * DAY_SECONDS;
  const issuer = issuerOf(authoritiesOf, subject, defects, today);
  const documents = { leaf: issuer.leaf, intermediate: issuer.intermediate, root: issuer.root };
  const isGiven = (document: AmdDocument) => defects.missing?.includes(document) !== true;
  const certs = (['leaf', 'intermediate', 'root'] as const).filter(isGiven).map((document) => documents[document]());
  const crls = isGiven('crl') ? [issuer.crl()] : [];
  return { certs: certs.map(toBase64), crls: crls.map(toBase64), line: subject.line };
}

type Issuer = Readonly<Record<AmdDocument, () => Bytes>>;

function issuerOf(
  authoritiesOf: (line: SnpLine) => AmdAuthorities,
  subject: AmdSubject,
  defects: AmdCollateralDefects,
  today: UnixSeconds,
): Issuer {
  const { line } = subject;
  const caLine = defects.authoritiesOf ?? line;
  const cas = authoritiesOf(caLine);
  const keys = { ark: cas.ark.key, ask: cas.ask.key, asvk: cas.asvk.key };
  const signer = defects.otherKind === true ? otherOf(subject.signer) : subject.signer;
  const middle = (defects.crossed === true ? otherOf(signer) : signer) === 'VCEK' ? 'ask' : 'asvk';
  const side = middle === 'ask' ? 'asvk' : 'ask';
  const window = (document: AmdDocument, usual: Window): Window => {
    if (defects.expired?.includes(document)) return { from: today - 31 * DAY_SECONDS, to: today - DAY_SECONDS };
    if (defects.notYetValid?.includes(document)) return { from: today + 2 * DAY_SECONDS, to: today + 32 * DAY_SECONDS };
    return usual;
  };
  const signing = (document: AmdDocument, rightful: SimulatedRsaKey) => {
    // A key of the same vendor that is not this document's issuer.
    const key = defects.wronglySigned?.includes(document) ? cas[side].key : rightful;
    return pssIssuing(key, defects.pss?.[document] ?? PROFILE_OF[document]);
  };
  const fresh = (days: number): Window => ({ from: today, to: today + days * DAY_SECONDS });
  const isAsKept = (document: 'root' | 'intermediate') =>
    defects[document] === undefined &&
    defects.pss?.[document] === undefined &&
    ![defects.expired, defects.notYetValid, defects.wronglySigned].some((list) => list?.includes(document));
  return {
    root: () => {
      if (isAsKept('root')) return cas.ark.certificate;
      const good = { ...caRequest(caLine, 'ark', keys), ...defects.root, window: window('root', CA_WINDOW) };
      const isStrange = defects.wronglySigned?.includes('root') === true;
      return issueAmdCa(isStrange ? { ...good, key: cas[side].key } : good, signing('root', keys.ark));
    },
    intermediate: () => {
      if (isAsKept('intermediate')) return cas[middle].certificate;
      const good = { ...caRequest(caLine, middle, keys), window: window('intermediate', CA_WINDOW) };
      return issueAmdCa({ ...good, ...defects.intermediate }, signing('intermediate', keys.ark));
    },
    leaf: () => {
      const claims = leafClaims(line, signer, { tcb: subject.tcb, hwid: subject.hwid, cspId: SIMULATED_CSP_ID });
      const request = {
        key: defects.strangeLeafKey === true ? subject.strangerKey : subject.key(signer),
        issuer: defects.intermediate?.commonName ?? nameOf(caLine, middle),
        window: window('leaf', fresh(LIFE_DAYS[signer])),
      };
      return issueAmdLeaf(line, { ...claims, ...defects.leaf }, request, signing('leaf', keys[middle]));
    },
    crl: () => {
      const crlLine = defects.crlOf ?? line;
      const { ark } = authoritiesOf(crlLine);
      const request = {
        issuer: nameOf(crlLine, 'ark'),
        issuerKey: ark.key,
        window: window('crl', fresh(LIFE_DAYS.crl)),
        number: defects.crlNumber ?? 1,
        revoked: (defects.revoked ?? []).map((authority) => serialOf(crlLine, authority)),
      };
      return issueAmdCrl(request, signing('crl', ark.key));
    },
  };
}

function otherOf(signer: SnpSigner): SnpSigner {
  return signer === 'VCEK' ? 'VLEK' : 'VCEK';
}
