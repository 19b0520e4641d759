import { join } from 'node:path';
import { ROOT } from '../../src/cli/paths.ts';

/** Packages are downloaded once for all tests and for `image build` of this checkout. */
export const STORE = join(ROOT, '.chrysalis', 'packages');
