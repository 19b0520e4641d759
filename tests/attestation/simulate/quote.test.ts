import { expect, test } from 'vitest';
import { sha384 } from '#crypto';
import { parseTdxQuote } from '../../../src/attestation/index.ts';
import {
  createSimulatedIntel,
  openSimulatedIntel,
  openSimulatedTdxMachine,
  type SimulatedIntelState,
} from '../../../src/attestation/simulate/index.ts';
import { concat, toHex, utf8 } from '../../../src/core/index.ts';

const state = createSimulatedIntel((length) => new Uint8Array(length).fill(7));
const intel = openSimulatedIntel(state);

test('a version 4 quote has the offsets of the specification, and no trailing bytes', () => {
  const machine = intel.machine({ name: 'alder' });
  const quote = machine.quote({ reportData: new Uint8Array(64).fill(9) });
  const parsed = parseTdxQuote(quote);
  expect(parsed.version).toBe(4);
  expect(parsed.trailingBytes).toBe(0);
  expect(toHex(parsed.report.reportData)).toBe('09'.repeat(64));
  expect(toHex(parsed.report.mrTd)).toBe(machine.image.mrTd);
  expect(new TextDecoder().decode(quote.subarray(1258, 1258 + 27))).toBe('-----BEGIN CERTIFICATE-----');
  expect(parsed.qeReport.isvProdId).toBe(2);
});

test('a version 5 quote carries a TD 1.5 body', () => {
  const quote = intel.machine({ name: 'alder' }).quote({ reportData: new Uint8Array(64), version: 5 });
  const parsed = parseTdxQuote(quote);
  expect([parsed.version, parsed.bodyType]).toEqual([5, 3]);
  expect(parsed.report.teeTcbSvn2).toEqual(parsed.report.teeTcbSvn);
  expect(new TextDecoder().decode(quote.subarray(1328, 1328 + 27))).toBe('-----BEGIN CERTIFICATE-----');
});

test('RTMR3 extends as the TDX module does, and stands in the next quote', () => {
  const machine = intel.machine({ name: 'alder' });
  machine.extendRtmr3(utf8('one'));
  machine.extendRtmr3(utf8('two'));
  const one = sha384(concat(new Uint8Array(48), sha384(utf8('one'))));
  const two = sha384(concat(one, sha384(utf8('two'))));
  expect(parseTdxQuote(machine.quote({ reportData: new Uint8Array(64) })).report.rtmr3).toEqual(two);
});

test('a state survives JSON, another process is the same vendor, and the same name is the same machine', () => {
  const again = openSimulatedIntel(JSON.parse(JSON.stringify(state)) as SimulatedIntelState);
  expect(again.rootSpkiSha256).toEqual(intel.rootSpkiSha256);
  expect(again.machine({ name: 'alder' }).ppid).toEqual(intel.machine({ name: 'alder' }).ppid);
  expect(again.machine({ name: 'birch' }).ppid).not.toEqual(intel.machine({ name: 'alder' }).ppid);
});

test("a machine's state holds no key of the vendor, and still quotes", () => {
  const machine = intel.machineState('alder');
  const text = JSON.stringify(machine);
  expect(text).not.toContain(state.seed);
  const opened = openSimulatedTdxMachine(JSON.parse(text));
  expect(parseTdxQuote(opened.quote({ reportData: new Uint8Array(64) })).trailingBytes).toBe(0);
});
