import { ed25519Key, type SigningKey } from '#crypto';
import type { Bytes, Clock, Keyset, Randomness } from '../core/index.ts';
import { KEM_X25519, KEM_XWING, VERSION } from '../session/index.ts';
import { type Attester, createAttester, type Machine } from './attester.ts';

export type BootOptions = Readonly<{
  modelDigest: Bytes;
  /** TON account that is paid for this worker's receipts. */
  payee: Keyset['payee'];
  transportSpkiSha256: Bytes;
}>;

/** The keys of one boot of a worker, which its evidence names from now on. They exist nowhere else. */
export type Boot = Readonly<{
  identityKey: SigningKey;
  receiptKey: SigningKey;
  keyset: Keyset;
  modelDigest: Bytes;
  attester: Attester;
  /** Certificates of the key that signed the last quote. */
  certificates: () => readonly Bytes[];
}>;

const KEYSET_LIFETIME_MS = 7 * 24 * 3_600_000;

/** Draws the keys and measures them, the devices and the model: once a boot, as registers cannot be taken back. */
export function startBoot(
  machine: Machine,
  { now, randomness }: Readonly<{ now: Clock; randomness: Randomness }>,
  { modelDigest, payee, transportSpkiSha256 }: BootOptions,
): Boot {
  const identityKey = ed25519Key(randomness(32));
  const receiptKey = ed25519Key(randomness(32));
  const keyset: Keyset = {
    identityKey: identityKey.publicKey,
    receiptKey: receiptKey.publicKey,
    transportSpkiSha256,
    versions: [VERSION],
    suites: [KEM_XWING, KEM_X25519],
    payee,
    notAfter: now() + KEYSET_LIFETIME_MS,
  };
  const firmwareLog = machine.firmwareLog ?? new Uint8Array(0);
  const attester = createAttester(machine, { keyset, modelDigest, firmwareLog });
  const certificates = () => machine.certificates?.() ?? [];
  return { identityKey, receiptKey, keyset, modelDigest, attester, certificates };
}
