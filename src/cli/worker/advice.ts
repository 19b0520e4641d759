import type { SnpPolicyCheckName, TdxPolicyCheckName } from '../../attestation/index.ts';
import { type ErrorCode, KIND_OF_CODE } from '../../core/index.ts';
import type { OpenCheck } from '../../router/index.ts';
import { adviceOf } from '../verify/words.ts';

/** For whoever runs the worker's host: why it is not admitted, and the next thing to do. */
export type HostAdvice = Readonly<{ why: string; todo: string }>;

const RESTART = 'Stop the virtual machine and boot it anew: a register that was extended cannot be taken back.';
const ANOTHER_LAUNCH = 'Start the guest as `chrysalis host launch` prints it, and nothing beside.';
const UPDATE =
  'Update the BIOS and microcode of the host (and the TDX module, or the SEV firmware), boot it, and start the worker again; `chrysalis host doctor` shows what the host has.';
const COLLECT_AGAIN = 'Start the worker again. If it stays so, its image or the host changes what the hardware gave.';
const NO_COLLATERAL: HostAdvice = {
  why: 'The router could not get what the vendor says about this machine (its collateral). Nothing is known to be wrong with the worker.',
  todo: 'Nothing on this host: the worker asks again by itself. If it lasts, tell the router’s operator to look at the connection to the vendor’s service, the PCCS, or the file named by --collateral.',
};
const OPERATOR_DECIDES =
  'Use another image, host or GPU, or ask the router’s operator to accept this one: then the policy changes, with a higher number.';

/** Of the policy's checks. A new one without advice does not compile. */
const OF_POLICY: Readonly<Record<TdxPolicyCheckName | SnpPolicyCheckName, HostAdvice>> = {
  image: {
    why: 'The image that booted is none of those that the router’s policy names.',
    todo: 'Boot the released image unchanged, with the shape (vCPUs, memory, firmware) it was measured for. `chrysalis image explain EVIDENCE --tee … --firmware … --kernel …` names the input that differs. A new image has to be put into the policy first.',
  },
  debugOff: {
    why: 'The guest was started with debugging on: its host can read and change everything in it.',
    todo: 'Start it without debugging: on TDX without `debug=on` (TDATTRIBUTES bit 0), on SEV-SNP without bit 19 in the guest policy. Debug images are refused in production, whatever they contain.',
  },
  tcbStatus: {
    why: 'The platform’s TCB is behind what the policy accepts: known attacks may work on it.',
    todo: UPDATE,
  },
  tcbEvaluationNumber: {
    why: 'The platform was judged by an older set of TCB levels than the policy accepts.',
    todo: 'Nothing on this host: the router’s operator has to refresh the collateral (PCCS or --collateral file).',
  },
  advisories: { why: 'A security advisory that the policy does not tolerate applies to this platform.', todo: UPDATE },
  septVeDisable: { why: 'The TD was started without SEPT_VE_DISABLE.', todo: ANOTHER_LAUNCH },
  serviceTd: { why: 'A service TD is bound to this TD: it would be trusted as well.', todo: ANOTHER_LAUNCH },
  tdAttributes: { why: 'The TD has attributes that the policy does not allow.', todo: ANOTHER_LAUNCH },
  xfam: { why: 'The TD was given processor features that the policy does not allow.', todo: ANOTHER_LAUNCH },
  tdxModule: { why: 'The TDX module is none of those that the policy names.', todo: UPDATE },
  hostConfiguration: {
    why: 'The host is set up in a way that the policy refuses (multithreading, cached keys or a dynamic platform).',
    todo: 'Change the setting that is named in the BIOS and register the platform again, or ask the router’s operator.',
  },
  platform: { why: 'The policy names the machines it accepts, and this is none of them.', todo: OPERATOR_DECIDES },
  noMigrationAgent: { why: 'The guest may be moved by a migration agent, who sees everything.', todo: ANOTHER_LAUNCH },
  guestPolicy: {
    why: 'The guest policy that it was launched with allows more than the policy does.',
    todo: ANOTHER_LAUNCH,
  },
  vmpl: {
    why: 'The report was asked for at another privilege level (VMPL) than the policy wants.',
    todo: 'Boot the released image without a paravisor or SVSM under it.',
  },
  guestSvn: { why: 'The image is of an older security version than the policy accepts.', todo: 'Boot a newer image.' },
  platformInfo: {
    why: 'The host lacks a setting that the policy requires.',
    todo: 'Switch the setting that is named on in the BIOS, then start the worker again.',
  },
  aliasCheck: {
    why: 'The firmware does not say that memory aliasing (BadRAM, CVE-2024-21944) was ruled out.',
    todo: UPDATE,
  },
  productLine: { why: 'The policy does not accept processors of this product line.', todo: OPERATOR_DECIDES },
  firmware: { why: 'The SEV firmware of the host is older than the policy accepts.', todo: UPDATE },
  provisionalFirmware: {
    why: 'The SEV firmware was updated and not committed: its owner can still go back.',
    todo: 'Commit the firmware (SNP_COMMIT, or boot the host again), then start the worker again.',
  },
  mitigations: { why: 'A mitigation that the policy requires is not in place on this host.', todo: UPDATE },
};

/** Of everything else that has words of its own for a host's owner. */
const OF_CHECK: Readonly<Record<string, HostAdvice>> = {
  ...Object.fromEntries(Object.entries(OF_POLICY).map(([name, advice]) => [`policy.${name}`, advice])),
  'policy.tcbMinimum': { why: 'The host’s firmware or microcode is below the policy’s floor.', todo: UPDATE },
  'cpu.tcbMinimum': { why: 'The host’s firmware or microcode is below the policy’s floor.', todo: UPDATE },
  'cpu.tcbNotRevoked': {
    why: 'The vendor has revoked this platform’s TCB level: what it attests could be forged.',
    todo: UPDATE,
  },
  'policy.tee': { why: 'The policy does not accept this kind of TEE.', todo: OPERATOR_DECIDES },
  'policy.trustAnchor': {
    why: 'The evidence comes from a vendor that this policy does not let vouch: a simulated machine, or no genuine one.',
    todo: 'Run the worker without --simulated-machine, in a TD or an SEV-SNP guest. Simulated machines are for development alone.',
  },
  'policy.model': {
    why: 'The model that it serves is not on the policy’s list.',
    todo: 'Serve a model that is listed, with files and engine unchanged, or ask the router’s operator to list this one.',
  },
  'policy.versions': { why: 'The worker is too old, or too new, for this router.', todo: 'Use the released image.' },
  'policy.suites': {
    why: 'The worker offers no key exchange that the router accepts.',
    todo: 'Use the released image.',
  },
  'policy.keysetCurrent': { why: 'The keys of this boot are a week old and end.', todo: RESTART },
  'policy.beaconNetwork': {
    why: 'The worker follows another blockchain network than the router.',
    todo: 'Name a router of the network that it is to serve on.',
  },
  'policy.evidenceAge': {
    why: 'The evidence was too old when it came.',
    todo: 'Look for what delays it: the clock of the host, the quote generation service, the connection.',
  },
  'policy.gpuMode': {
    why: 'The GPU is not in the confidential mode that the policy wants, or in developer tools mode.',
    todo: 'Switch it on with NVIDIA’s gpu-admin-tools (--set-cc-mode=on --reset-after-cc-mode-switch), then start the guest again.',
  },
  'policy.gpuFirmware': {
    why: 'The GPU’s VBIOS or driver is older than the policy accepts.',
    todo: 'Update the VBIOS (from the vendor of the server), or use an image with a newer driver.',
  },
  'policy.gpuCount': {
    why: 'The worker has fewer, or more, GPUs than the policy wants.',
    todo: 'Pass all of the GPUs through that are meant, and no other: `chrysalis host launch --gpu …`.',
  },
  'policy.gpuArchitecture': { why: 'The policy does not accept GPUs of this kind.', todo: OPERATOR_DECIDES },
  'policy.gpuDevices': {
    why: 'The policy names the GPUs it accepts, and one here is none of them.',
    todo: OPERATOR_DECIDES,
  },
  'binding.rtmr3Replay': {
    why: 'Something was measured in this boot that the worker does not account for.',
    todo: RESTART,
  },
  'binding.noOtherEvents': {
    why: 'The worker was started twice in this boot, or something else measured.',
    todo: RESTART,
  },
  'binding.identityEvent': {
    why: 'The worker was started twice in this boot: its keys are not those first measured.',
    todo: RESTART,
  },
  'binding.nonce': {
    why: 'The evidence does not answer the router’s challenge: it may be an old one.',
    todo: COLLECT_AGAIN,
  },
  nonceOpen: {
    why: 'The evidence came later than the 30 seconds that a challenge lives.',
    todo: 'Look for what delays quotes: the quote generation service (QGS) on TDX hosts, the load of the host, the connection.',
  },
  epochCertificate: {
    why: 'The session key that came with the evidence is not signed by the attested identity.',
    todo: 'Use the released image. If it is that, report it: this should not happen.',
  },
  uniqueDevices: {
    why: 'A GPU of this worker backs another worker as well, here or somewhere else. Neither is believed while both leases run.',
    todo: 'If both are yours: stop one, and wait until its lease is over (20 minutes at most). If one is not yours, somebody shows your GPU’s evidence as theirs: tell the router’s operator.',
  },
  uniqueIdentity: {
    why: 'A worker with this very identity is attached already.',
    todo: 'Nothing if it was just cut off: it gets in when the router has noticed. Else find the copy: keys of one boot must never run twice.',
  },
};

const OF_CODE: Partial<Record<ErrorCode, HostAdvice>> = {
  ENDORSEMENT_UNREACHABLE: NO_COLLATERAL,
  ENDORSEMENT_MISSING: NO_COLLATERAL,
  ENDORSEMENT_NOT_CURRENT: NO_COLLATERAL,
  CHAIN_UNREACHABLE: {
    why: 'The router cannot reach the blockchain just now, and admits nobody without a fresh block to challenge with.',
    todo: 'Nothing on this host: the worker asks again by itself.',
  },
  LOG_UNREACHABLE: {
    why: 'The router cannot reach its transparency log just now, and admits nobody who is not logged.',
    todo: 'Nothing on this host: the worker asks again by itself.',
  },
  INVARIANT_BROKEN: { why: 'The router failed.', todo: 'Nothing on this host: tell the router’s operator.' },
};

const KIND_OF_TEE = { tdx: 'tdx-quote', 'sev-snp': 'snp-report' } as const;

/** @param tee of the worker, where it is known: words differ between quotes and reports */
export function adviceForHost({ name, code, reason }: OpenCheck, tee: 'tdx' | 'sev-snp' = 'tdx'): HostAdvice {
  // A check of an appraisal that was not run, where none failed: what it needs from the vendor was not there.
  if (code === '' && name.includes('.')) return NO_COLLATERAL;
  const own = OF_CHECK[name];
  if (own !== undefined) return own;
  if (name.startsWith('policy.rule:'))
    return { why: `A rule of the policy refuses it: ${reason}.`, todo: OPERATOR_DECIDES };
  return adviceForCode(code as ErrorCode, name, tee);
}

/** Of a code alone, where no check is named. */
export function adviceForCode(code: ErrorCode, check = '', tee: 'tdx' | 'sev-snp' = 'tdx'): HostAdvice {
  const own = OF_CODE[code];
  if (own !== undefined) return own;
  if (KIND_OF_CODE[code] === 'unavailable') {
    return { why: 'The router could not find out.', todo: 'Nothing on this host: the worker asks again by itself.' };
  }
  const kind = check.startsWith('gpu.') ? 'nvidia-devices' : KIND_OF_TEE[tee];
  const facts = check === '' ? {} : { check: check.slice(check.indexOf('.') + 1) };
  const { means, todo } = adviceOf(kind, { code, message: '', facts });
  return { why: means, todo };
}
