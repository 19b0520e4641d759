import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const besideCheckout = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', 'shared', 'vectors');

/**
 * The folder of one set of shared vectors (`tdx`, `snp`, `nvidia`, `hpke`, `tlog`), or null where it is not there: found
 * through CHRYSALIS_VECTORS, else beside the checkout. Tests skip without it, and say so.
 */
export function vectorsFolder(name: string): string | null {
  const folder = join(process.env.CHRYSALIS_VECTORS ?? besideCheckout, name);
  return existsSync(folder) ? folder : null;
}

export const WHY_SKIPPED = 'shared vectors not found: set CHRYSALIS_VECTORS to their folder';

/** Reads a file of a set of vectors that is known to be there. */
export function readVector(folder: string, file: string): Uint8Array {
  return Uint8Array.from(readFileSync(join(folder, file)));
}

export function readVectorJson<T>(folder: string, file: string): T {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as T;
}
