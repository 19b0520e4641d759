import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalize } from '../../../src/attestation/endorsements/nvidia/c14n.ts';
import { verifyRim } from '../../../src/attestation/endorsements/nvidia/index.ts';
import { parseXml } from '../../../src/attestation/endorsements/nvidia/xml.ts';
import {
  parseNrasAnswer,
  parseNvidiaReport,
  parseOpaqueData,
  readDeviceFields,
  VerificationCache,
} from '../../../src/attestation/index.ts';
import { SIMULATED_H100, SIMULATED_SWITCH } from '../../../src/attestation/simulate/index.ts';
import { CodedError, fromUtf8, parseOcspResponse, utf8 } from '../../../src/core/index.ts';
import { evidenceOf, gpu, NONCE, NOW, vendor } from './scene.ts';

const LIMIT_MS = 50;
const ATTEMPTS = 5;

/** A parser's answer to hostile input is a value or a coded refusal, in time; a slow machine gets several attempts. */
function survives(parse: () => unknown): void {
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && fastest > LIMIT_MS; attempt++) {
    const start = performance.now();
    try {
      parse();
    } catch (error) {
      if (!(error instanceof CodedError) || error.code === 'INVARIANT_BROKEN') throw error;
    }
    fastest = Math.min(fastest, performance.now() - start);
  }
  expect(fastest).toBeLessThan(LIMIT_MS);
}

/** Flips, cuts, repeats and inserts; `good` itself is among the answers, so that a parser that refuses all is noticed. */
function mutationsOf(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(good.length - 1);
  const flips = fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }).map((list) => {
    const bytes = Uint8Array.from(good);
    for (const [place, mask] of list) bytes[place] = (bytes[place] as number) ^ mask;
    return bytes;
  });
  const cut = at.map((end) => good.slice(0, end));
  const insert = fc
    .tuple(at, fc.uint8Array({ minLength: 1, maxLength: 200 }))
    .map(([place, more]) => Uint8Array.from([...good.subarray(0, place), ...more, ...good.subarray(place)]));
  const repeat = fc
    .tuple(at, fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 300 }))
    .map(([place, length, times]) => {
      const piece = good.subarray(place, place + length);
      const repeated = Array.from({ length: times }, () => [...piece]).flat();
      return Uint8Array.from([...good.subarray(0, place), ...repeated, ...good.subarray(place + piece.length)]);
    });
  return fc.oneof(flips, cut, insert, repeat, fc.uint8Array({ maxLength: 4096 }));
}

const runs = { numRuns: 1500 };
const gpuReport = gpu.report(NONCE, NONCE);
const opaque = evidenceOf(gpu).report.opaque;
const versioned = evidenceOf(gpu, { versioned: true }).report.opaque;
const switchOpaque = evidenceOf(vendor.device('fuzz', SIMULATED_SWITCH), { gpuPdis: ['00'.repeat(8)] }).report.opaque;
const manifest = vendor.manifest(SIMULATED_H100, 'driver');
const ocsp = vendor.ocspOf(gpu, NOW)[1] as Uint8Array;

describe('parsers of hostile bytes answer or refuse, in time', () => {
  test('SPDM', () => {
    expect(parseNvidiaReport(gpuReport).measurements).toHaveLength(64);
    fc.assert(
      fc.property(mutationsOf(gpuReport), (bytes) => survives(() => parseNvidiaReport(bytes))),
      runs,
    );
  });

  test.each([
    ['legacy opaque data of a GPU', opaque, 'gpu'],
    ['versioned opaque data of a GPU', versioned, 'gpu'],
    ['opaque data of a switch', switchOpaque, 'switch'],
  ] as const)('%s', (_, good, kind) => {
    expect(readDeviceFields(parseOpaqueData(good), kind)).toMatchObject({ kind });
    fc.assert(
      fc.property(mutationsOf(good), (bytes) => survives(() => readDeviceFields(parseOpaqueData(bytes), kind))),
      runs,
    );
  });

  test('OCSP', () => {
    expect(parseOcspResponse(ocsp).answers).toHaveLength(1);
    fc.assert(
      fc.property(mutationsOf(ocsp), (bytes) => survives(() => parseOcspResponse(bytes))),
      runs,
    );
  });

  test('XML, and canonical forms of what it takes', () => {
    expect(parseXml(fromUtf8(manifest)).local).toBe('SoftwareIdentity');
    const parse = (bytes: Uint8Array) => canonicalize(parseXml(new TextDecoder().decode(bytes)));
    fc.assert(
      fc.property(mutationsOf(manifest), (bytes) => survives(() => parse(bytes))),
      { numRuns: 800 },
    );
  });

  test('answers of the remote service', () => {
    const good = utf8('[["JWT","aaaa.bbbb.cccc"],{"GPU-0":"aaaa.bbbb.cccc","GPU-1":"dddd.eeee.ffff"}]');
    expect(parseNrasAnswer(fromUtf8(good)).devices.size).toBe(2);
    const parse = (bytes: Uint8Array) => parseNrasAnswer(new TextDecoder().decode(bytes));
    fc.assert(
      fc.property(mutationsOf(good), (bytes) => survives(() => parse(bytes))),
      runs,
    );
  });
});

describe('XML made to be slow', () => {
  const root = (inside: string) => `<a xmlns="urn:a">${inside}</a>`;
  test.each([
    ['deep nesting', '<a>'.repeat(100_000)],
    ['many attributes', root(`<b ${Array.from({ length: 20_000 }, (_, i) => `c${i}=""`).join(' ')}></b>`)],
    ['many namespaces', root(`<b ${Array.from({ length: 20_000 }, (_, i) => `xmlns:c${i}="urn:c"`).join(' ')}></b>`)],
    ['many elements', root('<b></b>'.repeat(36_000))],
    ['a long name', `<${'a'.repeat(250_000)}`],
    ['entities', root('&amp;'.repeat(50_000))],
    ['ampersands', root('&'.repeat(200_000))],
    ['white space', root(' '.repeat(250_000))],
    ['an unclosed value', `<a b="${'x'.repeat(250_000)}`],
    ['tags that never end', '<a '.repeat(80_000)],
  ])('%s', (_, text) => {
    survives(() => canonicalize(parseXml(text)));
  });
});

test('a manifest with any one byte changed is never taken for signed', async () => {
  const changes = fc.tuple(fc.nat(manifest.length - 1), fc.integer({ min: 1, max: 255 }));
  const original = canonicalize(parseXml(fromUtf8(manifest)));
  await fc.assert(
    fc.asyncProperty(changes, async ([at, mask]) => {
      const bytes = Uint8Array.from(manifest);
      bytes[at] = (bytes[at] as number) ^ mask;
      const judged = await verifyRim(bytes, [vendor.rimAnchor], new VerificationCache());
      // White space between elements of the signature and within tags is not part of what is signed.
      if (judged.state === 'ok') expect(canonicalize(parseXml(fromUtf8(bytes)))).toBe(original);
    }),
    { numRuns: 300 },
  );
});
