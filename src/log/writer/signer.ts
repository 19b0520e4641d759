import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ed25519Key, ed25519Sign } from '#crypto';
import { type Bytes, CodedError, type Randomness, toHex, utf8 } from '../../core/index.ts';
import { DurableFiles, readIfThere } from './durable-files.ts';

/** Signs checkpoint bodies. A key in another process or an HSM fits behind it. @property publicKey Ed25519, 32 bytes */
export type LogSigner = Readonly<{ publicKey: Bytes; sign(message: Uint8Array): Promise<Bytes> }>;

const SEED_FILE = 'log.key';
const TOKEN_FILE = 'append.token';

/** The bytes of a file that only its owner may read, or null. @throws CodedError CONFIG_INVALID for an open mode */
async function readPrivate(directory: string, name: string): Promise<Bytes | null> {
  const path = join(directory, name);
  const bytes = await readIfThere(path);
  if (bytes === null) return null;
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new CodedError('CONFIG_INVALID', `${name} can be read by others: chmod 600 it, or make a new one`);
  }
  return bytes;
}

/**
 * A seed of 32 bytes in a file of mode 0600.
 * @param mayCreate true only where nothing was signed yet: a new key could not continue what an old one began
 * @throws CodedError CONFIG_INVALID
 */
export async function openSeed(
  directory: string,
  name: string,
  randomness: Randomness,
  mayCreate: boolean,
): Promise<Bytes> {
  let seed = await readPrivate(directory, name);
  if (seed === null) {
    if (!mayCreate) throw new CodedError('CONFIG_INVALID', `${name} is gone, and something was signed with it`);
    seed = randomness(32);
    await (await DurableFiles.at(directory)).replace(name, seed, 0o600);
  }
  if (seed.length !== 32) throw new CodedError('CONFIG_INVALID', `${name} is not a seed of 32 bytes`);
  return seed;
}

/** A signer over the log's Ed25519 seed file. @throws CodedError as {@link openSeed} */
export async function openSeedSigner(
  directory: string,
  randomness: Randomness,
  mayCreate: boolean,
): Promise<LogSigner> {
  const key = ed25519Key(await openSeed(directory, SEED_FILE, randomness, mayCreate));
  return { publicKey: key.publicKey, sign: (message) => ed25519Sign(key, message) };
}

/** The bearer token of the append door: 64 hex digits in a 0600 file, made at the first start. */
export async function openAppendToken(directory: string, randomness: Randomness): Promise<string> {
  let bytes = await readPrivate(directory, TOKEN_FILE);
  if (bytes === null) {
    bytes = utf8(`${toHex(randomness(32))}\n`);
    await (await DurableFiles.at(directory)).replace(TOKEN_FILE, bytes, 0o600);
  }
  const token = new TextDecoder().decode(bytes).trim();
  if (!/^[0-9a-f]{64}$/.test(token)) throw new CodedError('CONFIG_INVALID', `${TOKEN_FILE} does not hold a token`);
  return token;
}
