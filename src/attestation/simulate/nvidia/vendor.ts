import { sha256, sha384 } from '#crypto';
import {
  type Bytes,
  CodedError,
  fromBase64,
  fromHex,
  type Randomness,
  toBase64,
  toHex,
  type UnixSeconds,
  utf8,
} from '../../../core/index.ts';
import type { TrustAnchor } from '../../endorsements/index.ts';
import { deriveSecret, type SimulatedKey, simulatedKey } from '../keys.ts';
import { checkedMachineName } from '../machine-name.ts';
import {
  compositeFwid,
  deviceSerial,
  issueNvidiaCertificate,
  type NvidiaAuthority,
  nvidiaName,
  p384PublicKeyInfo,
  serialOf,
  tcbInfoFwid,
} from './certificates.ts';
import { type NvidiaDeviceState, openSimulatedNvidiaDevice, type SimulatedNvidiaDevice } from './device.ts';
import { type NvidiaFirmware, type SimulatedRimRole, versionOf } from './firmware.ts';
import { issueManifest, type ManifestDefects } from './manifest.ts';
import { issueNvidiaCrl, issueOcspResponse, issueResponder } from './revocation.ts';

export const SIMULATED_CHIPS = ['GH100', 'GB100', 'LS_10'] as const;
export type SimulatedChip = (typeof SIMULATED_CHIPS)[number];

/** NVIDIA's names of its own authorities, as its certificates have them. */
const NAMES = {
  deviceRoot: 'NVIDIA Device Identity CA',
  'identity GH100': 'NVIDIA GH100 Identity',
  'identity GB100': 'NVIDIA GB100 Identity',
  'provisioner GH100': 'NVIDIA GH100 Provisioner ICA 1',
  'provisioner GB100': 'NVIDIA GB100 Provisioner ICA 00000',
  'provisioner LS_10': 'NVIDIA LS_10 Provisioner ICA 1',
  rimRoot: 'NVIDIA CoRIM signing Root CA',
  'product GH100': 'NVIDIA Reference Value GH100 CA',
  'product GB100': 'NVIDIA Reference Value GB1XX CA',
  'product LS_10': 'NVIDIA Reference Value LS10 CA',
  'line GH100': 'NVIDIA Reference Value L3 GH100 001',
  'line GB100': 'NVIDIA Reference Value L3 GB1XX 001',
  'line LS_10': 'NVIDIA Reference Value L3 LS10 001',
  'signer GH100': 'NVIDIA Reference Value L4 GH100 001',
  'signer GB100': 'NVIDIA Reference Value L4 GB1XX 001',
  'signer LS_10': 'NVIDIA Reference Value L4 LS10 001',
} as const;
export type NvidiaAuthorityName = keyof typeof NAMES;
const AUTHORITIES = Object.keys(NAMES) as NvidiaAuthorityName[];

/**
 * A whole simulated NVIDIA as JSON: processes that open the same state are one vendor. It holds every key of the vendor; a
 * worker gets device states instead.
 */
export type SimulatedNvidiaState = Readonly<{
  kind: 'chrysalis-simulated-nvidia';
  version: 1;
  /** 32 bytes, hexadecimal. */
  seed: string;
  /** DER, base64, by authority: ECDSA signs with randomness, so certificates are kept, not made again. */
  certificates: Readonly<Record<NvidiaAuthorityName, string>>;
}>;

/** A manifest under the id by which devices of this firmware ask for it. */
export type SimulatedManifest = Readonly<{ role: SimulatedRimRole; id: string; manifest: Bytes }>;
/** One OCSP response, the serial number that it is about, and the chain of its issuer up to the root. */
export type SimulatedOcspAnswer = Readonly<{ response: Bytes; serial: string; issuers: readonly Bytes[] }>;
type Anchor = TrustAnchor & { readonly kind: 'simulated' };

export type SimulatedNvidia = Readonly<{
  deviceAnchor: Anchor;
  rimAnchor: Anchor;
  authority: (name: NvidiaAuthorityName) => NvidiaAuthority;
  certificate: (name: NvidiaAuthorityName) => Bytes;
  /** Keys and certificates of one device alone; the same keys for the same name and firmware, every time. */
  deviceState: (name: string, firmware: NvidiaFirmware) => NvidiaDeviceState;
  device: (name: string, firmware: NvidiaFirmware) => SimulatedNvidiaDevice;
  manifests: (firmware: NvidiaFirmware) => readonly SimulatedManifest[];
  manifest: (firmware: NvidiaFirmware, role: SimulatedRimRole, defects?: ManifestDefects) => Bytes;
  /** Good answers, for a day, on every certificate that NVIDIA can revoke of this device's and its manifests' chains. */
  answersOf: (device: SimulatedNvidiaDevice, now: UnixSeconds) => readonly SimulatedOcspAnswer[];
  /** Their responses alone. */
  ocspOf: (device: SimulatedNvidiaDevice, now: UnixSeconds) => readonly Bytes[];
  /** The lists, for sixty days, of the authorities over this chip's identity CAs and manifest signers. */
  crls: (chip: SimulatedChip, now: UnixSeconds, revoked?: readonly NvidiaAuthorityName[]) => readonly Bytes[];
}>;

const identityOf = (chip: SimulatedChip): NvidiaAuthorityName => `identity ${chip === 'LS_10' ? 'GH100' : chip}`;

/** Who issued an authority's certificate. Switches chain through Hopper's identity CA. */
function issuerOf(name: NvidiaAuthorityName): NvidiaAuthorityName {
  const [role, chip] = name.split(' ') as [string, SimulatedChip | undefined];
  if (chip === undefined) return name;
  if (role === 'identity') return 'deviceRoot';
  if (role === 'provisioner') return identityOf(chip);
  if (role === 'product') return 'rimRoot';
  return role === 'line' ? `product ${chip}` : `line ${chip}`;
}

function authorityOf(seed: Uint8Array, name: NvidiaAuthorityName): NvidiaAuthority {
  const key = simulatedKey(deriveSecret(seed, 'NVIDIA', name), 'P-384');
  return { name: nvidiaName(NAMES[name]), key, serial: serialOf(key) };
}

/** A new vendor. @param randomness 32 secure random bytes are taken from it */
export function createSimulatedNvidia(randomness: Randomness): SimulatedNvidiaState {
  const seed = randomness(32);
  const issue = (name: NvidiaAuthorityName) => {
    const subject = authorityOf(seed, name);
    const ca = !name.startsWith('signer');
    return toBase64(issueNvidiaCertificate({ subject, issuer: authorityOf(seed, issuerOf(name)), ca }));
  };
  const certificates = Object.fromEntries(AUTHORITIES.map((name) => [name, issue(name)]));
  const kept = certificates as SimulatedNvidiaState['certificates'];
  return { kind: 'chrysalis-simulated-nvidia', version: 1, seed: toHex(seed), certificates: kept };
}

/** @throws CodedError CONFIG_INVALID for a state of another kind or version, ENCODING_INVALID for bad fields */
export function openSimulatedNvidia(state: SimulatedNvidiaState): SimulatedNvidia {
  if (state.kind !== 'chrysalis-simulated-nvidia' || state.version !== 1) {
    throw new CodedError('CONFIG_INVALID', 'not the state of a simulated NVIDIA');
  }
  const seed = fromHex(state.seed, 'seed');
  const held = new Map<NvidiaAuthorityName, NvidiaAuthority>();
  const authority = (name: NvidiaAuthorityName): NvidiaAuthority => {
    const made = held.get(name) ?? authorityOf(seed, name);
    held.set(name, made);
    return made;
  };
  const certificate = (name: NvidiaAuthorityName) => fromBase64(state.certificates[name], name);
  const chainOf = (name: NvidiaAuthorityName): Bytes[] =>
    issuerOf(name) === name ? [certificate(name)] : [certificate(name), ...chainOf(issuerOf(name))];
  const anchor = (name: 'deviceRoot' | 'rimRoot'): Anchor => ({
    spkiSha256: sha256(p384PublicKeyInfo(authority(name).key.point)),
    certificateSha256: sha256(certificate(name)),
    kind: 'simulated',
    name: 'Chrysalis simulator, not NVIDIA',
    purpose: name === 'deviceRoot' ? 'nvidia-device' : 'nvidia-manifest',
  });
  const deviceState = (name: string, firmware: NvidiaFirmware) => {
    const provisioner: NvidiaAuthorityName = `provisioner ${firmware.chip}`;
    const secret = deriveSecret(seed, 'NVIDIA device', firmware.kind, checkedMachineName(name));
    return issueDevice(name, firmware, secret, authority(provisioner), chainOf(provisioner));
  };
  const manifest: SimulatedNvidia['manifest'] = (firmware, role, defects) => {
    const signer: NvidiaAuthorityName = `signer ${firmware.chip}`;
    return issueManifest(firmware, role, { key: authority(signer).key, chain: chainOf(signer) }, defects);
  };
  const answersOf: SimulatedNvidia['answersOf'] = ({ firmware, pdi }, now) =>
    askedAbout(firmware, pdi, authority).map(([serial, name]) => ({
      response: answerOn(serial, authority(name), responderOf(seed, name), now),
      serial: toHex(serial),
      issuers: chainOf(name),
    }));
  return {
    deviceAnchor: anchor('deviceRoot'),
    rimAnchor: anchor('rimRoot'),
    authority,
    certificate,
    deviceState,
    device: (name, firmware) => openSimulatedNvidiaDevice(deviceState(name, firmware)),
    manifest,
    manifests: (firmware) =>
      manifestIds(firmware).map(({ role, id }) => ({ role, id, manifest: manifest(firmware, role) })),
    answersOf,
    ocspOf: (device, now) => answersOf(device, now).map(({ response }) => response),
    crls: (chip, now, revoked = []) => crlsOf(chip, now, revoked, authority),
  };
}

/** Ids of the form that NVIDIA's RIM service has. */
function manifestIds(firmware: NvidiaFirmware): { role: SimulatedRimRole; id: string }[] {
  const compact = (role: SimulatedRimRole) => versionOf(firmware, role).replaceAll('.', '');
  if (firmware.kind === 'switch') return [{ role: 'switch', id: `NV_SWITCH_BIOS_5612_0002_890_${compact('switch')}` }];
  const { chip, project, projectSku, chipSku, driverVersion } = firmware;
  const driver = chip === 'GH100' ? 'NV_GPU_DRIVER_GH100' : `NV_GPU_CC_DRIVER_${chip}`;
  return [
    { role: 'driver', id: `${driver}_${driverVersion}` },
    { role: 'vbios', id: `NV_GPU_VBIOS_${project}_${projectSku}_${chipSku}_${compact('vbios')}` },
  ];
}

/** Device CA by the provisioner, leaf by the device itself: for the firmware that it runs. */
function issueDevice(
  name: string,
  firmware: NvidiaFirmware,
  secret: Uint8Array,
  provisioner: NvidiaAuthority,
  above: readonly Bytes[],
): NvidiaDeviceState {
  const engine = firmware.kind === 'gpu' ? 'GSP' : 'FSP';
  const pdi = deriveSecret(secret, 'PDI').slice(0, 8);
  const fwid = sha384(utf8(`simulated firmware ${JSON.stringify(firmware)}`));
  const keyFor = (purpose: string): SimulatedKey => simulatedKey(deriveSecret(secret, purpose), 'P-384');
  const [bromKey, leafKey] = [keyFor('BROM'), keyFor(`leaf ${toHex(fwid)}`)];
  const bromSerial = deviceSerial(firmware.kind, pdi);
  const bromName = nvidiaName(`${firmware.chip} A01 ${engine} BROM`, toHex(bromSerial).toUpperCase());
  const brom: NvidiaAuthority = { name: bromName, key: bromKey, serial: bromSerial };
  const leafName = nvidiaName(`${firmware.chip} A01 ${engine} FMC LF`, toHex(serialOf(leafKey)).toUpperCase());
  const leaf: NvidiaAuthority = { name: leafName, key: leafKey, serial: serialOf(leafKey) };
  const extensions = [firmware.chip === 'GB100' ? tcbInfoFwid(fwid) : compositeFwid(fwid)];
  const chain = [
    issueNvidiaCertificate({ subject: leaf, issuer: brom, ca: false, extensions }),
    issueNvidiaCertificate({ subject: brom, issuer: provisioner, ca: true }),
    ...above,
  ];
  return {
    kind: 'chrysalis-simulated-nvidia-device',
    version: 1,
    name,
    firmware,
    leafSecret: toHex(deriveSecret(secret, `leaf ${toHex(fwid)}`)),
    fwid: toHex(fwid),
    pdi: toHex(pdi).toUpperCase(),
    chain: chain.map(toBase64),
  };
}

const DAY_SECONDS = 86_400;
const CRL_DAYS = 60;

function responderOf(seed: Uint8Array, name: NvidiaAuthorityName): NvidiaAuthority {
  const key = simulatedKey(deriveSecret(seed, 'NVIDIA OCSP responder', name), 'P-384');
  return { name: nvidiaName(`${NAMES[name]} OCSP responder`), key, serial: serialOf(key) };
}

/** Serial numbers and their issuers: of the device's own CA and every authority above it, and of the manifests' signers. */
function askedAbout(
  firmware: NvidiaFirmware,
  pdi: string,
  authority: (name: NvidiaAuthorityName) => NvidiaAuthority,
): (readonly [Uint8Array, NvidiaAuthorityName])[] {
  const { chip, kind } = firmware;
  const authorities: NvidiaAuthorityName[] = [
    `provisioner ${chip}`,
    identityOf(chip),
    `signer ${chip}`,
    `line ${chip}`,
    `product ${chip}`,
  ];
  return [
    [deviceSerial(kind, fromHex(pdi.toLowerCase())), `provisioner ${chip}`],
    ...authorities.map((name) => [authority(name).serial, issuerOf(name)] as const),
  ];
}

function answerOn(serial: Uint8Array, issuer: NvidiaAuthority, responder: NvidiaAuthority, now: UnixSeconds): Bytes {
  const window = { thisUpdate: now - 3600, nextUpdate: now - 3600 + DAY_SECONDS };
  return issueOcspResponse({ issuer, serial, responder, certificates: [issueResponder(issuer, responder)], ...window });
}

function crlsOf(
  chip: SimulatedChip,
  now: UnixSeconds,
  revoked: readonly NvidiaAuthorityName[],
  authority: (name: NvidiaAuthorityName) => NvidiaAuthority,
): Bytes[] {
  const listed: NvidiaAuthorityName[] = ['deviceRoot', identityOf(chip), 'rimRoot', `product ${chip}`, `line ${chip}`];
  return listed.map((name) =>
    issueNvidiaCrl({
      issuer: authority(name),
      revoked: revoked.filter((one) => issuerOf(one) === name && one !== name).map((one) => authority(one).serial),
      thisUpdate: now - DAY_SECONDS,
      nextUpdate: now + CRL_DAYS * DAY_SECONDS,
    }),
  );
}
