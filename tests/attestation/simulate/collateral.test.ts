import { expect, test } from 'vitest';
import { INTEL_SGX_ROOT, loadIntelEndorsements, type TrustAnchor } from '../../../src/attestation/index.ts';
import {
  type CollateralDefects,
  createSimulatedIntel,
  openSimulatedIntel,
} from '../../../src/attestation/simulate/index.ts';
import { CodedError } from '../../../src/core/index.ts';

const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(3)));
const NOW = Date.UTC(2026, 10, 24) / 1000;

async function states(defects: CollateralDefects, anchors: readonly TrustAnchor[] = [intel.trustAnchor]) {
  const loaded = await loadIntelEndorsements(intel.collateral(NOW, defects), anchors);
  const { tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuer } = loaded;
  return Object.entries({ tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuer }).map(([name, judged]) =>
    judged.state === 'ok' ? name : `${name} ${judged.state}${judged.state === 'failed' ? ` ${judged.code}` : ''}`,
  );
}

test('a good set is genuine under the simulated root', async () => {
  expect(await states({})).toEqual(['tcbInfo', 'qeIdentity', 'rootCrl', 'pckCrl', 'pckCrlIssuer']);
});

test("nothing of it is genuine under Intel's root", async () => {
  expect((await states({}, [INTEL_SGX_ROOT])).filter((state) => !state.endsWith('Crl'))).toEqual([
    'tcbInfo failed ENDORSEMENT_CHAIN_INVALID',
    'qeIdentity failed ENDORSEMENT_CHAIN_INVALID',
    'pckCrlIssuer failed ENDORSEMENT_CHAIN_INVALID',
  ]);
});

test('documents signed by a stranger are not genuine', async () => {
  const found = await states({ wronglySigned: ['tcbInfo', 'qeIdentity'] });
  expect(found).toContain('tcbInfo failed ENDORSEMENT_SIGNATURE_INVALID');
  expect(found).toContain('qeIdentity failed ENDORSEMENT_SIGNATURE_INVALID');
});

test('a machine name is a short plain word', () => {
  for (const name of ['', 'Alder', '../x', 'a'.repeat(64)]) {
    expect(() => intel.machineState(name)).toThrow(CodedError);
  }
});
