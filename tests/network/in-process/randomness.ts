import { randomBytes } from 'node:crypto';
import type { Randomness } from '../../../src/core/index.ts';

export const randomness: Randomness = (length) => Uint8Array.from(randomBytes(length));
