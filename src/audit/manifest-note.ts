import { ed25519Sign, type SigningKey, sha256 } from '#crypto';
import { asCodedError, type Bytes, toHex, utf8 } from '../core/index.ts';
import { formatNote, formatSignatureLine, parseNote, type VerifierKey, verifyNote } from '../log/index.ts';
import { BUNDLE_FORMAT, type BundleFiles, MANIFEST, MANIFEST_NOTE, type Manifest } from './bundle.ts';
import type { Tally } from './checks.ts';

/** Whoever makes a bundle may sign for it. @property key an Ed25519 key (C2SP signed-note type 0x01) */
export type Exporter = Readonly<{ key: VerifierKey; signer: SigningKey }>;

/** What an exporter signs: which log and range, and the manifest, which has every file's digest. */
function textOf({ origin, from, to }: Pick<Manifest, 'origin' | 'from' | 'to'>, manifest: Uint8Array): string {
  return `${BUNDLE_FORMAT}\n${origin}\n${from} ${to}\nsha256 ${toHex(sha256(manifest))}\n`;
}

/** A C2SP signed note over the manifest: the custody record of a bundle. */
export async function signManifest(
  of: Pick<Manifest, 'origin' | 'from' | 'to'>,
  manifest: Uint8Array,
  { key, signer }: Exporter,
): Promise<Bytes> {
  const text = textOf(of, manifest);
  return formatNote(text, [formatSignatureLine(key, await ed25519Sign(signer, utf8(text)))]);
}

/**
 * V1: the note, where there is one, is over this manifest; signed by one of the exporters that the auditor brought, where
 * any were brought.
 */
export async function checkManifestNote(
  files: BundleFiles,
  manifest: Manifest,
  exporters: readonly VerifierKey[] | undefined,
  tally: Tally,
): Promise<void> {
  if (!files.list.has(MANIFEST_NOTE)) {
    if (exporters !== undefined) tally.fail(`nobody signed for the manifest: there is no ${MANIFEST_NOTE}`);
    return;
  }
  try {
    tally.look();
    const note = await files.read(MANIFEST_NOTE);
    const { text, signatures } = parseNote(note);
    if (text !== textOf(manifest, await files.read(MANIFEST))) {
      tally.fail(`${MANIFEST_NOTE} is over another manifest`);
    } else if (exporters === undefined) {
      const names = signatures.map(({ name, keyId }) => `${name}+${keyId}`).join(', ');
      tally.note(`the manifest says that ${names} signed for it: bring that key to have it checked`);
    } else await verifyNote(note, exporters);
  } catch (thrown) {
    tally.fail(`${MANIFEST_NOTE}: ${asCodedError(thrown).message}`);
  }
}
