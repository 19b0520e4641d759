import {
  type Bytes,
  compareBytes,
  equalBytes,
  keysetDigest,
  type NonceProof,
  nonceRoot,
  type UnixMs,
} from '../../core/index.ts';
import { type EvidenceBundle, parseRuntimeEvent, type RuntimeEvent, replayRtmr3 } from '../evidence/composite/index.ts';
import type { ParsedTdxQuote } from '../evidence/tdx/index.ts';
import { type Check, check, failed, notRun, PASSED } from '../verify/index.ts';

/** Whether quote, events and keys of one bundle belong together (AIS/1 section 3): of a TDX quote. */
export type TdxBindingCheckName =
  | 'quoteExact'
  | 'quoteCarriesChain'
  | 'reportData'
  | 'rtmr3Replay'
  | 'identityEvent'
  | 'devicesEvent'
  | 'modelEvent'
  | 'noOtherEvents';

/** The same of an SEV-SNP report, which has no register: nothing may look measured that is not. */
export type SnpBindingCheckName = 'reportData' | 'noEvents';

/** Whether the evidence is as fresh as it says, whatever made it. */
export type FreshnessCheckName = 'nonce' | 'beaconBlock';

/** A masterchain block that the verifier knows from the chain itself. */
export type KnownBlock = Readonly<{
  network: number;
  seqno: number;
  rootHash: Uint8Array;
  /** Time of the block. */
  at: UnixMs;
}>;

/** A nonce of the verifier's own, and where the answer says it stands under N. */
export type ExpectedNonce = Readonly<{
  /** `clientNonceInput(hello_digest)` or `routerNonceInput(challenge)`, 32 bytes. */
  input: Uint8Array;
  proof: NonceProof;
}>;

export function freshnessChecks(
  bundle: EvidenceBundle,
  known: Readonly<{ nonce?: ExpectedNonce | undefined; blocks?: readonly KnownBlock[] | undefined }>,
): Record<FreshnessCheckName, Check> {
  return { nonce: nonceCheck(bundle, known.nonce), beaconBlock: beaconCheck(bundle, known.blocks ?? []) };
}

export function snpBindingChecks(bundle: EvidenceBundle, reportData: Check): Record<SnpBindingCheckName, Check> {
  const { firmware, runtimeEvents } = bundle.eventLog;
  return {
    reportData,
    noEvents: check(
      firmware.length === 0 && runtimeEvents.length === 0,
      'EVIDENCE_NOT_BOUND',
      'the bundle holds events, which no register of this guest vouches for',
    ),
  };
}

/** @param deviceIds of the devices in the bundle, as their genuine reports establish them; empty where one is not */
export function tdxBindingChecks(
  bundle: EvidenceBundle,
  quote: ParsedTdxQuote,
  reportData: Check,
  deviceIds: readonly Bytes[],
): Record<TdxBindingCheckName, Check> {
  const events = bundle.eventLog.runtimeEvents.map(parseRuntimeEvent);
  return {
    quoteExact: check(
      quote.trailingBytes === 0,
      'EVIDENCE_TRAILING_BYTES',
      'bytes after the quote, which nothing authenticates',
    ),
    quoteCarriesChain: check(
      quote.certificationType === 5,
      'EVIDENCE_UNSUPPORTED',
      `certification data type ${quote.certificationType}: a bundle's quote carries its own PCK chain (5)`,
    ),
    reportData,
    rtmr3Replay: check(
      equalBytes(replayRtmr3(bundle.eventLog.runtimeEvents), quote.report.rtmr3),
      'EVIDENCE_NOT_BOUND',
      'the runtime events do not lead to RTMR3',
    ),
    ...eventChecks(bundle, events, deviceIds),
  };
}

type EventCheckName = 'identityEvent' | 'devicesEvent' | 'modelEvent' | 'noOtherEvents';

/** Each event exactly once, in order, and equal to what the bundle says (AIS/1 section 3, item 4). */
function eventChecks(
  bundle: EvidenceBundle,
  events: readonly RuntimeEvent[],
  deviceIds: readonly Bytes[],
): Record<EventCheckName, Check> {
  const keyset = keysetDigest(bundle.keyset);
  const order = events.map((event) => event.kind).join(' ');
  return {
    identityEvent: once(events, 'identity', (event) => equalBytes(event.keysetDigest, keyset), 'another keyset'),
    devicesEvent: devicesEvent(bundle, events, deviceIds),
    modelEvent: once(events, 'model', (event) => equalBytes(event.modelDigest, bundle.modelDigest), 'another model'),
    noOtherEvents: check(
      order === 'identity devices model',
      'EVIDENCE_NOT_BOUND',
      'RTMR3 holds other events than identity, devices and model in this order',
    ),
  };
}

/** The devices that the enclave measured at boot are those that answered now. */
function devicesEvent(bundle: EvidenceBundle, events: readonly RuntimeEvent[], deviceIds: readonly Bytes[]): Check {
  const others = 'other devices than the evidence holds';
  const counted = once(events, 'devices', (event) => event.deviceIds.length === bundle.devices.length, others);
  if (counted.outcome !== 'passed' || bundle.devices.length === 0) return counted;
  if (deviceIds.length === 0) return notRun('the devices could not be established');
  const sorted = [...deviceIds].sort(compareBytes);
  const fits = (event: Extract<RuntimeEvent, { kind: 'devices' }>) =>
    event.deviceIds.every((id, index) => equalBytes(id, sorted[index] as Bytes));
  return once(events, 'devices', fits, others);
}

function once<Kind extends RuntimeEvent['kind']>(
  events: readonly RuntimeEvent[],
  kind: Kind,
  fits: (event: Extract<RuntimeEvent, { kind: Kind }>) => boolean,
  otherwise: string,
): Check {
  const found = events.filter((event): event is Extract<RuntimeEvent, { kind: Kind }> => event.kind === kind);
  const [first] = found;
  if (first === undefined) return failed('EVIDENCE_NOT_BOUND', `RTMR3 has no ${kind} event`);
  if (found.length > 1) return failed('EVIDENCE_NOT_BOUND', `RTMR3 has ${found.length} ${kind} events, not one`);
  return check(fits(first), 'EVIDENCE_NOT_BOUND', `the ${kind} event names ${otherwise}`);
}

function nonceCheck(bundle: EvidenceBundle, expected: ExpectedNonce | undefined): Check {
  if (expected === undefined) return notRun('no nonce of this verifier was asked to be under N');
  const root = nonceRoot(expected.input, expected.proof);
  return check(
    root !== null && equalBytes(root, bundle.nonceRoot),
    'EVIDENCE_NOT_BOUND',
    'our nonce does not lead to the N of this evidence',
  );
}

/** The block that the beacon names, where the verifier knows it. */
export function blockOfBeacon(bundle: EvidenceBundle, blocks: readonly KnownBlock[]): KnownBlock | undefined {
  const { network, seqno } = bundle.beacon;
  return blocks.find((block) => block.network === network && block.seqno === seqno);
}

function beaconCheck(bundle: EvidenceBundle, blocks: readonly KnownBlock[]): Check {
  const block = blockOfBeacon(bundle, blocks);
  if (block === undefined) {
    return notRun(`block ${bundle.beacon.seqno} of the beacon is not among those looked up on the chain`);
  }
  return equalBytes(block.rootHash, bundle.beacon.blockRootHash)
    ? PASSED
    : failed('EVIDENCE_NOT_BOUND', `the chain has another block ${block.seqno} than the beacon names`);
}
