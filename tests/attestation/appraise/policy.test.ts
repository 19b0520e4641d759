import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  INTEL_SGX_ROOT,
  loadPolicy,
  policyDigest,
  policyJsonSchema,
  trustUnder,
} from '../../../src/attestation/index.ts';
import { DEVELOPMENT_IMAGE } from '../../../src/attestation/simulate/index.ts';
import { CodedError, toHex } from '../../../src/core/index.ts';
import { development, developmentText, developmentWith, intel, production, productionText } from './scene.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
};

type Document = { [key: string]: unknown };
const isObject = (value: unknown): value is Document => typeof value === 'object' && value !== null;

test("the development policy's image is the simulator's, and production names none yet", () => {
  const { tdAttributes: _a, xfam: _x, mrServiceTd: _s, ...registers } = DEVELOPMENT_IMAGE;
  expect(development.tdx.images).toEqual([registers]);
  expect(production.tdx.images).toEqual([]);
  expect([production.environment, production.simulated]).toEqual(['production', 'refuse']);
});

/** Every object in a document, the document itself first. */
function objectsIn(value: unknown): Document[] {
  if (!isObject(value)) return [];
  const inside = Object.values(value).flatMap(objectsIn);
  return Array.isArray(value) ? inside : [value, ...inside];
}

test('every field is required and no other is taken, at every depth', () => {
  for (const text of [developmentText, productionText]) {
    const objects = objectsIn(JSON.parse(text)).length;
    for (let index = 0; index < objects; index++) {
      const names = Object.keys(objectsIn(JSON.parse(text))[index]!);
      for (const name of names) {
        const document = JSON.parse(text);
        delete objectsIn(document)[index]![name];
        expect(
          codeOf(() => loadPolicy(JSON.stringify(document))),
          `without ${name}`,
        ).toBe('POLICY_INVALID');
      }
      const document = JSON.parse(text);
      objectsIn(document)[index]!.dangerouslyAllowAll = true;
      expect(codeOf(() => loadPolicy(JSON.stringify(document)))).toBe('POLICY_INVALID');
    }
  }
});

test('a policy cannot say what must not be said', () => {
  for (const changes of [
    { tdx: { tdAttributes: { debug: 'accept', septVeDisable: 'require', serviceTd: 'refuse', alsoAllowed: [] } } },
    { tdx: { tdAttributes: { debug: 'refuse', septVeDisable: 'ignore', serviceTd: 'refuse', alsoAllowed: [] } } },
    { tdx: { tdAttributes: { debug: 'refuse', septVeDisable: 'require', serviceTd: 'accept', alsoAllowed: [] } } },
    {
      tdx: { tdAttributes: { debug: 'refuse', septVeDisable: 'require', serviceTd: 'refuse', alsoAllowed: ['DEBUG'] } },
    },
    { tdx: { tcbStatuses: ['Revoked'] } },
    { tdx: { tcbStatuses: ['NotSupported'] } },
    { session: { leastMode: 0 } }, // without a beacon checked against the chain
    { session: { candidatesMax: 4 } },
    { version: 2 },
    { number: 0 },
    { gpu: 'maybe' },
    { environment: 'production' }, // it says that it accepts simulated vendors
    { models: ['AB'] },
  ]) {
    expect(
      codeOf(() => developmentWith(changes)),
      JSON.stringify(changes),
    ).toBe('POLICY_INVALID');
  }
  expect(developmentWith({ session: { leastMode: 0 }, freshness: { beaconBlock: 'required' } }).session.leastMode).toBe(
    0,
  );
});

test('duplicate names and loose JSON are refused', () => {
  expect(codeOf(() => loadPolicy(developmentText.replace('"version": 1,', '"version": 1, "version": 1,')))).toBe(
    'ENCODING_INVALID',
  );
  expect(codeOf(() => loadPolicy(`${developmentText}x`))).toBe('ENCODING_INVALID');
  expect(codeOf(() => loadPolicy('[]'))).toBe('POLICY_INVALID');
});

test('a digest is of the meaning, not of the white space, and changes with the policy', () => {
  expect(policyDigest(loadPolicy(JSON.stringify(JSON.parse(developmentText))))).toEqual(policyDigest(development));
  expect(toHex(policyDigest(developmentWith({ number: 2 })))).not.toBe(toHex(policyDigest(development)));
});

test('a loaded policy cannot be changed', () => {
  expect(() => (development.tdx.images as unknown[]).push({})).toThrow(TypeError);
});

test("no anchor but a vendor's pinned one goes with a production policy", () => {
  expect(trustUnder(production, [INTEL_SGX_ROOT]).trustAnchors).toEqual([INTEL_SGX_ROOT]);
  const { spkiSha256 } = intel.trustAnchor;
  for (const anchor of [
    intel.trustAnchor,
    { spkiSha256, kind: 'vendor', name: INTEL_SGX_ROOT.name } as const,
    { spkiSha256, kind: 'caller', name: 'given on the command line' } as const,
    { ...INTEL_SGX_ROOT, kind: 'caller' } as const,
  ]) {
    expect(codeOf(() => trustUnder(production, [anchor]))).toBe('CONFIG_INVALID');
    expect(codeOf(() => trustUnder(production, [INTEL_SGX_ROOT, anchor]))).toBe('CONFIG_INVALID');
  }
  expect(codeOf(() => trustUnder(production, []))).toBe('CONFIG_INVALID');
  expect(codeOf(() => trustUnder(developmentWith({ simulated: 'refuse' }), [intel.trustAnchor]))).toBe(
    'CONFIG_INVALID',
  );
  // @ts-expect-error a production policy beside a simulated anchor does not compile
  const mixed: import('../../../src/attestation/index.ts').Trust = {
    policy: production as import('../../../src/attestation/index.ts').ProductionPolicy,
    trustAnchors: [intel.trustAnchor],
  };
  expect(mixed.policy.environment).toBe('production');
});

test('the schema beside the policies is the one that the code has', () => {
  const file = new URL('../../../attestation-policies/policy.schema.json', import.meta.url);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())));
});
