import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha384, sha512 } from '#crypto';
import {
  bootEvents,
  bundleReportData,
  type DeviceEvidence,
  deviceDigest,
  devicesEvent,
  type EvidenceBundle,
  encodeDevices,
  encodeEventLog,
  encodeEvidenceBundle,
  evidenceDigest,
  gpuNonce,
  gpuSetDigest,
  identityEvent,
  modelEvent,
  parseDevices,
  parseEventLog,
  parseEvidenceBundle,
  parseRuntimeEvent,
  RUNTIME_EVENTS_MAX,
  replayRtmr3,
  reportData,
} from '../../../src/attestation/index.ts';
import {
  CodedError,
  concat,
  encodeBeacon,
  encodeKeyset,
  encodeObject,
  keysetDigest,
  labelledDigest,
  lengthPrefixed,
  toHex,
  u8,
  utf8,
} from '../../../src/core/index.ts';

const bytes = (value: number, length: number) => new Uint8Array(length).fill(value);
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return 'no error';
};

const device = (fill: number, kind: 1 | 2 = 1): DeviceEvidence => ({
  kind,
  report: bytes(fill, 100),
  chain: [bytes(fill, 20), bytes(fill + 1, 30)],
});

const keyset = {
  identityKey: bytes(1, 32),
  receiptKey: bytes(2, 32),
  transportSpkiSha256: bytes(3, 32),
  versions: [1],
  suites: [0x647a, 0x0020],
  payee: { workchain: 0, account: bytes(4, 32) },
  notAfter: 1_795_000_000_000,
};
const bundle: EvidenceBundle = {
  tee: 'tdx',
  quote: bytes(5, 700),
  eventLog: {
    firmware: bytes(0, 0),
    runtimeEvents: bootEvents({
      keysetDigest: keysetDigest(keyset),
      deviceIds: [],
      verdict: 'none',
      modelDigest: bytes(9, 32),
    }),
  },
  keyset,
  nonceRoot: bytes(6, 32),
  beacon: {
    network: -3,
    seqno: 7,
    blockRootHash: bytes(7, 32),
    logOriginSha256: bytes(8, 32),
    logSize: 5n,
    logRoot: bytes(9, 32),
  },
  modelDigest: bytes(9, 32),
  epochKeyDigests: [bytes(10, 32), bytes(11, 32)],
  devices: [],
};

test('REPORT_DATA is the hash of AIS/1 section 3, item 3, spelled out', () => {
  const lp = (field: Uint8Array) => lengthPrefixed(field);
  const spelled = sha512(
    concat(
      lp(utf8('ais/1 report-data')),
      lp(utf8('tdx')),
      lp(keysetDigest(keyset)),
      lp(bundle.nonceRoot),
      lp(encodeBeacon(bundle.beacon)),
      lp(labelledDigest('gpu-set')),
      lp(bundle.modelDigest),
      lp(concat(bytes(10, 32), bytes(11, 32))),
    ),
  );
  expect(toHex(bundleReportData(bundle))).toBe(toHex(spelled));
});

test('REPORT_DATA changes with every input, and takes no digest of another length', () => {
  const inputs = {
    tee: 'tdx' as const,
    keysetDigest: bytes(1, 32),
    nonceRoot: bytes(2, 32),
    beacon: encodeBeacon(bundle.beacon),
    gpuSetDigest: gpuSetDigest([]),
    modelDigest: bytes(3, 32),
    epochKeyDigests: [bytes(4, 32)],
  };
  const variants = [
    inputs,
    { ...inputs, tee: 'sev-snp' as const },
    { ...inputs, keysetDigest: bytes(9, 32) },
    { ...inputs, nonceRoot: bytes(9, 32) },
    { ...inputs, beacon: bytes(9, 32) },
    { ...inputs, gpuSetDigest: bytes(9, 32) },
    { ...inputs, modelDigest: bytes(9, 32) },
    { ...inputs, epochKeyDigests: [bytes(9, 32)] },
    { ...inputs, epochKeyDigests: [bytes(4, 32), bytes(4, 32)] },
  ];
  expect(new Set(variants.map((v) => toHex(reportData(v)))).size).toBe(variants.length);
  expect(codeOf(() => reportData({ ...inputs, nonceRoot: bytes(2, 31) }))).toBe('INVARIANT_BROKEN');
});

test('the device set is the same in any order, and refuses twins', () => {
  const a = deviceDigest(device(1));
  const b = deviceDigest(device(3, 2));
  expect(gpuSetDigest([a, b])).toEqual(gpuSetDigest([b, a]));
  expect(gpuSetDigest([])).toEqual(labelledDigest('gpu-set'));
  expect(codeOf(() => gpuSetDigest([a, a]))).toBe('OBJECT_MALFORMED');
  expect(codeOf(() => gpuSetDigest([a.slice(1)]))).toBe('OBJECT_MALFORMED');
  const chain = concat(lengthPrefixed(bytes(1, 20)), lengthPrefixed(bytes(2, 30)));
  expect(a).toEqual(labelledDigest('device', u8(1), bytes(1, 100), chain));
  expect(gpuNonce(bytes(1, 32), bytes(2, 32), 8)).toEqual(
    labelledDigest('gpu-nonce', bytes(1, 32), bytes(2, 32), u8(8)),
  );
});

test('devices are read back in order of their digests; another order, an empty report or chain is malformed', () => {
  const field = encodeDevices([device(1), device(3), device(5, 2)]);
  const parsed = parseDevices(field);
  expect(encodeDevices([...parsed].reverse())).toEqual(field);
  const object = (d: DeviceEvidence) =>
    lengthPrefixed(encodeObject([u8(d.kind), d.report, concat(...d.chain.map(lengthPrefixed))]));
  const swapped = concat(...[...parsed].reverse().map(object));
  for (const bad of [
    swapped,
    concat(field, object(parsed[2]!)),
    object({ ...device(1), kind: 3 as 1 }),
    object({ ...device(1), report: bytes(0, 0) }),
    object({ ...device(1), chain: [] }),
    field.subarray(0, field.length - 1),
  ]) {
    expect(codeOf(() => parseDevices(bad))).toBe('OBJECT_MALFORMED');
  }
});

test('events have the preimages of AIS/1 section 3, item 4, and are read back', () => {
  expect(identityEvent(bytes(1, 32))).toEqual(
    concat(lengthPrefixed(utf8('ais/1 identity')), lengthPrefixed(bytes(1, 32))),
  );
  expect(modelEvent(bytes(1, 32))).toEqual(concat(lengthPrefixed(utf8('ais/1 model')), lengthPrefixed(bytes(1, 32))));
  const ids = [bytes(2, 8), bytes(1, 8)];
  expect(devicesEvent(ids, 'passed')).toEqual(
    concat(
      lengthPrefixed(utf8('ais/1 devices')),
      lengthPrefixed(concat(lengthPrefixed(bytes(1, 8)), lengthPrefixed(bytes(2, 8)))),
      lengthPrefixed(utf8('passed')),
    ),
  );
  expect(parseRuntimeEvent(identityEvent(bytes(1, 32)))).toEqual({ kind: 'identity', keysetDigest: bytes(1, 32) });
  expect(parseRuntimeEvent(modelEvent(bytes(1, 32)))).toEqual({ kind: 'model', modelDigest: bytes(1, 32) });
  expect(parseRuntimeEvent(devicesEvent(ids, 'passed'))).toEqual({
    kind: 'devices',
    deviceIds: [bytes(1, 8), bytes(2, 8)],
    verdict: 'passed',
  });
  for (const other of [utf8('anything'), bytes(0, 0), encodeObject([utf8('ais/1 other'), bytes(1, 32)])]) {
    expect(parseRuntimeEvent(other)).toEqual({ kind: 'unknown' });
  }
  // A byte order mark must not make a second spelling of a label.
  expect(parseRuntimeEvent(encodeObject([utf8('\ufeffais/1 identity'), bytes(1, 32)]))).toEqual({ kind: 'unknown' });
  for (const bad of [
    encodeObject([utf8('ais/1 identity'), bytes(1, 31)]),
    encodeObject([utf8('ais/1 identity'), bytes(1, 32), bytes(0, 0)]),
    encodeObject([utf8('ais/1 devices'), bytes(0, 0), utf8('passed')]),
    encodeObject([utf8('ais/1 devices'), lengthPrefixed(bytes(1, 4)), utf8('none')]),
    encodeObject([
      utf8('ais/1 devices'),
      concat(lengthPrefixed(bytes(2, 4)), lengthPrefixed(bytes(1, 4))),
      utf8('passed'),
    ]),
  ]) {
    expect(codeOf(() => parseRuntimeEvent(bad))).toBe('OBJECT_MALFORMED');
  }
});

test('RTMR3 replays event by event from zero', () => {
  expect(replayRtmr3([])).toEqual(bytes(0, 48));
  const one = sha384(concat(bytes(0, 48), sha384(utf8('a'))));
  expect(replayRtmr3([utf8('a'), utf8('b')])).toEqual(sha384(concat(one, sha384(utf8('b')))));
});

test('an event log is bounded and read back exactly', () => {
  const log = { firmware: utf8('ccel'), runtimeEvents: [utf8('a'), utf8('bc')] };
  expect(parseEventLog(encodeEventLog(log))).toEqual(log);
  const many = Array.from({ length: RUNTIME_EVENTS_MAX + 1 }, () => utf8('a'));
  expect(codeOf(() => encodeEventLog({ firmware: bytes(0, 0), runtimeEvents: many }))).toBe('OBJECT_MALFORMED');
  expect(codeOf(() => encodeEventLog({ firmware: bytes(0, 0), runtimeEvents: [bytes(0, 8193)] }))).toBe(
    'OBJECT_MALFORMED',
  );
  expect(codeOf(() => parseEventLog(bytes(0, 0)))).toBe('OBJECT_MALFORMED');
});

test('a bundle is read back; every proper prefix and a longer one are refused', () => {
  const encoded = encodeEvidenceBundle({ ...bundle, devices: [device(1)] });
  expect(encodeEvidenceBundle(parseEvidenceBundle(encoded))).toEqual(encoded);
  for (let length = 0; length < encoded.length; length++) {
    expect(codeOf(() => parseEvidenceBundle(encoded.subarray(0, length)))).toBe('OBJECT_MALFORMED');
  }
  expect(codeOf(() => parseEvidenceBundle(concat(encoded, bytes(0, 1))))).toBe('OBJECT_MALFORMED');
});

test('epoch keys must be as many as suites', () => {
  expect(codeOf(() => encodeEvidenceBundle({ ...bundle, epochKeyDigests: [bytes(1, 32)] }))).toBe('OBJECT_MALFORMED');
  expect(codeOf(() => encodeEvidenceBundle({ ...bundle, tee: 'sgx' as 'tdx' }))).toBe('OBJECT_MALFORMED');
});

test('there is one encoding of a bundle: whatever parses encodes back to itself, and ED tells all of them apart', () => {
  const encoded = encodeEvidenceBundle({ ...bundle, devices: [device(1)] });
  const digest = toHex(evidenceDigest(parseEvidenceBundle(encoded)));
  fc.assert(
    fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(encoded);
      changed[at] = (changed[at] as number) ^ flip;
      let parsed: EvidenceBundle;
      try {
        parsed = parseEvidenceBundle(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
        expect((error as CodedError).code).not.toBe('INVARIANT_BROKEN');
        return;
      }
      expect(encodeEvidenceBundle(parsed)).toEqual(changed);
      expect(toHex(evidenceDigest(parsed))).not.toBe(digest);
    }),
    { numRuns: 500 },
  );
});

test('ED takes devices by their digests, ascending', () => {
  const devices = [device(1), device(3)];
  const digests = devices.map(deviceDigest).sort((a, b) => (toHex(a) < toHex(b) ? -1 : 1));
  const withDevices = { ...bundle, devices };
  expect(evidenceDigest(withDevices)).toEqual(evidenceDigest({ ...bundle, devices: [...devices].reverse() }));
  expect(evidenceDigest(withDevices)).toEqual(
    labelledDigest(
      'evidence',
      utf8('tdx'),
      bundle.quote,
      encodeEventLog(bundle.eventLog),
      encodeKeyset(keyset),
      bundle.nonceRoot,
      encodeBeacon(bundle.beacon),
      bundle.modelDigest,
      concat(...bundle.epochKeyDigests),
      ...digests,
    ),
  );
});
