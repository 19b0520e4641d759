import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ed25519Key, mlDsa44Key } from '#crypto';
import {
  type Cosigner,
  ed25519Cosigner,
  formatVkey,
  KEY_TYPE,
  type LogPolicy,
  mlDsaCosigner,
  parseLogPolicy,
  verifierKey,
} from '../../log/index.ts';
import { openSeed, openSeedSigner } from '../../log/writer/index.ts';
import { readText, systemRandomness } from '../compose/files.ts';

export const LOG_DATABASE = 'log.db';
export const WITNESS_DATABASE = 'witness.db';

/** The verifier key of the log in a folder; its key is made where the folder is new. */
export async function logVkeyIn(folder: string, origin: string): Promise<string> {
  const fresh = !existsSync(join(folder, LOG_DATABASE));
  const { publicKey } = await openSeedSigner(folder, systemRandomness, fresh);
  return formatVkey(verifierKey(origin, KEY_TYPE.ed25519, publicKey));
}

/** The keys of the witness in a folder, Ed25519 first; made where the folder is new. @param postQuantum also ML-DSA-44 */
export async function cosignersIn(folder: string, name: string, postQuantum: boolean): Promise<readonly Cosigner[]> {
  const fresh = !existsSync(join(folder, WITNESS_DATABASE));
  const seed = await openSeed(folder, 'witness.key', systemRandomness, fresh);
  const classic = ed25519Cosigner(name, ed25519Key(seed));
  if (!postQuantum) return [classic];
  // May be added later: it signs the same memory.
  const second = await openSeed(folder, 'witness-ml-dsa.key', systemRandomness, true);
  return [classic, mlDsaCosigner(name, await mlDsa44Key(second))];
}

export function readLogPolicy(path: string): LogPolicy {
  return parseLogPolicy(readText(path));
}
