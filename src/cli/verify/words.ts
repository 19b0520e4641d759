import type { EventLogCheckName, SnpCheckName, TdxCheckName } from '../../attestation/index.ts';
import type { ErrorCode } from '../../core/index.ts';
import type { Kind } from './request.ts';
import type { VerifyError } from './response.ts';
import { ADVICE_OF_NVIDIA_CODE } from './words-nvidia.ts';
import { ADVICE_OF_POLICY, isPolicyCheck } from './words-policy.ts';
import { ADVICE_OF_CODE_FOR_SNP, ADVICE_OF_SNP_CHECK, WORDS_OF_SNP_CHECK } from './words-snp.ts';

/** What each check is about, in people's words. A check without words of its own is shown by its name. */
export const WORDS_OF_CHECK: Readonly<Record<TdxCheckName | EventLogCheckName | SnpCheckName, string>> = {
  pckChainToPinnedRoot: 'platform certificate (PCK) chain to a pinned root',
  pckChainCurrent: 'platform certificate chain in date',
  rootCaCrl: "root's revocation list",
  pckCrl: "platform CA's revocation list",
  pckChainNotRevoked: 'platform certificate not revoked',
  tcbInfoSigned: 'TCB info signed',
  tcbInfoCurrent: 'TCB info in date',
  qeIdentitySigned: "quoting enclave's identity signed",
  qeIdentityCurrent: "quoting enclave's identity in date",
  collateralSignersNotRevoked: 'signers of collateral not revoked',
  tcbInfoMatchesFmspc: 'TCB info is about this platform (FMSPC)',
  tcbInfoMatchesPceId: 'TCB info is about this platform (PCEID)',
  tdxModuleIdentity: 'TDX module',
  qeReportSignature: 'quoting enclave report signed by the platform',
  attestationKeyBound: 'attestation key bound to the quoting enclave',
  qeIdentity: 'quoting enclave identity',
  quoteSignature: 'quote signature',
  noTrailingBytes: 'nothing after the end of the quote',
  tcbLevel: 'TCB level',
  tcbNotRevoked: 'TCB level not revoked',
  ...WORDS_OF_SNP_CHECK,
  eventDigests: 'every event has a SHA-384 digest',
  rtmr0Replayed: 'the events lead to RTMR0',
  rtmr1Replayed: 'the events lead to RTMR1',
  rtmr2Replayed: 'the events lead to RTMR2',
  rtmr3Replayed: 'the events lead to RTMR3',
  separators: 'separators',
  nothingAfterExitBootServices: 'nothing measured after the firmware handed over',
  runtimeEventDigests: 'runtime events are what was measured',
};

/** For a person: what it means, and what to do. */
export type Advice = Readonly<{ means: string; todo: string }>;

const NOT_THIS_QUOTE: Advice = {
  means: 'These bytes were not signed as they stand by the quoting enclave of a genuine machine.',
  todo: "Don't rely on it. If you run the worker: collect the quote again and send it unchanged.",
};
const BAD_COLLATERAL: Advice = {
  means: 'The collateral is not what the vendor signed for this platform; nothing is known from it.',
  todo: 'Fetch the collateral again from the vendor or a caching service, and pass its text unchanged.',
};

/** What a code means for the person, and what they can do. */
const ADVICE_OF_CODE: Partial<Record<ErrorCode, Advice>> = {
  EVIDENCE_CHAIN_INVALID: {
    means: "The platform's certificate does not come from a root you trust: it may be no real machine at all.",
    todo: "Don't rely on it. For simulated evidence, name its root with --trust-anchor.",
  },
  EVIDENCE_CHAIN_NOT_CURRENT: {
    means: 'A certificate of the platform was not valid at the given time.',
    todo: 'Check --at; if it is right, the platform needs a new PCK certificate.',
  },
  EVIDENCE_CHAIN_REVOKED: {
    means: 'The vendor has revoked this platform: its key may be known to others.',
    todo: "Don't use this machine.",
  },
  EVIDENCE_SIGNATURE_INVALID: NOT_THIS_QUOTE,
  EVIDENCE_TRAILING_BYTES: {
    means: 'Bytes follow the end of the evidence that nothing signs; anybody may have put them there.',
    todo: 'Send the evidence alone, as long as its own lengths say (zero fill of a fixed buffer is fine).',
  },
  EVIDENCE_QE_SIGNATURE_INVALID: NOT_THIS_QUOTE,
  EVIDENCE_KEY_NOT_BOUND: NOT_THIS_QUOTE,
  EVIDENCE_QE_IDENTITY_MISMATCH: {
    means: 'The quote was signed by some enclave on a genuine machine, not by the one that may sign quotes.',
    todo: "Don't use this worker. If you run it: reinstall Intel's quote generation service, then collect again.",
  },
  EVIDENCE_MODULE_MISMATCH: {
    means: 'The TDX module that made the report is not one that Intel lists for this platform.',
    todo: "Don't use this worker. If you run it: install Intel's current TDX module.",
  },
  EVIDENCE_PLATFORM_MISMATCH: {
    means: 'The collateral is about another platform than the quote.',
    todo: "Fetch the collateral for the FMSPC of the quote's certificate.",
  },
  EVIDENCE_TCB_NOT_SUPPORTED: {
    means: 'The platform is older than anything the vendor still lists: its state is unknown.',
    todo: 'Update firmware, microcode and TDX module of the host, then collect again.',
  },
  EVIDENCE_TCB_REVOKED: {
    means: 'The vendor has revoked this level: what the platform attests can be forged.',
    todo: "Don't use this machine until it is updated and its keys are renewed.",
  },
  EVIDENCE_EXPECTATION_MISMATCH: {
    means: 'The quote may be genuine, but it is not about what you expected: it may be an old or borrowed one.',
    todo: 'Ask for fresh evidence over your own nonce and key.',
  },
  EVIDENCE_UNSUPPORTED: {
    means: 'This is evidence of a kind or version that is not verified here.',
    todo: 'Check --kind; SGX quotes are not TDX quotes.',
  },
  EVIDENCE_KIND_UNSUPPORTED: {
    means: 'Nothing was judged: this version has no verifier for that kind of evidence.',
    todo: 'Use a version that has one; do not take this for a verdict about the machine.',
  },
  ENDORSEMENT_MALFORMED: BAD_COLLATERAL,
  ENDORSEMENT_CHAIN_INVALID: BAD_COLLATERAL,
  ENDORSEMENT_SIGNATURE_INVALID: BAD_COLLATERAL,
  CRL_MALFORMED: BAD_COLLATERAL,
  CERTIFICATE_MALFORMED: {
    means: 'A certificate breaks the rules of its format; nothing is read from it.',
    todo: 'Collect evidence and collateral again, and pass them unchanged.',
  },
  ENDORSEMENT_NOT_CURRENT: {
    means: 'The collateral was not current at the given time; a revocation since would not show.',
    todo: 'Fetch current collateral, or give the time it was made for with --at.',
  },
  ENDORSEMENT_ROLLED_BACK: {
    means: 'An older revocation list was given than one already seen; a revocation since would not show.',
    todo: 'Fetch current collateral. If it comes from a caching service, find out why it went back.',
  },
  ENDORSEMENT_TOO_OLD: {
    means: 'The collateral is genuine and in date, but older than you accept.',
    todo: 'Fetch current collateral from the vendor.',
  },
  ENDORSEMENT_REVOKED: {
    means: 'The key that signed the collateral is revoked.',
    todo: 'Fetch current collateral, with its new signer.',
  },
  ENDORSEMENT_MISSING: {
    means: 'Neither a pass nor a refusal: something that is needed was not given.',
    todo: 'Give it with --collateral. Without it only --require signature can answer, for less.',
  },
};

const ADVICE_OTHERWISE: Advice = {
  means: 'The input is not well-formed evidence.',
  todo: 'Check the file and --kind; pass what the machine gave, unchanged.',
};

const ADVICE_OF_CODE_FOR_LOGS: Partial<Record<ErrorCode, Advice>> = {
  ENDORSEMENT_MISSING: {
    means: 'A log alone proves nothing: it has to lead to the registers of a quote.',
    todo: 'Verify the quote first, then give its RTMR0 to RTMR3 with --collateral: {"rtmrs":["…","…","…","…"]}.',
  },
  EVIDENCE_EXPECTATION_MISMATCH: {
    means:
      'The log is not what this machine measured: something is missing, added or changed, or it is of another boot.',
    todo: "Don't rely on anything in it. Collect log and quote together, of the same boot.",
  },
  EVIDENCE_MALFORMED: {
    means: 'The log breaks the rules of a measured boot; who wrote it can claim nothing by it.',
    todo: "Don't rely on anything in it. Collect the log again, unchanged, and look at what the firmware reports.",
  },
  EVIDENCE_UNSUPPORTED: {
    means: 'This is no event log of a TD: another form, or without SHA-384.',
    todo: 'Give the CCEL table of the guest, or the event log of dstack, as it stands.',
  },
};

/** Where a code means something else, or calls for something else, than it does elsewhere. */
const ADVICE_OF_KIND: Partial<Record<Kind, Partial<Record<ErrorCode, Advice>>>> = {
  'tdx-quote': {
    ENDORSEMENT_MISSING: {
      means: "Neither a pass nor a refusal: what Intel says of this platform is needed, and wasn't given.",
      todo: 'Get it with --fetch, or give it with --collateral. Without it only --require signature can answer, for less.',
    },
  },
  'snp-report': ADVICE_OF_CODE_FOR_SNP,
  'nvidia-gpu': ADVICE_OF_NVIDIA_CODE,
  'nvidia-devices': ADVICE_OF_NVIDIA_CODE,
  'nvidia-rim': ADVICE_OF_NVIDIA_CODE,
  ccel: ADVICE_OF_CODE_FOR_LOGS,
};

/** By kind of evidence: what is wrong with a report is not said in words of a quote. */
export function adviceOf(kind: Kind, error: VerifyError | null): Advice {
  if (error === null) return ADVICE_OTHERWISE;
  if (error.code !== 'ENDORSEMENT_MISSING' && isPolicyCheck(String(error.facts.check))) return ADVICE_OF_POLICY;
  if (kind === 'snp-report' && error.code !== 'ENDORSEMENT_MISSING') {
    const ofCheck = snpCheckAdvice(error.facts.check);
    if (ofCheck !== undefined) return ofCheck;
  }
  return ADVICE_OF_KIND[kind]?.[error.code] ?? ADVICE_OF_CODE[error.code] ?? ADVICE_OTHERWISE;
}

function snpCheckAdvice(check: string | number | undefined): Advice | undefined {
  return (ADVICE_OF_SNP_CHECK as Readonly<Record<string, Advice>>)[String(check)];
}
