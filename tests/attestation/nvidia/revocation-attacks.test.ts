import { describe, expect, test } from 'vitest';
import { type NvidiaAuthority, nvidiaName, SIMULATED_H100, serialOf } from '../../../src/attestation/simulate/index.ts';
import { deriveSecret, simulatedKey } from '../../../src/attestation/simulate/keys.ts';
import {
  issueNvidiaCrl,
  issueOcspResponse,
  issueResponder,
  type OcspRequest,
  ocspError,
} from '../../../src/attestation/simulate/nvidia/revocation.ts';
import { endorsementsFor, failuresOf, gpuOcsp as good, judge, NOW, stranger, vendor } from './scene.ts';

const DAY_SECONDS = 86_400;
const issuer = vendor.authority('identity GH100');
const subject = vendor.authority('provisioner GH100');
const responderKey = simulatedKey(deriveSecret(new Uint8Array(32), 'responder'), 'P-384');
const responder: NvidiaAuthority = {
  name: nvidiaName('some OCSP responder'),
  key: responderKey,
  serial: serialOf(responderKey),
};
const certificates = [issueResponder(issuer, responder)];
/** The position of the provisioner's answer among those of {@link good}. */
const PROVISIONER = 1;

/** Good answers on everything but the provisioner, and this one on it. */
function judgeAnswer(request: Partial<OcspRequest>) {
  const window = { thisUpdate: NOW - 60, nextUpdate: NOW + DAY_SECONDS };
  const answer = issueOcspResponse({ issuer, serial: subject.serial, responder, certificates, ...window, ...request });
  return judge({ given: endorsementsFor(SIMULATED_H100, good.with(PROVISIONER, answer)) });
}

test('a good answer of a responder, or of the issuer itself, is taken', async () => {
  expect(await judgeAnswer({})).toMatchObject({ verdict: 'verified' });
  expect(await judgeAnswer({ responder: issuer, certificates: [] })).toMatchObject({ verdict: 'verified' });
});

describe('an OCSP answer', () => {
  const withoutPurpose = issueResponder(issuer, responder, { purpose: false });
  const expired = issueResponder(issuer, responder, { notAfter: NOW - DAY_SECONDS });
  const ofAnother = issueResponder(vendor.authority('rimRoot'), responder);
  const ofStranger = issueResponder(stranger.authority('identity GH100'), responder);

  test.each<[string, Partial<OcspRequest>, string]>([
    ['revoked', { status: 'revoked' }, 'EVIDENCE_CHAIN_REVOKED'],
    ['on hold, which is not forgiven in a device chain', { status: 'revoked', reason: 6 }, 'EVIDENCE_CHAIN_REVOKED'],
    ['unknown to the responder', { status: 'unknown' }, 'EVIDENCE_CHAIN_REVOKED'],
    ['past its nextUpdate', { thisUpdate: NOW - 100, nextUpdate: NOW - 1 }, 'ENDORSEMENT_NOT_CURRENT'],
    ['of the future', { thisUpdate: NOW + 1, nextUpdate: NOW + 100 }, 'ENDORSEMENT_NOT_CURRENT'],
    [
      'by a responder without the OCSPSigning purpose',
      { certificates: [withoutPurpose] },
      'ENDORSEMENT_SIGNATURE_INVALID',
    ],
    ['by a responder that has expired', { certificates: [expired] }, 'ENDORSEMENT_SIGNATURE_INVALID'],
    ['by a responder of another issuer', { certificates: [ofAnother] }, 'ENDORSEMENT_SIGNATURE_INVALID'],
    ['by a responder of an issuer with the same name', { certificates: [ofStranger] }, 'ENDORSEMENT_SIGNATURE_INVALID'],
    ['by a responder that is not given', { certificates: [] }, 'ENDORSEMENT_SIGNATURE_INVALID'],
    [
      'signed by the certificate that it is about',
      { responder: subject, certificates: [vendor.certificate('provisioner GH100')] },
      'ENDORSEMENT_SIGNATURE_INVALID',
    ],
    [
      'signed by a stranger in the name of the issuer',
      { responder: { ...issuer, key: responderKey }, certificates: [] },
      'ENDORSEMENT_SIGNATURE_INVALID',
    ],
  ])('%s is refused', async (_, request, code) => {
    const verdict = await judgeAnswer(request);
    expect(verdict.verdict).toBe('refused');
    expect(failuresOf(verdict)).toEqual({ deviceChainNotRevoked: code });
  });

  test.each<[string, Partial<OcspRequest>]>([
    ['about another certificate', { serial: new Uint8Array(20).fill(3) }],
    ['about the same serial number of another issuer', { issuer: vendor.authority('rimRoot'), responder: issuer }],
  ])('%s leaves the certificate uncovered', async (_, request) => {
    const verdict = await judgeAnswer(request);
    expect(verdict.verdict).toBe('unavailable');
    expect(verdict.checks.deviceChainNotRevoked).toMatchObject({
      outcome: 'notRun',
      reason: expect.stringContaining('NVIDIA GH100 Provisioner ICA 1'),
    });
  });

  test('with an error status says nothing, and that is said', async () => {
    const verdict = await judge({ given: endorsementsFor(SIMULATED_H100, good.with(PROVISIONER, ocspError(6))) });
    expect(verdict).toMatchObject({ verdict: 'unavailable' });
    expect(verdict.checks.deviceChainNotRevoked).toMatchObject({ reason: expect.stringContaining('unauthorized') });
  });

  test('good beside a revocation of the same certificate does not help', async () => {
    const window = { thisUpdate: NOW - 60, nextUpdate: NOW + DAY_SECONDS };
    const request = { issuer, serial: subject.serial, responder, certificates, ...window };
    const revoked = issueOcspResponse({ ...request, status: 'revoked' });
    for (const answers of [
      [...good, revoked],
      [revoked, ...good],
    ]) {
      const verdict = await judge({ given: endorsementsFor(SIMULATED_H100, answers) });
      expect(failuresOf(verdict)).toEqual({ deviceChainNotRevoked: 'EVIDENCE_CHAIN_REVOKED' });
    }
  });

  test('with one bit flipped anywhere is never taken for good', async () => {
    const answer = good[PROVISIONER] as Uint8Array;
    for (let at = 0; at < answer.length; at += 29) {
      const mutated = Uint8Array.from(answer);
      mutated[at] = (mutated[at] as number) ^ 4;
      const verdict = await judge({ given: endorsementsFor(SIMULATED_H100, good.with(PROVISIONER, mutated)) });
      expect({ at, verdict: verdict.verdict }).not.toEqual({ at, verdict: 'verified' });
    }
  });

  test('malformed refuses everything that rests on revocation', async () => {
    const verdict = await judge({ given: endorsementsFor(SIMULATED_H100, [...good, new Uint8Array(3)]) });
    expect(failuresOf(verdict)).toMatchObject({ deviceChainNotRevoked: 'OCSP_MALFORMED' });
  });
});

describe('revocation lists', () => {
  const lists = vendor.crls('GH100', NOW);
  /** The provisioner publishes no list, so that the device's own CA needs an answer. */
  const bromAnswer = good.slice(0, 1);
  const judgeLists = (crls: readonly Uint8Array[]) =>
    judge({ given: endorsementsFor(SIMULATED_H100, bromAnswer, crls) });

  test('cover everything but the device CA, and an answer covers that', async () => {
    expect(await judgeLists(lists)).toMatchObject({ verdict: 'verified' });
    expect(await judge({ given: endorsementsFor(SIMULATED_H100, [], lists) })).toMatchObject({
      verdict: 'unavailable',
    });
  });

  test.each([
    ['identity GH100', 'deviceChainNotRevoked', 'EVIDENCE_CHAIN_REVOKED'],
    ['provisioner GH100', 'deviceChainNotRevoked', 'EVIDENCE_CHAIN_REVOKED'],
    ['product GH100', 'manifestSignersNotRevoked', 'ENDORSEMENT_REVOKED'],
    ['line GH100', 'manifestSignersNotRevoked', 'ENDORSEMENT_REVOKED'],
    ['signer GH100', 'manifestSignersNotRevoked', 'ENDORSEMENT_REVOKED'],
  ] as const)('that name %s are heeded', async (name, check, code) => {
    expect(failuresOf(await judgeLists(vendor.crls('GH100', NOW, [name])))).toEqual({ [check]: code });
  });

  test('out of date, of the future, or of a stranger are refused', async () => {
    for (const now of [NOW - 90 * DAY_SECONDS, NOW + 10 * DAY_SECONDS]) {
      expect(failuresOf(await judgeLists(vendor.crls('GH100', now)))).toMatchObject({
        deviceChainNotRevoked: 'ENDORSEMENT_NOT_CURRENT',
      });
    }
    const forged = issueNvidiaCrl({
      issuer: { ...issuer, key: { ...issuer.key, signDer: responderKey.signDer } },
      thisUpdate: NOW - 60,
      nextUpdate: NOW + 60,
      revoked: [],
    });
    expect(failuresOf(await judgeLists([...lists, forged]))).toEqual({
      deviceChainNotRevoked: 'ENDORSEMENT_SIGNATURE_INVALID',
    });
  });
});

describe('without anything on revocation', () => {
  const given = endorsementsFor(SIMULATED_H100, []);

  test.each([
    ['require', 'unavailable', 'no OCSP answer or CRL covers'],
    ['prefer', 'verified', 'no OCSP answer or CRL covers'],
    ['off', 'verified', 'switched off'],
  ] as const)('mode %s answers %s, and says that it was not checked', async (revocation, verdict, reason) => {
    const judged = await judge({ given, options: { revocation } });
    expect(judged.verdict).toBe(verdict);
    for (const name of ['deviceChainNotRevoked', 'manifestSignersNotRevoked'] as const) {
      expect(judged.checks[name]).toMatchObject({ outcome: 'notRun', reason: expect.stringContaining(reason) });
    }
  });
});
