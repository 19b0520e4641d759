import { Address, toNano } from '@ton/core';
import { expect } from 'vitest';
import { Emulator } from '../../src/chain/dev/emulator.ts';
import { DEVELOPMENT_NETWORK } from '../../src/chain/index.ts';
import { ed25519Key } from '../../src/core/crypto/node.ts';
import type { Bytes } from '../../src/core/index.ts';

// Two objects of one address differ in a function that each of them has of its own.
expect.addEqualityTesters([
  (a: unknown, b: unknown) => (a instanceof Address && b instanceof Address ? a.equals(b) : undefined),
]);

/** What every test of a contract begins with: the executor, accounts and keys known by one byte, values and times. */
export const emulator = await Emulator.create(DEVELOPMENT_NETWORK);

export const bytes = (byte: number): Bytes => new Uint8Array(32).fill(byte);
export const party = (byte: number) => new Address(0, Buffer.from(bytes(byte)));
export const signingKey = (byte: number) => ed25519Key(bytes(byte));

/** Enough for any operation that takes no deposit. */
export const VALUE = toNano('0.05');
export const HOUR = 3600;
export const DAY = 24 * HOUR;
export const YEAR = 365 * DAY;
