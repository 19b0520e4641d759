/**
 * Writes tests/vectors/ais-1/vectors.json. `node scripts/session-vectors/make.ts` after a change of the protocol; the
 * tests fail where the file is not what this makes.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sessionVectors } from './vectors.ts';

export const VECTORS_FILE = fileURLToPath(new URL('../../tests/vectors/ais-1/vectors.json', import.meta.url));

if (import.meta.main) writeFileSync(VECTORS_FILE, await sessionVectors());
