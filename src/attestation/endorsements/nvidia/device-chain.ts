import { type Bytes, CodedError, DerReader, equalBytes, fromHex, type X509Certificate } from '../../../core/index.ts';
import type { NvidiaArchitecture } from '../../evidence/nvidia/index.ts';
import { type Judged, judgeParse, ok, wrong } from '../judged.ts';
import type { TrustAnchor } from '../trust-anchor.ts';
import type { VerificationCache } from '../verification-cache.ts';
import { type NvidiaChain, verifyNvidiaChain } from './chain.ts';

export const DEVICE_CHAIN_LENGTH = 5;
const DICE_COMPOSITE = '2.23.133.5.4.1';
const DICE_TCB_INFO = '2.23.133.5.4.1.1';
const SHA384 = '2.16.840.1.101.3.4.2.2';
/** OBJECT IDENTIFIER sha384 and the head of an OCTET STRING of 48 bytes, before the FWID itself. */
const FWID_HEAD = fromHex('06096086480165030402020430');
const FWID_BYTES = 48;
const DICE_DEPTH_FIELDS_MAX = 16;

/** A device's chain, with what its certificates say of it. */
export type DeviceChain = NvidiaChain &
  Readonly<{
    architecture: NvidiaArchitecture;
    /** `GH100`, `GB100`, `LS_10`. */
    chip: string;
    /** Common name of the device's own CA, NVIDIA's `hwmodel`. */
    hardwareModel: string;
    /** Serial number of the leaf in decimal, NVIDIA's `ueid`. */
    ueid: string;
    /** Serial number of the device's own CA: one per device, lower-case hexadecimal. */
    bromSerial: string;
    /** PDI in that serial number, upper-case hexadecimal; null where the number has another form. */
    pdi: string | null;
    /** Hash of the firmware that the leaf was made for. */
    fwid: Bytes;
  }>;

/** Verifies leaf ← BROM ← provisioner ICA ← identity CA ← pinned root, and reads who the device is. */
export async function verifyDeviceChain(
  der: readonly Uint8Array[],
  anchors: readonly TrustAnchor[],
  cache: VerificationCache,
): Promise<Judged<DeviceChain>> {
  const chain = await verifyNvidiaChain(der, DEVICE_CHAIN_LENGTH, anchors, cache);
  if (chain.state !== 'ok') return chain;
  const { leaf, certificates } = chain.value;
  const brom = certificates[1] as X509Certificate;
  const chip = /^(GH100|GB1\d\d|LS_10) [A-Z]\d\d [A-Z]+ FMC LF$/.exec(leaf.subject.commonName ?? '')?.[1];
  if (chip === undefined) return wrong('EVIDENCE_CHAIN_INVALID', 'the leaf names no known chip');
  const hardwareModel = brom.subject.commonName ?? '';
  if (!hardwareModel.startsWith(`${chip} `) || !hardwareModel.endsWith(' BROM')) {
    return wrong('EVIDENCE_CHAIN_INVALID', 'leaf and device CA name different chips');
  }
  const fwid = judgeParse('leaf', () => readFwid(leaf));
  if (fwid.state !== 'ok') return fwid;
  const architecture = chip === 'GH100' ? 'HOPPER' : chip === 'LS_10' ? 'LS10' : 'BLACKWELL';
  const head = architecture === 'LS10' ? '50' : '41';
  return ok({
    ...chain.value,
    architecture,
    chip,
    hardwareModel,
    ueid: BigInt(`0x${leaf.serial}`).toString(),
    bromSerial: brom.serial,
    pdi: brom.serial.length === 18 && brom.serial.startsWith(head) ? brom.serial.slice(2).toUpperCase() : null,
    fwid: fwid.value,
  });
}

/** The FWID of a leaf's DICE extension (TCG DICE Attestation Architecture). @throws CodedError */
function readFwid(leaf: X509Certificate): Bytes {
  const tcbInfo = leaf.extensions.get(DICE_TCB_INFO);
  const composite = leaf.extensions.get(DICE_COMPOSITE);
  if ((tcbInfo === undefined) === (composite === undefined)) {
    throw new CodedError('CERTIFICATE_MALFORMED', 'not exactly one DICE extension', {});
  }
  if (tcbInfo !== undefined) return firstFwid(tcbInfo.value);
  const value = (composite as { value: Bytes }).value;
  const from = value.length - FWID_BYTES;
  const head = value.subarray(Math.max(0, from - FWID_HEAD.length), Math.max(0, from));
  if (!equalBytes(head, FWID_HEAD)) throw new CodedError('CERTIFICATE_MALFORMED', 'no FWID at the DICE extension end');
  return new Uint8Array(value.subarray(from));
}

/** DiceTcbInfo: element [6] is SEQUENCE OF FWID { hashAlg, digest }; NVIDIA's report is about the first. */
function firstFwid(extension: Bytes): Bytes {
  const outer = new DerReader(extension, 'DiceTcbInfo');
  const info = outer.sequence('tcbInfo');
  outer.end();
  let fwid: Bytes | null = null;
  for (let count = 0; !info.done; count++) {
    if (count === DICE_DEPTH_FIELDS_MAX) throw new CodedError('CERTIFICATE_MALFORMED', 'DiceTcbInfo: too many fields');
    const { tag, content } = info.any('field');
    if (tag !== 0xa6) continue;
    if (fwid !== null) throw new CodedError('CERTIFICATE_MALFORMED', 'DiceTcbInfo: fwids twice');
    const first = info.inside('fwids', content).sequence('fwid');
    if (first.oid('hashAlg') !== SHA384) throw new CodedError('CERTIFICATE_MALFORMED', 'FWID is not SHA-384');
    fwid = new Uint8Array(first.octetString('digest', FWID_BYTES));
    first.end();
  }
  if (fwid === null) throw new CodedError('CERTIFICATE_MALFORMED', 'DiceTcbInfo without fwids');
  return fwid;
}
