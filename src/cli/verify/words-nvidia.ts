import type { NrasCheckName, NvidiaCheckName, NvidiaSetCheckName } from '../../attestation/index.ts';
import type { ErrorCode } from '../../core/index.ts';
import type { Advice } from './words.ts';

/** What each check is about, in people's words. `reportSignature` and those shared with CPUs keep the words they have. */
export const WORDS_OF_NVIDIA_CHECK: Readonly<
  Record<
    | Exclude<NvidiaCheckName, 'reportSignature'>
    | NvidiaSetCheckName
    | NrasCheckName
    | 'manifestSigned'
    | 'manifestCurrent'
    | 'manifestMatches',
    string
  >
> = {
  deviceChainToPinnedRoot: "device's certificate chain to a pinned root",
  deviceChainCurrent: "device's certificates in date",
  expectedNonce: 'nonce as expected',
  deviceFields: 'what the device says of itself is well-formed',
  architecture: 'architecture',
  firmwareId: 'key was made for the firmware that runs (FWID)',
  deviceChainNotRevoked: "device's certificates not revoked",
  driverManifestSigned: "driver's manifest signed",
  driverManifestCurrent: "signer of the driver's manifest in date",
  driverManifestMatches: "driver's manifest is of this driver and chip",
  vbiosManifestSigned: "VBIOS's manifest signed",
  vbiosManifestCurrent: "signer of the VBIOS's manifest in date",
  vbiosManifestMatches: "VBIOS's manifest is of this VBIOS and chip",
  switchManifestSigned: "switch BIOS's manifest signed",
  switchManifestCurrent: "signer of the switch BIOS's manifest in date",
  switchManifestMatches: "switch BIOS's manifest is of this BIOS and chip",
  manifestSignersNotRevoked: 'signers of manifests not revoked',
  measurements: 'measurements are what the manifests say',
  oneNonce: 'one nonce for all',
  distinctDevices: 'no device twice',
  expectedDevices: 'as many devices as expected',
  oneMode: 'GPUs in one mode',
  topology: 'GPUs and switches linked as their certificates say',
  manifestSigned: 'manifest signed by a pinned root',
  manifestCurrent: 'signer of the manifest in date',
  manifestMatches: 'manifest is the one that is asked for',
  tokenSignatures: 'every token signed by one key of the JWKS',
  signingCertificate: 'certificate of that key from a pinned intermediate',
  issuer: 'issuer',
  tokensCurrent: 'tokens in date',
  deviceTokens: "device tokens are the overall token's",
  overallResult: 'overall result',
  deviceResults: 'result of each device',
};

const NOT_THIS_DEVICE: Advice = {
  means: 'These bytes were not signed as they stand by the device whose certificates were given.',
  todo: 'Collect report and certificates again, together, and pass them unchanged.',
};

/** What a code means where the evidence is of a GPU, a switch or a manifest. */
export const ADVICE_OF_NVIDIA_CODE: Readonly<Partial<Record<ErrorCode, Advice>>> = {
  EVIDENCE_CHAIN_INVALID: {
    means: "The device's certificates do not come from a root you trust: it may be no real device at all.",
    todo: "Don't rely on it. For simulated evidence, name its roots with --trust-anchor.",
  },
  EVIDENCE_CHAIN_NOT_CURRENT: {
    means: 'A certificate of the device was not valid at the given time.',
    todo: 'Check --at.',
  },
  EVIDENCE_CHAIN_REVOKED: {
    means: 'NVIDIA has revoked this device, put it on hold, or does not know an authority above it.',
    todo: "Don't use this device.",
  },
  EVIDENCE_SIGNATURE_INVALID: NOT_THIS_DEVICE,
  EVIDENCE_KEY_NOT_BOUND: {
    means: 'Nothing ties the key that signed to the firmware that runs, or it was made for other firmware.',
    todo: 'Update the driver to 550 or newer, reset the GPU, then collect again.',
  },
  EVIDENCE_PLATFORM_MISMATCH: {
    means:
      'What was given does not belong together: a manifest of other firmware, or devices that are not of one machine.',
    todo: 'Give the manifests that are named, and the evidence of all devices of one machine.',
  },
  EVIDENCE_MEASUREMENT_MISMATCH: {
    means:
      'The device does not run what NVIDIA released: other firmware, a debug mode, or a manifest that is older than the driver.',
    todo: 'Fetch the manifests again under the same ids; if it stays so, update driver and VBIOS, and turn confidential mode on.',
  },
  ENDORSEMENT_NOT_CURRENT: {
    means: 'A manifest or an answer on a certificate was not current at the given time.',
    todo: 'Fetch it again: NVIDIA signs manifests anew under the same id. Or give the time it was made for with --at.',
  },
  ENDORSEMENT_REVOKED: {
    means: 'The key that signed a manifest is revoked.',
    todo: 'Fetch the manifest again, with its new signer.',
  },
  ENDORSEMENT_MISSING: {
    means: 'Neither a pass nor a refusal: a manifest, or what is known of revocation, was not given.',
    todo: 'Give it with --collateral, or ask for less: --revocation prefer, or --require signature.',
  },
};
