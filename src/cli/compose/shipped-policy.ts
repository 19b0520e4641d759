import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { POLICIES } from '../paths.ts';
import { readText } from './files.ts';

/** The text of a policy in attestation-policies/, by its id; null where there is none. @param id letters, digits, hyphens */
export function shippedPolicy(id: string): string | null {
  const path = join(POLICIES, `${id}.json`);
  return existsSync(path) ? readText(path) : null;
}
