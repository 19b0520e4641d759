import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import { parseEvaluationNumbers } from '../../src/attestation/collateral/evaluation-numbers.ts';
import { parsePckIdentity } from '../../src/attestation/endorsements/intel/pck.ts';
import {
  bootFactsOf,
  INTEL_COLLATERAL_FIELDS,
  loadIntelEndorsements,
  noIntelEndorsements,
  parseDstackLog,
  parseFirmwareLog,
  parseIntelCollateral,
  parseTdQeIdentity,
  parseTdxQuote,
  parseTdxTcbInfo,
  replayRtmrs,
  VerificationCache,
  verifyEventLog,
  verifyIntelChain,
  verifyTdxQuote,
} from '../../src/attestation/index.ts';
import { createSimulatedIntel, openSimulatedIntel } from '../../src/attestation/simulate/index.ts';
import {
  concat,
  equalBytes,
  fromHex,
  parseCertificate,
  parseCrl,
  parsePem,
  parseStrictJson,
  toHex,
  utf8,
} from '../../src/core/index.ts';
import {
  encodeCertificate,
  encodeDstackLog,
  encodeFirmwareEvents,
  encodeTdxQuote,
  little,
  rewriteDer,
} from './encode.ts';
import { answerOf, hostileBytes, hostileText } from './hostile.ts';
import { collateral, collateralOf, corpus, evaluations, fileOf, quoteOf, tdxVectors } from './tdx-corpus.ts';

// Every parser between hostile bytes and a TDX verdict: an answer or a code, in time; and what it takes, it can give back.
const NOW = 1_780_000_000;
const RUNS = { numRuns: Number(process.env.CHRYSALIS_FUZZ_RUNS ?? 400) };
const intel = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(31)));
const anchors = [intel.trustAnchor];
const machine = intel.machine({ name: 'alder' });
const reportData = new Uint8Array(64).fill(3);
const quotes = [
  machine.quote({ reportData }),
  machine.quote({ reportData, version: 5 }),
  machine.quote({ reportData, version: 5, bodyType: 4 }),
];
const good = intel.collateral(NOW, { revokedMachines: ['birch', 'cedar'], revokedAuthorities: ['tcbSigning'] });
const chain = new TextDecoder().decode(parseTdxQuote(quotes[0] as Uint8Array).certificationData);
const certificates = parsePem(chain, 'CERTIFICATE', 8);
const lists = [fromHex(good.root_ca_crl), fromHex(good.pck_crl)];

const header = (() => {
  const body = concat(
    utf8('Spec ID Event03\0'),
    new Uint8Array(4),
    Uint8Array.of(0, 2, 0, 2),
    little(1, 4),
    little(12, 2),
  );
  const whole = concat(body, little(48, 2), little(0, 1));
  return concat(little(0, 4), little(3, 4), new Uint8Array(20), little(whole.length, 4), whole);
})();
const event = (index: number, type: number, data: Uint8Array, hashed = data) => {
  const digest = concat(little(1, 4), little(12, 2), sha384(hashed));
  return concat(little(index, 4), little(type, 4), digest, little(data.length, 4), data);
};
const firmwareLog = concat(
  header,
  event(1, 0x80000001, utf8('a variable')),
  event(1, 4, new Uint8Array(4)),
  event(2, 0x80000007, utf8('Exit Boot Services Invocation')),
  event(3, 0xd, utf8('kernel_cmdline: root=/dev/vda\0'), utf8('root=/dev/vda')),
);
const dstackLog = JSON.stringify(
  ['app-id', 'compose-hash', 'system-ready'].map((name) => ({
    imr: 3,
    event_type: 134217729,
    digest: toHex(sha384(concat(fromHex('010000083a'), utf8(`${name}:payload`)))),
    event: name,
    event_payload: toHex(utf8('payload')),
  })),
);
const evaluationNumbers = JSON.stringify({
  id: 'TDX',
  version: 1,
  issueDate: '2026-03-01T00:00:00Z',
  nextUpdate: '2026-04-01T00:00:00Z',
  tcbEvalNumbers: [
    { tcbEvaluationDataNumber: 20, tcbRecoveryEventDate: '2026-02-10T00:00:00Z', tcbDate: '2026-02-11T00:00:00Z' },
  ],
});

describe('bytes', () => {
  const PARSERS: [name: string, good: Uint8Array, parse: (bytes: Uint8Array) => unknown][] = [
    ...quotes.map((quote, at): [string, Uint8Array, typeof parseTdxQuote] => [`quote ${at}`, quote, parseTdxQuote]),
    ...certificates.map((one, at): [string, Uint8Array, (bytes: Uint8Array) => unknown] => [
      `certificate ${at}, with what it says of a platform`,
      one,
      (bytes) => parsePckIdentity(parseCertificate(bytes), true),
    ]),
    ...lists.map((list, at): [string, Uint8Array, typeof parseCrl] => [`revocation list ${at}`, list, parseCrl]),
    ['firmware log', firmwareLog, parseFirmwareLog],
    ["dstack's log", utf8(dstackLog), parseDstackLog],
  ];
  test.each(PARSERS)('%s', (_, start, parse) => {
    fc.assert(
      fc.property(hostileBytes(start), (bytes) => {
        const { code } = answerOf(() => parse(bytes));
        expect(code ?? 'EVIDENCE_FINE').toMatch(/^(EVIDENCE|CERTIFICATE|CRL|ENCODING)_[A-Z_]+$/);
      }),
      RUNS,
    );
  });
});

describe('text', () => {
  const PARSERS: [name: string, good: string, parse: (text: string) => unknown][] = [
    ['TCB info', good.tcb_info, parseTdxTcbInfo],
    ['QE identity', good.qe_identity, parseTdQeIdentity],
    ['evaluation numbers', evaluationNumbers, (text) => parseEvaluationNumbers(parseStrictJson(text))],
    ['a set of collateral', JSON.stringify(good), parseIntelCollateral],
    ['a chain', chain, (text) => parsePem(text, 'CERTIFICATE', 8).map((der) => parseCertificate(der))],
  ];
  test.each(PARSERS)('%s', (_, start, parse) => {
    fc.assert(
      fc.property(hostileText(start), (text) => {
        const { code } = answerOf(() => parse(text));
        expect(code ?? 'ENCODING_FINE').toMatch(/^(ENDORSEMENT|ENCODING|CERTIFICATE|EVIDENCE)_[A-Z_]+$/);
      }),
      RUNS,
    );
  });
});

describe('what was edited is never taken for signed', () => {
  const cache = new VerificationCache();

  test('collateral', async () => {
    const whole = await loadIntelEndorsements(good, anchors, cache);
    expect([whole.tcbInfo.state, whole.qeIdentity.state, whole.pckCrlIssuer.state]).toEqual(['ok', 'ok', 'ok']);
    const field = fc.constantFrom(...INTEL_COLLATERAL_FIELDS.filter((name) => name !== 'pck_certificate_chain'));
    const edited = field.chain((name) => hostileText(good[name]).map((text) => ({ name, text })));
    await fc.assert(
      fc.asyncProperty(edited, async ({ name, text }) => {
        const loaded = await loadIntelEndorsements({ ...good, [name]: text }, anchors, cache);
        const { verdict, checks } = await verifyTdxQuote(parseTdxQuote(quotes[0] as Uint8Array), loaded, anchors, NOW);
        // Revoked as it stands: its signer is on the list. No edit may take that away but by refusing something else.
        expect(verdict).not.toBe('verified');
        const failed = Object.values(checks).some(({ outcome }) => outcome === 'failed');
        expect(failed).toBe(verdict === 'refused');
      }),
      RUNS,
    );
  });

  test('chains', async () => {
    await fc.assert(
      fc.asyncProperty(hostileText(chain), async (text) => {
        const { state } = await verifyIntelChain(text, 'pckLeaf', anchors, cache);
        if (state !== 'ok') return;
        // Only the fill that PEM allows for may differ: line ends and blank lines between blocks, and zeros at the end.
        const bare = (pem: string) => pem.replace(/[\r\n\0]/g, '');
        expect(bare(text)).toBe(bare(chain));
      }),
      RUNS,
    );
  });

  test('quotes', async () => {
    const none = noIntelEndorsements(cache);
    const start = quotes[1] as Uint8Array;
    await fc.assert(
      fc.asyncProperty(hostileBytes(start), async (bytes) => {
        const parsed = answerOf(() => parseTdxQuote(bytes));
        if (parsed.value === null) return;
        const { verdict } = await verifyTdxQuote(parsed.value, none, anchors, NOW, { require: ['signature'] });
        if (verdict !== 'verified') return;
        expect(equalBytes(parsed.value.signedBytes, start.subarray(0, parsed.value.signedBytes.length))).toBe(true);
      }),
      RUNS,
    );
  });

  test('event logs: what still leads to the registers claims no more than before', () => {
    const parsed = parseFirmwareLog(firmwareLog);
    const rtmrs = replayRtmrs(parsed.events);
    const texts = bootFactsOf(parsed.events).texts.map(({ text }) => text);
    expect(texts).toContain('root=/dev/vda');
    fc.assert(
      fc.property(hostileBytes(firmwareLog), (bytes) => {
        const { value: log } = answerOf(() => parseFirmwareLog(bytes));
        if (log === null) return;
        const verdict = verifyEventLog(log, rtmrs);
        if (verdict.verdict === 'verified') for (const { text } of verdict.facts.texts) expect(texts).toContain(text);
      }),
      RUNS,
    );
  });
});

describe('parsed and written again', () => {
  const realQuotes = tdxVectors.map((vector): [string, Uint8Array] => [
    vector.id,
    fileOf(vector).subarray(0, vector.signedAndAuthLength),
  ]);
  const simulated = quotes.map((quote, at): [string, Uint8Array] => [`simulated ${at}`, quote]);

  test.each([...simulated, ...realQuotes])('quote %s', (_, bytes) => {
    expect(toHex(encodeTdxQuote(parseTdxQuote(bytes)))).toBe(toHex(bytes));
  });

  test('whatever quote is taken, however edited', () => {
    fc.assert(
      fc.property(fc.constantFrom(...quotes).chain(hostileBytes), (bytes) => {
        const { value } = answerOf(() => parseTdxQuote(bytes));
        if (value === null) return;
        expect(equalBytes(encodeTdxQuote(value), bytes.subarray(0, bytes.length - value.trailingBytes))).toBe(true);
      }),
      RUNS,
    );
  });

  const realChains = corpus === null ? [] : tdxVectors.filter(({ expected }) => expected.verdict === 'valid');
  const allCertificates = new Map<string, Uint8Array>();
  for (const pem of [
    chain,
    ...realChains.map((vector) => new TextDecoder().decode(quoteOf(vector).certificationData)),
  ]) {
    for (const der of parsePem(pem, 'CERTIFICATE', 8)) allCertificates.set(toHex(der), der);
  }
  const allLists = [...lists];
  for (const { file } of collateral) {
    const { root_ca_crl, pck_crl } = collateralOf(file);
    for (const list of [root_ca_crl, pck_crl]) if (list !== undefined) allLists.push(fromHex(list));
  }

  test('certificates, from their fields', () => {
    for (const der of allCertificates.values()) {
      expect(toHex(encodeCertificate(parseCertificate(der)))).toBe(toHex(der));
    }
    expect(allCertificates.size).toBeGreaterThan(corpus === null ? 2 : 20);
  });

  test('whatever certificate is taken, however edited', () => {
    fc.assert(
      fc.property(fc.constantFrom(...certificates).chain(hostileBytes), (der) => {
        const { value } = answerOf(() => parseCertificate(der));
        if (value !== null) expect(equalBytes(encodeCertificate(value), der)).toBe(true);
      }),
      RUNS,
    );
  });

  test('revocation lists, element by element', () => {
    for (const list of allLists) {
      parseCrl(list);
      expect(toHex(rewriteDer(list))).toBe(toHex(list));
    }
    fc.assert(
      fc.property(fc.constantFrom(...lists).chain(hostileBytes), (der) => {
        if (answerOf(() => parseCrl(der)).value !== null) expect(equalBytes(rewriteDer(der), der)).toBe(true);
      }),
      RUNS,
    );
  });

  test('signed documents, as JSON', () => {
    const texts = [good.tcb_info, good.qe_identity];
    for (const { evaluation } of evaluations) {
      const { tcb_info, qe_identity } = collateralOf(evaluation.collateral);
      texts.push(tcb_info ?? '', qe_identity ?? '');
    }
    for (const text of new Set(texts)) expect(JSON.stringify(parseStrictJson(text))).toBe(text);
  });

  test('event logs', () => {
    const logs = [firmwareLog];
    for (const name of corpus === null ? [] : ['go-tdx-guest-ccel_data', 'dstack-ccel', 'trustee-CCEL_data_grub']) {
      logs.push(Uint8Array.from(readFileSync(join(corpus as string, 'eventlogs', `${name}.bin`))));
    }
    for (const bytes of logs) {
      const log = parseFirmwareLog(bytes);
      const events = encodeFirmwareEvents(log);
      expect(toHex(events)).toBe(toHex(bytes.subarray(log.bytesUsed - events.length, log.bytesUsed)));
    }
    expect(encodeDstackLog(parseDstackLog(utf8(dstackLog)))).toBe(dstackLog);
  });
});
