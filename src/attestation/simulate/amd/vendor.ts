import { sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  fromBase64,
  fromHex,
  type Randomness,
  toBase64,
  toHex,
  type UnixSeconds,
} from '../../../core/index.ts';
import type { TrustAnchor } from '../../endorsements/index.ts';
import { productLine, SNP_LINE_NAMES, type SnpLine, type SnpSigner, type SnpTcb } from '../../evidence/snp/index.ts';
import { deriveSecret, simulatedKey } from '../keys.ts';
import { checkedMachineName } from '../machine-name.ts';
import { generateRsaKey, openRsaKey } from '../rsa-keys.ts';
import { AMD_SIMULATOR_ORGANISATION } from './certificates.ts';
import {
  type AmdAuthorities,
  type AmdAuthority,
  type AmdCollateralDefects,
  issueAmdCollateral,
  issueGoodCa,
  type SimulatedAmdCollateral,
} from './collateral.ts';
import type { SimulatedSnpImage } from './image.ts';
import {
  chipIdOf,
  endorsementKey,
  openSimulatedSnpMachine,
  type SimulatedSnpMachine,
  type SimulatedSnpMachineState,
} from './machine.ts';
import { tcbOf } from './platform.ts';

/** PKCS #8 and certificate, DER in base64. */
type KeptAuthority = Readonly<{ privateKey: string; certificate: string }>;

/**
 * A whole simulated AMD as JSON: processes that open the same state are one vendor. It holds every key of the vendor; a
 * worker gets {@link SimulatedAmd.machineState} instead.
 */
export type SimulatedAmdState = Readonly<{
  kind: 'chrysalis-simulated-amd';
  version: 1;
  /** 32 bytes, hexadecimal: chips' and providers' secrets derive from it. */
  seed: string;
  /** Of each line that this vendor has; RSA keys cannot be derived, so they are kept. */
  lines: Readonly<Partial<Record<SnpLine, Readonly<Record<AmdAuthority, KeptAuthority>>>>>;
}>;

/** One host: the same keys for the same name and TCB, every time. */
export type SimulatedSnpHost = Readonly<{
  name: string;
  line: SnpLine;
  /** Levels that differ from the line's good ones. */
  tcb?: SnpTcb;
  /** VCEK by default. */
  signer?: SnpSigner;
}>;

export type SimulatedAmd = Readonly<{
  lines: readonly SnpLine[];
  /** One for each line. */
  trustAnchors: readonly (TrustAnchor & { readonly kind: 'simulated' })[];
  /** Leaf, intermediate, root and CRL for reports of this host. @param now seconds since 1970 */
  collateral: (host: SimulatedSnpHost, now: UnixSeconds, defects?: AmdCollateralDefects) => SimulatedAmdCollateral;
  /** What one host holds, alone. @param now when its certificate was fetched; without it it has none to hand over */
  machineState: (host: SimulatedSnpHost, now?: UnixSeconds) => SimulatedSnpMachineState;
  /** {@link machineState} and a guest launched on it. */
  machine: (host: SimulatedSnpHost, options?: Readonly<{ image?: SimulatedSnpImage }>) => SimulatedSnpMachine;
}>;

/**
 * A new vendor with the CAs of these lines; takes a second or two for each line.
 * @param randomness 32 secure random bytes are taken from it
 */
export async function createSimulatedAmd(
  randomness: Randomness,
  lines: readonly SnpLine[] = SNP_LINE_NAMES,
): Promise<SimulatedAmdState> {
  const seed = toHex(randomness(32));
  const kept = await Promise.all(lines.map(async (line) => [line, await createAuthorities(line)] as const));
  return { kind: 'chrysalis-simulated-amd', version: 1, seed, lines: Object.fromEntries(kept) };
}

async function createAuthorities(line: SnpLine): Promise<Record<AmdAuthority, KeptAuthority>> {
  const [ark, ask, asvk] = await Promise.all([generateRsaKey(), generateRsaKey(), generateRsaKey()]);
  const privateKeys = { ark, ask, asvk };
  const keys = { ark: openRsaKey(ark), ask: openRsaKey(ask), asvk: openRsaKey(asvk) };
  const kept = (authority: AmdAuthority) => {
    const certificate = toBase64(issueGoodCa(line, authority, keys));
    return { privateKey: privateKeys[authority], certificate };
  };
  return { ark: kept('ark'), ask: kept('ask'), asvk: kept('asvk') };
}

/** @throws CodedError CONFIG_INVALID for a state of another kind or version, ENCODING_INVALID for bad fields */
export function openSimulatedAmd(state: SimulatedAmdState): SimulatedAmd {
  if (state.kind !== 'chrysalis-simulated-amd' || state.version !== 1) {
    throw new CodedError('CONFIG_INVALID', 'not the state of a simulated AMD');
  }
  const seed = fromHex(state.seed, 'seed');
  const opened = new Map(SNP_LINE_NAMES.flatMap((line) => openLine(line, state.lines[line])));
  const authoritiesOf = (line: SnpLine): AmdAuthorities => {
    const found = opened.get(line);
    if (found !== undefined) return found;
    throw new CodedError('CONFIG_INVALID', `this simulated AMD does not have ${line}`, { line });
  };
  const chipSecret = ({ name, line }: SimulatedSnpHost) => deriveSecret(seed, 'chip', line, checkedMachineName(name));
  const providerSecret = deriveSecret(seed, 'provider');
  const collateral: SimulatedAmd['collateral'] = (host, now, defects) => {
    const { line, signer = 'VCEK' } = host;
    const tcb = tcbOf(line, host.tcb);
    const chip = chipSecret(host);
    const subject = {
      ...{ line, signer, tcb },
      hwid: chipIdOf(chip, line).slice(0, productLine(line).hwidBytes),
      key: (of: SnpSigner) => endorsementKey(of === 'VCEK' ? chip : providerSecret, of, line, tcb),
      strangerKey: simulatedKey(deriveSecret(seed, 'stranger'), 'P-384'),
    };
    return issueAmdCollateral(authoritiesOf, subject, now, defects);
  };
  const machineState = (host: SimulatedSnpHost, now?: UnixSeconds): SimulatedSnpMachineState => {
    const { name, line, tcb, signer = 'VCEK' } = host;
    authoritiesOf(line);
    return {
      kind: 'chrysalis-simulated-snp-machine',
      version: 1,
      name,
      line,
      tcb: tcbOf(line, tcb),
      signer,
      chipSecret: toHex(chipSecret(host)),
      providerSecret: signer === 'VLEK' ? toHex(providerSecret) : null,
      certificates: now === undefined ? [] : collateral(host, now).certs.slice(0, 1),
    };
  };
  return {
    lines: [...opened.keys()],
    trustAnchors: [...opened].map(([line, { ark }]) => ({
      spkiSha256: sha256(ark.key.spki),
      certificateSha256: sha256(ark.certificate),
      kind: 'simulated',
      name: `${AMD_SIMULATOR_ORGANISATION} (${line})`,
    })),
    collateral,
    machineState,
    machine: (host, options) => openSimulatedSnpMachine(machineState(host), options),
  };
}

function openLine(
  line: SnpLine,
  kept: Readonly<Record<AmdAuthority, KeptAuthority>> | undefined,
): [SnpLine, AmdAuthorities][] {
  if (kept === undefined) return [];
  const open = (authority: AmdAuthority): Readonly<{ key: ReturnType<typeof openRsaKey>; certificate: Bytes }> => ({
    key: openRsaKey(kept[authority].privateKey),
    certificate: fromBase64(kept[authority].certificate, `${line}.${authority}.certificate`),
  });
  return [[line, { ark: open('ark'), ask: open('ask'), asvk: open('asvk') }]];
}
