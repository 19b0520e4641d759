import { sha256 } from '#crypto';
import { type Bytes, toHex, utf8 } from '../core/index.ts';
import { parseNote } from '../log/index.ts';
import type { BundleFiles } from './bundle.ts';
import type { Tally } from './checks.ts';

/**
 * V16: an RFC 3161 token beside a checkpoint must be over its body. Who signed the token isn't judged here: that takes
 * the stamping authority's certificate and a CMS verifier, so the check stays open where there are tokens.
 */
export async function verifyTimestamps(files: BundleFiles, tally: Tally): Promise<void> {
  for (const path of files.list.keys()) {
    if (!path.startsWith('timestamps/')) continue;
    const size = path.slice('timestamps/'.length, -'.tsr'.length);
    const checkpoint = `checkpoints/${size}`;
    tally.require(files.list.has(checkpoint), `${path} is of a checkpoint that is not there`);
    if (!files.list.has(checkpoint)) continue;
    const body = parseNote(await files.read(checkpoint)).text;
    const token = await files.read(path);
    if (!holds(token, sha256(utf8(body)))) tally.fail(`${path} is not over ${checkpoint}`);
    else tally.skip('the signatures of RFC 3161 tokens are not verified by this version');
  }
}

function holds(token: Bytes, hash: Bytes): boolean {
  return toHex(token).includes(toHex(hash));
}
