import { expect, test } from 'vitest';
import { loadIntelEndorsements } from '../../../src/attestation/index.ts';
import type { CollateralDefects, CollateralDocument } from '../../../src/attestation/simulate/index.ts';
import { endorsementsOf, intel, judge, NOW, summary } from './scene.ts';

/** What Intel's collateral may lack or say wrong; the evidence is honest in each. */
const collateralCases: readonly [string, CollateralDefects, string][] = [
  ['TCB info past its end', { expired: ['tcbInfo'] }, 'cpu.tcbInfoCurrent'],
  ['QE identity past its end', { expired: ['qeIdentity'] }, 'cpu.qeIdentityCurrent'],
  ['root CRL past its end', { expired: ['rootCrl'] }, 'cpu.rootCaCrl'],
  ['PCK CRL past its end', { expired: ['pckCrl'] }, 'cpu.pckCrl'],
  ['TCB info of tomorrow', { notYetValid: ['tcbInfo'] }, 'cpu.tcbInfoCurrent'],
  ['PCK CRL of tomorrow', { notYetValid: ['pckCrl'] }, 'cpu.pckCrl'],
  ["TCB info that is not Intel's", { wronglySigned: ['tcbInfo'] }, 'cpu.tcbInfoSigned'],
  ["QE identity that is not Intel's", { wronglySigned: ['qeIdentity'] }, 'cpu.qeIdentitySigned'],
  ["root CRL that is not the root's", { wronglySigned: ['rootCrl'] }, 'cpu.rootCaCrl'],
  ["PCK CRL that is not the CA's", { wronglySigned: ['pckCrl'] }, 'cpu.pckCrl'],
  ['a revoked platform', { revokedMachines: ['birch', 'alder'] }, 'cpu.pckChainNotRevoked'],
  ['a revoked Platform CA', { revokedAuthorities: ['platformCa'] }, 'cpu.pckChainNotRevoked'],
  ['a revoked TCB signer', { revokedAuthorities: ['tcbSigning'] }, 'cpu.collateralSignersNotRevoked'],
  ['TCB info of another platform', { fmspc: '00906ED50000' }, 'cpu.tcbInfoMatchesFmspc'],
  ['TCB info for SGX', { tcbInfoId: 'SGX' }, 'cpu.tcbInfoSigned'],
  ['the identity of the SGX quoting enclave', { qeIdentityId: 'QE' }, 'cpu.qeIdentitySigned'],
  ['an identity with another MRSIGNER', { qeMrSigner: '11'.repeat(32) }, 'cpu.qeIdentity'],
];
for (const [title, defects, because] of collateralCases) {
  test(`not affirmed: ${title}`, async () => {
    const found = summary(await judge({ endorsements: await endorsementsOf(defects) }));
    expect(found[0]).not.toBe('affirming');
    expect(found).toContain(because);
  });
}

test('a machine beside a revoked one is affirmed', async () => {
  const { status } = await judge({ endorsements: await endorsementsOf({ revokedMachines: ['birch'] }) });
  expect(status).toBe('affirming');
});

test('each piece of collateral that is missing leaves the appraisal unavailable, not a yes and not a no', async () => {
  const whole = intel.collateral(NOW / 1000);
  for (const field of ['root_ca_crl', 'pck_crl', 'tcb_info', 'qe_identity', 'tcb_info_signature'] as const) {
    const { [field]: _left, ...rest } = whole;
    const endorsements = { intel: await loadIntelEndorsements(rest, [intel.trustAnchor]) };
    const appraisal = await judge({ endorsements });
    expect([field, appraisal.status]).toEqual([field, 'unavailable']);
  }
});

const DOCUMENTS: readonly CollateralDocument[] = ['tcbInfo', 'qeIdentity', 'rootCrl', 'pckCrl'];
test('every document that may be late, early or forged is noticed', async () => {
  for (const document of DOCUMENTS) {
    for (const defects of [{ expired: [document] }, { notYetValid: [document] }, { wronglySigned: [document] }]) {
      const appraisal = await judge({ endorsements: await endorsementsOf(defects) });
      expect([document, appraisal.status]).not.toEqual([document, 'affirming']);
    }
  }
});
