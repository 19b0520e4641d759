import { sha256 } from '#crypto';
import {
  CodedError,
  fromBase64,
  fromHex,
  type Randomness,
  toBase64,
  toHex,
  type UnixSeconds,
} from '../../core/index.ts';
import type { TrustAnchor } from '../endorsements/index.ts';
import { issueCertificate, pemChain, serialNumber, sgxExtension, subjectPublicKeyInfo } from './certificates.ts';
import { type CollateralDefects, issueCollateral, type SimulatedCollateral } from './collateral.ts';
import { deriveSecret, type SimulatedKey, simulatedKey } from './keys.ts';
import {
  type MachineOptions,
  machineIdentity,
  openSimulatedTdxMachine,
  pckKey,
  type SimulatedMachineState,
  type SimulatedTdxMachine,
} from './machine.ts';
import { checkedMachineName } from './machine-name.ts';
import { FMSPC, PCE_ID, PCE_SVN, type PlatformStatus, sgxComponents } from './platform.ts';

const ROOT = 'Intel SGX Root CA';
const PLATFORM_CA = 'Intel SGX PCK Platform CA';
const TCB_SIGNING = 'Intel SGX TCB Signing';
const PCK = 'Intel SGX PCK Certificate';

/** Fixed, because a state has no clock: development certificates are good from 2020 to the end of 2049. */
const NOT_BEFORE = Date.UTC(2020, 0, 1) / 1000;
const NOT_AFTER = Date.UTC(2049, 11, 31, 23, 59, 59) / 1000;

/**
 * A whole simulated vendor as JSON: processes that open the same state are one vendor. It holds every key of the
 * vendor; a worker gets {@link SimulatedIntel.machineState} instead.
 */
export type SimulatedIntelState = Readonly<{
  kind: 'chrysalis-simulated-intel';
  version: 1;
  /** 32 bytes, hexadecimal. */
  seed: string;
  /** DER, base64: ECDSA signs with randomness, so certificates are kept, not made again. */
  rootCertificate: string;
  platformCaCertificate: string;
  tcbSigningCertificate: string;
}>;

export type SimulatedIntel = Readonly<{
  /** SHA-256 of the root's SubjectPublicKeyInfo, 32 bytes. */
  rootSpkiSha256: Uint8Array<ArrayBuffer>;
  trustAnchor: TrustAnchor & { readonly kind: 'simulated' };
  /** @param now seconds since 1970 */
  collateral: (now: UnixSeconds, defects?: CollateralDefects) => SimulatedCollateral;
  /** Keys and certificates of one host alone; the same keys for the same name, every time. */
  machineState: (name: string, platformStatus?: PlatformStatus) => SimulatedMachineState;
  /** {@link machineState} and a TD booted on it. */
  machine: (
    options: MachineOptions & Readonly<{ name: string; platformStatus?: PlatformStatus }>,
  ) => SimulatedTdxMachine;
}>;

type Keys = Readonly<{ root: SimulatedKey; platformCa: SimulatedKey; tcbSigning: SimulatedKey }>;

function keysOf(seed: Uint8Array): Keys {
  const key = (purpose: string) => simulatedKey(deriveSecret(seed, purpose));
  return { root: key(ROOT), platformCa: key(PLATFORM_CA), tcbSigning: key(TCB_SIGNING) };
}

/** A new vendor. @param randomness 32 secure random bytes are taken from it */
export function createSimulatedIntel(randomness: Randomness): SimulatedIntelState {
  const seed = randomness(32);
  const { root, platformCa, tcbSigning } = keysOf(seed);
  const issue = (subject: string, key: SimulatedKey, pathLength: number | null) =>
    toBase64(
      issueCertificate({
        subject,
        key,
        issuer: ROOT,
        issuerKey: root,
        notBefore: NOT_BEFORE,
        notAfter: NOT_AFTER,
        pathLength,
      }),
    );
  return {
    kind: 'chrysalis-simulated-intel',
    version: 1,
    seed: toHex(seed),
    rootCertificate: issue(ROOT, root, 1),
    platformCaCertificate: issue(PLATFORM_CA, platformCa, 0),
    tcbSigningCertificate: issue(TCB_SIGNING, tcbSigning, null),
  };
}

/** @throws CodedError CONFIG_INVALID for a state of another kind or version, ENCODING_INVALID for bad fields */
export function openSimulatedIntel(state: SimulatedIntelState): SimulatedIntel {
  if (state.kind !== 'chrysalis-simulated-intel' || state.version !== 1) {
    throw new CodedError('CONFIG_INVALID', 'not the state of a simulated Intel');
  }
  const seed = fromHex(state.seed, 'seed');
  const keys = keysOf(seed);
  const certificates = {
    root: fromBase64(state.rootCertificate, 'rootCertificate'),
    platformCa: fromBase64(state.platformCaCertificate, 'platformCaCertificate'),
    tcbSigning: fromBase64(state.tcbSigningCertificate, 'tcbSigningCertificate'),
  };
  const rootSpkiSha256 = sha256(subjectPublicKeyInfo(keys.root.point));
  const machineSecret = (name: string) => deriveSecret(seed, 'machine', checkedMachineName(name));
  const machineState = (name: string, platformStatus: PlatformStatus = 'UpToDate') =>
    issueMachine(name, platformStatus, machineSecret(name), keys.platformCa, certificates);
  return {
    rootSpkiSha256,
    trustAnchor: {
      spkiSha256: rootSpkiSha256,
      certificateSha256: sha256(certificates.root),
      kind: 'simulated',
      name: 'Chrysalis simulator, not Intel',
    },
    collateral: (now, defects) =>
      issueCollateral(
        {
          rootKey: keys.root,
          platformCaKey: keys.platformCa,
          tcbSigningKey: keys.tcbSigning,
          strangerKey: simulatedKey(deriveSecret(seed, 'stranger')),
          rootCertificate: certificates.root,
          platformCaCertificate: certificates.platformCa,
          tcbSigningCertificate: certificates.tcbSigning,
          rootName: ROOT,
          platformCaName: PLATFORM_CA,
          serialOfMachine: (name) => serialNumber(pckKey(machineSecret(name)).keyIdentifier),
          serialOfAuthority: (authority) => serialNumber(keys[authority].keyIdentifier),
        },
        now,
        defects,
      ),
    machineState,
    machine: ({ name, platformStatus, ...options }) =>
      openSimulatedTdxMachine(machineState(name, platformStatus), options),
  };
}

function issueMachine(
  name: string,
  platformStatus: PlatformStatus,
  secret: Uint8Array,
  platformCa: SimulatedKey,
  certificates: Readonly<{ root: Uint8Array; platformCa: Uint8Array }>,
): SimulatedMachineState {
  const { ppid, platformInstanceId } = machineIdentity(secret);
  const certificate = issueCertificate({
    subject: PCK,
    key: pckKey(secret),
    issuer: PLATFORM_CA,
    issuerKey: platformCa,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    pathLength: null,
    sgxExtension: sgxExtension({
      ppid,
      components: sgxComponents(platformStatus),
      pceSvn: PCE_SVN,
      fmspc: FMSPC,
      pceId: PCE_ID,
      platformInstanceId,
    }),
  });
  return {
    kind: 'chrysalis-simulated-tdx-machine',
    version: 1,
    name,
    platformStatus,
    secret: toHex(secret),
    pckCertificateChain: pemChain(certificate, certificates.platformCa, certificates.root),
  };
}
