import {
  equalBytes,
  isCurrent,
  rfc3339,
  signedBy,
  type UnixSeconds,
  whyNotCrlOf,
  type X509Certificate,
  type X509Crl,
} from '../../core/index.ts';
import {
  anchorFor,
  type IntelChain,
  type IntelEndorsements,
  type Judged,
  missing,
  ok,
  type PckChain,
  type SignedByIntel,
  wrong,
} from '../endorsements/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';
import { after, worstOf } from './judged-checks.ts';
import type { CrlFloor, TdxValidity, TdxVerifyOptions } from './tdx-types.ts';

/** A CRL and the CA that signed it. */
export type IssuedCrl = Readonly<{ crl: X509Crl; issuer: X509Certificate }>;

/** One root for all: what an anchor of another kind vouches for says nothing about this quote. */
export function underSameAnchor<T>(
  field: string,
  judged: Judged<SignedByIntel<T>>,
  chain: PckChain | null,
): Judged<SignedByIntel<T>> {
  if (judged.state !== 'ok' || chain === null) return judged;
  if (anchorFor(judged.value.signer.root.spkiSha256, [chain.anchor]) !== null) return judged;
  return wrong('ENDORSEMENT_CHAIN_INVALID', `${field} ends at another root than the quote`);
}

export async function rootCrlOf(from: IntelEndorsements, chain: PckChain | null): Promise<Judged<IssuedCrl>> {
  const judged = from.rootCrl;
  if (judged.state !== 'ok') return judged;
  if (chain === null) return missing('the root is not established');
  return crlSignedBy('root_ca_crl', judged.value, chain.root, from);
}

export async function pckCrlOf(from: IntelEndorsements, chain: PckChain | null): Promise<Judged<IssuedCrl>> {
  const { pckCrl: judged, pckCrlIssuer } = from;
  if (pckCrlIssuer.state === 'failed') return pckCrlIssuer;
  if (judged.state !== 'ok') return judged;
  if (chain === null) return missing('the issuer of the PCK leaf is not established');
  if (pckCrlIssuer.state === 'ok' && !equalBytes(pckCrlIssuer.value.leaf.spkiSha256, chain.issuer.spkiSha256)) {
    return wrong('ENDORSEMENT_CHAIN_INVALID', 'pck_crl_issuer_chain is not the CA that issued the PCK leaf');
  }
  return crlSignedBy('pck_crl', judged.value, chain.issuer, from);
}

async function crlSignedBy(
  field: string,
  crl: X509Crl,
  issuer: X509Certificate,
  from: IntelEndorsements,
): Promise<Judged<IssuedCrl>> {
  const why = whyNotCrlOf(crl, issuer);
  if (why !== null) return wrong('ENDORSEMENT_CHAIN_INVALID', `${field}: ${why}`);
  if (await signedBy(crl, issuer.publicKey, from.cache.verify)) return ok({ crl, issuer });
  return wrong('ENDORSEMENT_SIGNATURE_INVALID', `${field}: its issuer did not sign it`);
}

function notCurrent(what: string, from: UnixSeconds, until: UnixSeconds, now: UnixSeconds): string {
  return `${what} is current from ${rfc3339(from)} to ${rfc3339(until)}, not at ${rfc3339(now)}`;
}

/** In date, and not older than the newest list of this CA that the caller knows. */
export function crlCurrent(
  field: string,
  { crl, issuer }: IssuedCrl,
  now: UnixSeconds,
  options: TdxVerifyOptions,
): Check {
  if (!isCurrent(crl.thisUpdate, crl.nextUpdate, now)) {
    return failed('ENDORSEMENT_NOT_CURRENT', notCurrent(field, crl.thisUpdate, crl.nextUpdate, now));
  }
  const floors = (options.crlFloors ?? []).filter(({ issuerSpkiSha256 }) =>
    equalBytes(issuerSpkiSha256, issuer.spkiSha256),
  );
  const isRolledBack = floors.some((floor) => crl.thisUpdate < floor.thisUpdate || isLower(crl, floor));
  return check(!isRolledBack, 'ENDORSEMENT_ROLLED_BACK', `${field} is older than one that the caller has seen`);
}

const isLower = (a: Pick<CrlFloor, 'crlNumber'>, b: Pick<CrlFloor, 'crlNumber'>) =>
  BigInt(`0x${a.crlNumber}`) < BigInt(`0x${b.crlNumber}`);

/** What a caller may keep of CRLs whose signatures hold. */
export function crlFloorsOf(...judged: readonly Judged<IssuedCrl>[]): CrlFloor[] {
  return judged.flatMap((one) => {
    if (one.state !== 'ok') return [];
    const { crl, issuer } = one.value;
    return [{ issuerSpkiSha256: issuer.spkiSha256, thisUpdate: crl.thisUpdate, crlNumber: crl.crlNumber }];
  });
}

/** The floors of a caller that has also seen these CRLs: per CA the latest thisUpdate and the highest number. */
export function raiseCrlFloors(floors: readonly CrlFloor[], seen: readonly CrlFloor[]): CrlFloor[] {
  const raised: CrlFloor[] = [];
  for (const floor of [...floors, ...seen]) {
    const at = raised.findIndex(({ issuerSpkiSha256 }) => equalBytes(issuerSpkiSha256, floor.issuerSpkiSha256));
    const known = raised[at];
    if (known === undefined) raised.push(floor);
    else {
      raised[at] = {
        issuerSpkiSha256: known.issuerSpkiSha256,
        thisUpdate: Math.max(known.thisUpdate, floor.thisUpdate),
        crlNumber: isLower(known, floor) ? floor.crlNumber : known.crlNumber,
      };
    }
  }
  return raised;
}

type NotCurrentCode = 'EVIDENCE_CHAIN_NOT_CURRENT' | 'ENDORSEMENT_NOT_CURRENT';

export function chainCurrent(chain: IntelChain, now: UnixSeconds, code: NotCurrentCode): Check {
  const outside = chain.certificates.find(({ notBefore, notAfter }) => !isCurrent(notBefore, notAfter, now));
  if (outside === undefined) return PASSED;
  return failed(
    code,
    notCurrent(outside.subject.commonName ?? 'a certificate', outside.notBefore, outside.notAfter, now),
  );
}

type Dated = Readonly<{ issueDate: UnixSeconds; nextUpdate: UnixSeconds; evaluationNumber: number }>;

/** In date, with its signer, and as new as the caller asks. */
export function documentCurrent(
  field: string,
  signed: SignedByIntel<Dated>,
  now: UnixSeconds,
  options: TdxVerifyOptions,
): Check {
  const { issueDate, nextUpdate, evaluationNumber } = signed.document;
  if (!isCurrent(issueDate, nextUpdate, now)) {
    return failed('ENDORSEMENT_NOT_CURRENT', notCurrent(field, issueDate, nextUpdate, now));
  }
  const { collateralAgeSecondsMax: ageMax, evaluationNumberMin: numberMin } = options;
  if (ageMax !== undefined && now - issueDate > ageMax) {
    return failed('ENDORSEMENT_TOO_OLD', `${field} was issued more than ${ageMax} seconds ago`);
  }
  if (numberMin !== undefined && evaluationNumber < numberMin) {
    return failed('ENDORSEMENT_TOO_OLD', `${field} has evaluation number ${evaluationNumber}, below ${numberMin}`);
  }
  return chainCurrent(signed.signer, now, 'ENDORSEMENT_NOT_CURRENT');
}

/** Each list that is there is asked: what one of them says counts without the other. */
export function pckNotRevoked(chain: PckChain | null, rootCrl: Judged<IssuedCrl>, pckCrl: Judged<IssuedCrl>): Check {
  if (chain === null) return notRun('the chain is not established');
  return worstOf([
    after(rootCrl, ({ crl }) =>
      check(!crl.revoked.has(chain.issuer.serial), 'EVIDENCE_CHAIN_REVOKED', 'the PCK CA is revoked'),
    ),
    after(pckCrl, ({ crl }) =>
      check(!crl.revoked.has(chain.leaf.serial), 'EVIDENCE_CHAIN_REVOKED', 'the PCK leaf is revoked'),
    ),
  ]);
}

export function signersNotRevoked(rootCrl: IssuedCrl, ...signed: readonly Judged<SignedByIntel<unknown>>[]): Check {
  return worstOf(
    signed.map((judged) =>
      after(judged, ({ signer }) =>
        check(!rootCrl.crl.revoked.has(signer.leaf.serial), 'ENDORSEMENT_REVOKED', 'a signer of collateral is revoked'),
      ),
    ),
  );
}

export function validityOf(
  chain: PckChain,
  signed: readonly Judged<SignedByIntel<Dated>>[],
  crls: readonly Judged<IssuedCrl>[],
): TdxValidity {
  const windows: (readonly [UnixSeconds, UnixSeconds])[] = [];
  const addChain = ({ certificates }: IntelChain) => {
    for (const { notBefore, notAfter } of certificates) windows.push([notBefore, notAfter]);
  };
  addChain(chain);
  for (const judged of signed) {
    if (judged.state !== 'ok') continue;
    windows.push([judged.value.document.issueDate, judged.value.document.nextUpdate]);
    addChain(judged.value.signer);
  }
  for (const judged of crls) {
    if (judged.state === 'ok') windows.push([judged.value.crl.thisUpdate, judged.value.crl.nextUpdate]);
  }
  return {
    latestIssue: Math.max(...windows.map(([from]) => from)),
    earliestExpiry: Math.min(...windows.map(([, until]) => until)),
  };
}

/**
 * The same endorsements with another set of TCB levels, such as the one that Intel publishes ahead of its standard one
 * (`update=early`): a verdict under them says what that set will do to a platform. What the other set lacks stays.
 */
export function withTcbSet(from: IntelEndorsements, other: IntelEndorsements): IntelEndorsements {
  return {
    ...from,
    tcbInfo: other.tcbInfo.state === 'missing' ? from.tcbInfo : other.tcbInfo,
    qeIdentity: other.qeIdentity.state === 'missing' ? from.qeIdentity : other.qeIdentity,
  };
}
