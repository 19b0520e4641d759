import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { layoutOf } from '../../src/cli/up/state.ts';
import { sharedAmdState } from '../attestation/simulate/shared-amd.ts';

/** Puts the tests' simulated AMD where a network in this folder looks for its own, so that no RSA keys are made. */
export function keepSharedAmd(folder: string): void {
  const { amd } = layoutOf(folder).vendors;
  if (existsSync(amd)) return;
  mkdirSync(dirname(amd), { recursive: true });
  writeFileSync(amd, JSON.stringify(sharedAmdState), { mode: 0o600 });
}
