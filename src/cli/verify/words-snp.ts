import type { AzureCheckName, SnpCheckName, SnpStrictViolation } from '../../attestation/index.ts';
import type { ErrorCode } from '../../core/index.ts';
import type { Advice } from './words.ts';

/** What each check is about, in people's words. */
export const WORDS_OF_SNP_CHECK: Readonly<Record<SnpCheckName | AzureCheckName, string>> = {
  chainToPinnedArk: 'certificate chain of the signing key (VCEK or VLEK) to a pinned AMD root',
  productLine: 'product line of report and chain',
  chainCurrent: 'certificates in date',
  arkCrl: "AMD's revocation list",
  chainNotRevoked: 'ASK or ASVK not revoked',
  leafOfProductLine: 'certificate is for this product line',
  tcbMatchesLeaf: "REPORTED_TCB is the certificate's",
  chipIdMatchesLeaf: "certificate is this chip's, or a provider's",
  reportSignature: 'report signature',
  reservedBits: 'reserved bits',
  requestedByGuest: 'asked for by the guest, not the host',
  tcbOrder: 'TCB versions in order',
  tcbMinimum: 'least TCB',
  cloudProvider: 'cloud provider',
  expectedReportData: 'REPORT_DATA as expected',
  expectedFields: 'other fields as expected',
  runtimeDataBound: 'runtime data of the paravisor are the ones in REPORT_DATA',
  vtpmQuoteSignature: "vTPM's quote signed by the key in the runtime data",
  vtpmNonce: "vTPM's quote answers the nonce",
  vtpmPcrs: 'PCRs are the quoted ones',
};

const NOT_THIS_REPORT: Advice = {
  means: 'These bytes were not signed as they stand by the key of the certificate that was given.',
  todo: 'Ask for a new report and its certificate together; with one from AMD, for this chip and this REPORTED_TCB.',
};
const NOT_THIS_VTPM: Advice = {
  means: 'The report may be genuine, but what was given beside it is not of the guest that it was made for.',
  todo: 'Ask the guest for report, quote and PCRs together, over your own nonce, and pass them unchanged.',
};
const NO_GUEST_REPORT: Advice = {
  means: 'No firmware makes such a report for a guest of this processor.',
  todo: "Don't rely on it. If you run the guest: ask /dev/sev-guest (or configfs-tsm) again and pass its bytes unchanged.",
};

/** What a failed check means for the person, and what they can do; for the CRL that goes by code. */
export const ADVICE_OF_SNP_CHECK: Readonly<Record<Exclude<SnpCheckName, 'arkCrl'> | AzureCheckName, Advice>> = {
  chainToPinnedArk: {
    means: "The key's certificate does not come from a root you trust: it may be no AMD processor at all.",
    todo: 'Fetch the chain of this product line from AMD; a VCEK needs the ASK, a VLEK the ASVK. For simulated evidence, name its root with --trust-anchor.',
  },
  productLine: {
    means: 'The report is not of the product line that its certificates, or you, say; or that line is not accepted.',
    todo: 'Give the certificates of the processor that made the report, and the line that it is of.',
  },
  chainCurrent: {
    means: 'A certificate was not valid at the given time. A VLEK lives for one year and is often kept too long.',
    todo: 'Check --at; if it is right, fetch the VCEK from AMD again, or the VLEK from the cloud provider.',
  },
  chainNotRevoked: {
    means: 'AMD has revoked the CA (ASK or ASVK) below which this key was certified.',
    todo: "Don't rely on it. AMD issues the VCEK again below its current ASK: fetch both anew.",
  },
  leafOfProductLine: NOT_THIS_REPORT,
  tcbMatchesLeaf: {
    means: 'The certificate is for another firmware level than the report was signed at.',
    todo: 'Fetch the certificate for the REPORTED_TCB of this very report; after a firmware update the old one no longer fits.',
  },
  chipIdMatchesLeaf: {
    means: 'Nothing binds the report to the chip of the certificate: it is of another chip, or the host masks CHIP_ID.',
    todo: 'Fetch the VCEK of this chip. If CHIP_ID is all zero: ask the owner of the host to switch MASK_CHIP_ID off.',
  },
  reportSignature: NOT_THIS_REPORT,
  reservedBits: NO_GUEST_REPORT,
  requestedByGuest: NO_GUEST_REPORT,
  tcbOrder: NO_GUEST_REPORT,
  tcbMinimum: {
    means: 'The firmware or microcode of the host is older than you accept: known attacks may work on it.',
    todo: "Don't use this worker. If you run the host: update its firmware (SEV loader and microcode), then start the guest again.",
  },
  cloudProvider: {
    means: 'The key is shared by all hosts of a cloud provider that is not on your list.',
    todo: 'Use a host of a provider that you accept, or one whose reports are signed by its own VCEK.',
  },
  expectedReportData: {
    means: 'The report may be genuine, but it is not about what you expected: it may be an old or borrowed one.',
    todo: 'Ask for a fresh report over your own nonce and key.',
  },
  expectedFields: {
    means: 'The report may be genuine, but it is of another guest, image or chip than you expected.',
    todo: 'Compare the claims with what you expected (--json without expectations shows them).',
  },
  runtimeDataBound: NOT_THIS_VTPM,
  vtpmQuoteSignature: NOT_THIS_VTPM,
  vtpmNonce: {
    means: 'The quote of the vTPM answers another nonce: it may be an old one.',
    todo: 'Ask the guest for a fresh quote over your own nonce.',
  },
  vtpmPcrs: NOT_THIS_VTPM,
};

/** Where a code means something else for a report than for other evidence. */
export const ADVICE_OF_CODE_FOR_SNP: Partial<Record<ErrorCode, Advice>> = {
  EVIDENCE_UNSIGNED: {
    means: 'Firmware signed nothing: it has no key for this guest, or its owner masks the key (MASK_CHIP_KEY).',
    todo: "Don't rely on it. If you run the host: give it a VCEK or VLEK and switch MASK_CHIP_KEY off.",
  },
  EVIDENCE_UNSUPPORTED: {
    means: 'This is a report of a version, algorithm or processor that is not verified here.',
    todo: 'Check --kind. Versions 2 to 5 of Milan, Genoa (with Bergamo and Siena) and Turin are known here.',
  },
  EVIDENCE_TRAILING_BYTES: {
    means: 'A report has 1184 bytes; what follows is signed by nobody.',
    todo: 'Take off the framing: the 32 bytes before a report from the ioctl, the certificate table after it.',
  },
  EVIDENCE_TRUNCATED: {
    means: 'A report has 1184 bytes; these are fewer, or a certificate table is cut short.',
    todo: 'Pass the whole report as the guest device gave it, and the whole certificate buffer.',
  },
  ENDORSEMENT_MISSING: {
    means: 'Neither a pass nor a refusal: something that is needed was not given.',
    todo: 'Get it with --fetch, or give leaf, ASK or ASVK, ARK (certs or certTable) and CRL (crls) with --collateral. Without a CRL only --revocation prefer, or --require signature, can answer.',
  },
};

/** What a genuine report says that a careful policy refuses; shown beside 'verified'. */
export const WORDS_OF_SNP_VIOLATION: Readonly<Record<SnpStrictViolation, string>> = {
  debug_allowed: 'a debug guest: its host can read and change everything in it',
  migration_agent_allowed: 'a migration agent may move this guest: it sees everything too',
  vmpl_not_zero: 'asked for at a lower privilege level (VMPL) than 0: by user space, or below a paravisor',
  provisional_firmware: 'provisional firmware: its owner can still go back to an older one',
  alias_check_not_complete: 'memory aliasing (BadRAM, CVE-2024-21944) is not ruled out',
  cxl_allowed: 'memory on CXL devices is allowed',
  smt_enabled_against_policy: "multithreading is on though the guest's policy forbids it",
};
