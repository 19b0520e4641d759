import { rfc3339, toHex, type UnixSeconds, utf8 } from '../../core/index.ts';
import { issueCrl, pemChain } from './certificates.ts';
import type { SimulatedKey } from './keys.ts';
import {
  COMPONENT_STATUSES,
  componentSvn,
  FMSPC,
  PCE_ID,
  PCE_SVN,
  PLATFORM_STATUSES,
  QE_MRSIGNER,
  QE_PRODUCT_ID,
  SEAM_LOADER_SVN,
  sgxComponents,
  TDX_MODULE_MAJOR,
} from './platform.ts';

const DAY_SECONDS = 86_400;
/** Intel's documents live 30 days. */
const COLLATERAL_DAYS = 30;
const TCB_EVALUATION_DATA_NUMBER = 20;

export type CollateralDocument = 'tcbInfo' | 'qeIdentity' | 'rootCrl' | 'pckCrl';

/** What may be wrong with a set of collateral; each defect alone makes evidence refused or the verdict unavailable. */
export type CollateralDefects = Readonly<{
  /** Documents whose window ended a day before `now`. */
  expired?: readonly CollateralDocument[];
  /** Documents whose window begins a day after `now`. */
  notYetValid?: readonly CollateralDocument[];
  /** Documents signed by a key that is nobody's. */
  wronglySigned?: readonly CollateralDocument[];
  /** Machines whose PCK certificate stands in the PCK CRL. */
  revokedMachines?: readonly string[];
  /** Certificates that stand in the root's CRL. */
  revokedAuthorities?: readonly ('platformCa' | 'tcbSigning')[];
  /** CRL number of both lists; 1 by default, as in Intel's. */
  crlNumber?: number;
  /** FMSPC of the TCB info, 12 hexadecimal digits. */
  fmspc?: string;
  /** `SGX` and `QE` are validly signed siblings that a TDX verifier refuses. */
  tcbInfoId?: 'TDX' | 'SGX';
  qeIdentityId?: 'TD_QE' | 'QE';
  /** MRSIGNER of the QE identity, 64 hexadecimal digits. */
  qeMrSigner?: string;
  /** The set after a TCB recovery: the next number, a level above today's best, which is OutOfDate from then on. */
  tcbRecovery?: boolean;
}>;

/** The field names that Intel's PCS clients share; CRLs as DER in hexadecimal, documents as the exact signed text. */
export type SimulatedCollateral = Readonly<{
  pck_crl_issuer_chain: string;
  root_ca_crl: string;
  pck_crl: string;
  tcb_info_issuer_chain: string;
  tcb_info: string;
  tcb_info_signature: string;
  qe_identity_issuer_chain: string;
  qe_identity: string;
  qe_identity_signature: string;
}>;

export type CollateralIssuers = Readonly<{
  rootKey: SimulatedKey;
  platformCaKey: SimulatedKey;
  tcbSigningKey: SimulatedKey;
  strangerKey: SimulatedKey;
  rootCertificate: Uint8Array;
  platformCaCertificate: Uint8Array;
  tcbSigningCertificate: Uint8Array;
  rootName: string;
  platformCaName: string;
  serialOfMachine: (name: string) => Uint8Array;
  serialOfAuthority: (authority: 'platformCa' | 'tcbSigning') => Uint8Array;
}>;

/** A complete set for TDX, issued at the start of the UTC day of `now`. */
export function issueCollateral(
  from: CollateralIssuers,
  now: UnixSeconds,
  defects: CollateralDefects = {},
): SimulatedCollateral {
  const window = (document: CollateralDocument) => {
    const today = Math.floor(now / DAY_SECONDS) * DAY_SECONDS;
    if (defects.expired?.includes(document)) return { from: today - 31 * DAY_SECONDS, to: today - DAY_SECONDS };
    if (defects.notYetValid?.includes(document)) return { from: today + 2 * DAY_SECONDS, to: today + 32 * DAY_SECONDS };
    return { from: today, to: today + COLLATERAL_DAYS * DAY_SECONDS };
  };
  const signer = (document: CollateralDocument, rightful: SimulatedKey) =>
    defects.wronglySigned?.includes(document) ? from.strangerKey : rightful;
  const crl = (document: 'rootCrl' | 'pckCrl', issuer: string, rightful: SimulatedKey, revoked: Uint8Array[]) => {
    const { from: thisUpdate, to: nextUpdate } = window(document);
    // The stranger signs under the rightful issuer's key identifier: only the signature is wrong.
    const issuerKey = { ...rightful, signDer: signer(document, rightful).signDer };
    return toHex(issueCrl({ issuer, issuerKey, thisUpdate, nextUpdate, number: defects.crlNumber ?? 1, revoked }));
  };
  const tcbInfo = JSON.stringify(tcbInfoDocument(window('tcbInfo'), defects));
  const qeIdentity = JSON.stringify(qeIdentityDocument(window('qeIdentity'), defects));
  const tcbChain = pemChain(from.tcbSigningCertificate, from.rootCertificate);
  return {
    pck_crl_issuer_chain: pemChain(from.platformCaCertificate, from.rootCertificate),
    root_ca_crl: crl(
      'rootCrl',
      from.rootName,
      from.rootKey,
      (defects.revokedAuthorities ?? []).map(from.serialOfAuthority),
    ),
    pck_crl: crl(
      'pckCrl',
      from.platformCaName,
      from.platformCaKey,
      (defects.revokedMachines ?? []).map(from.serialOfMachine),
    ),
    tcb_info_issuer_chain: tcbChain,
    tcb_info: tcbInfo,
    tcb_info_signature: toHex(signer('tcbInfo', from.tcbSigningKey).signRaw(utf8(tcbInfo))),
    qe_identity_issuer_chain: tcbChain,
    qe_identity: qeIdentity,
    qe_identity_signature: toHex(signer('qeIdentity', from.tcbSigningKey).signRaw(utf8(qeIdentity))),
  };
}

type Window = Readonly<{ from: number; to: number }>;

/** Dates of TCB levels: fixed, a year apart, so that tests of grace windows have something to compare. */
const TCB_DATES = ['2026-05-13T00:00:00Z', '2025-05-14T00:00:00Z', '2024-05-15T00:00:00Z'] as const;

const RECOVERY_DATE = '2026-11-11T00:00:00Z';
const TDX_COMPONENTS = [componentSvn('UpToDate'), 0, SEAM_LOADER_SVN, ...new Array<number>(13).fill(0)];
const EARLY_MICROCODE = { category: 'BIOS', type: 'Early Microcode Update' };

function advisories(status: string): string[] {
  return status === 'UpToDate' ? [] : [`CHRYSALIS-SIM-${status}`];
}

function componentLevels(): object[] {
  return COMPONENT_STATUSES.map((tcbStatus, index) => ({
    tcb: { isvsvn: componentSvn(tcbStatus) },
    tcbDate: TCB_DATES[index],
    tcbStatus,
    ...(tcbStatus === 'UpToDate' ? {} : { advisoryIDs: advisories(tcbStatus) }),
  }));
}

/** TCB info version 3 for TDX (Intel PCS API v4, "Get TCB Info"). */
function tcbInfoDocument(window: Window, defects: CollateralDefects): object {
  const nothing = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) };
  return {
    id: defects.tcbInfoId ?? 'TDX',
    version: 3,
    issueDate: rfc3339(window.from),
    nextUpdate: rfc3339(window.to),
    fmspc: defects.fmspc ?? toHex(FMSPC).toUpperCase(),
    pceId: toHex(PCE_ID),
    tcbType: 0,
    tcbEvaluationDataNumber: evaluationNumber(defects),
    tdxModule: nothing,
    tdxModuleIdentities: [
      { id: `TDX_${toHex(Uint8Array.of(TDX_MODULE_MAJOR))}`, ...nothing, tcbLevels: componentLevels() },
    ],
    tcbLevels: platformLevels(defects),
  };
}

const evaluationNumber = ({ tcbRecovery }: CollateralDefects) => TCB_EVALUATION_DATA_NUMBER + (tcbRecovery ? 1 : 0);

function platformLevels({ tcbRecovery }: CollateralDefects): object[] {
  const level = (components: readonly number[], tcbStatus: string, tcbDate: string) => ({
    tcb: {
      sgxtcbcomponents: components.map((svn, index) => ({ svn, ...(index === 0 ? EARLY_MICROCODE : {}) })),
      pcesvn: PCE_SVN,
      tdxtcbcomponents: TDX_COMPONENTS.map((svn) => ({ svn })),
    },
    tcbDate,
    tcbStatus,
    ...(tcbStatus === 'UpToDate' ? {} : { advisoryIDs: advisories(tcbStatus) }),
  });
  const levels = PLATFORM_STATUSES.map((status, index) => {
    const isOvertaken = tcbRecovery === true && status === 'UpToDate';
    const date = TCB_DATES[Math.min(index, TCB_DATES.length - 1)] as string;
    return level(sgxComponents(status), isOvertaken ? 'OutOfDate' : status, date);
  });
  if (tcbRecovery !== true) return levels;
  const newest = sgxComponents('UpToDate').map((svn, index) => (index === 0 ? svn + 1 : svn));
  return [level(newest, 'UpToDate', RECOVERY_DATE), ...levels];
}

/** TD QE identity version 2 (Intel PCS API v4, "Get Quoting Enclave Identity"). */
function qeIdentityDocument(window: Window, defects: CollateralDefects): object {
  return {
    id: defects.qeIdentityId ?? 'TD_QE',
    version: 2,
    issueDate: rfc3339(window.from),
    nextUpdate: rfc3339(window.to),
    tcbEvaluationDataNumber: evaluationNumber(defects),
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: defects.qeMrSigner ?? toHex(QE_MRSIGNER).toUpperCase(),
    isvprodid: QE_PRODUCT_ID,
    tcbLevels: componentLevels(),
  };
}
