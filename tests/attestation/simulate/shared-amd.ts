import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  createSimulatedAmd,
  openSimulatedAmd,
  type SimulatedAmd,
  type SimulatedAmdState,
} from '../../../src/attestation/simulate/index.ts';

const FOLDER = resolve(import.meta.dirname, '../../../node_modules/.cache/chrysalis-tests');
const FILE = join(FOLDER, 'simulated-amd-1.json');

function kept(): SimulatedAmdState | null {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as SimulatedAmdState;
  } catch {
    return null;
  }
}

async function made(): Promise<SimulatedAmdState> {
  const state = await createSimulatedAmd((length) => Uint8Array.from(randomBytes(length)));
  const draft = `${FILE}.${process.pid}`;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(draft, JSON.stringify(state), { mode: 0o600 });
  renameSync(draft, FILE); // whole or not at all: another test process may be making one too
  return state;
}

/** The state of one simulated AMD with every line, for all tests: nine RSA keys take seconds, so it is kept between runs. */
export const sharedAmdState: SimulatedAmdState = kept() ?? (await made());

export const sharedAmd: SimulatedAmd = openSimulatedAmd(sharedAmdState);
