import { describe, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import { encodeTcb, SNP_LINE_NAMES, type SnpLine } from '../../../src/attestation/index.ts';
import { endorsementKey } from '../../../src/attestation/simulate/amd/machine.ts';
import { amdInteger, SIMULATED_CSP_ID } from '../../../src/attestation/simulate/index.ts';
import { concat, fromHex, toHex } from '../../../src/core/index.ts';
import { sharedAmd as amd } from '../simulate/shared-amd.ts';

import {
  type Case,
  DAY,
  fields,
  fill,
  judge,
  more,
  NOW,
  put,
  type Row,
  reportData,
  SIGNED,
  set,
  table,
  turin,
  vlek,
} from './snp-cases.ts';

table('bytes of the report', [
  ['as it is', {}, 'verified'],
  ['a byte after it', { after: (report) => concat(report, fill(0, 1)) }, 'EVIDENCE_TRAILING_BYTES'],
  ['a byte less', { after: (report) => report.slice(0, -1) }, 'EVIDENCE_TRUNCATED'],
  ['version 0', put(0, 0), 'EVIDENCE_UNSUPPORTED'],
  ['version 1', put(0, 1), 'EVIDENCE_UNSUPPORTED'],
  ['version 6', put(0, 6), 'EVIDENCE_UNSUPPORTED'],
  ['version 0x01000005', put(3, 1), 'EVIDENCE_UNSUPPORTED'],
  ['no signature algorithm', put(0x34, 0), 'EVIDENCE_UNSUPPORTED'],
  ['another signature algorithm', put(0x34, 2), 'EVIDENCE_UNSUPPORTED'],
  ...[2, 3, 4, 5, 6].map((key): Row => [`reserved signing key ${key}`, put(0x48, key << 2), 'EVIDENCE_UNSUPPORTED']),
  ['signing key NONE', put(0x48, 7 << 2), 'EVIDENCE_UNSIGNED'],
  ['a masked signing key', put(0x48, 2), 'EVIDENCE_UNSIGNED'],
  ['zeros for a signature', { report: { signedBy: 'none' } }, 'reportSignature'],
  ...[5, 6, 8, 15, 16, 31].map(
    (bit): Row => [`bit ${bit} of SIGNER_INFO`, put(0x48 + (bit >>> 3), 1 << (bit & 7)), 'EVIDENCE_MALFORMED'],
  ),
  ...[0x4c, 0x4f, 0x18b, 0x19f, 0x1eb, 0x1ef, 0x208, 0x29f].map(
    (at): Row => [`reserved byte 0x${at.toString(16)}`, put(at, 1), 'EVIDENCE_MALFORMED'],
  ),
  ...[0x188, 0x19f, 0x1f8, 0x207, 0x29f].map(
    (at): Row => [
      `reserved byte 0x${at.toString(16)} of version 2`,
      { report: { version: 2, ...put(at, 1).report } },
      'EVIDENCE_MALFORMED',
    ],
  ),
  [
    'a byte of version 3 that version 5 has a meaning for',
    { report: { version: 3, ...put(0x1f8, 1).report } },
    'EVIDENCE_MALFORMED',
  ],
  ['bytes of version 4 that were never published', { report: { version: 4, ...put(0x1f8, 1, 2).report } }, 'verified'],
  ['a byte above R', set(SIGNED + 48, 1), 'EVIDENCE_MALFORMED'],
  ['a byte at the end of the slot of R', set(SIGNED + 71, 1), 'EVIDENCE_MALFORMED'],
  ['a byte above S', set(SIGNED + 72 + 48, 1), 'EVIDENCE_MALFORMED'],
  ['a byte after S', set(SIGNED + 144, 1), 'EVIDENCE_MALFORMED'],
  ['the last byte', set(1183, 1), 'EVIDENCE_MALFORMED'],
]);

const ORDER = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
const little = (value: bigint) => fromHex(value.toString(16).padStart(96, '0')).reverse();
const slot = (at: number, value: bigint): Pick<Case, 'after'> => set(at, ...little(value));
const [R, S] = [SIGNED, SIGNED + 72];

/** The key of the very machine, to sign in ways that the machine does not. */
function signedOtherwise(sign: (key: ReturnType<typeof endorsementKey>, body: Uint8Array) => Uint8Array) {
  const state = amd.machineState({ name: 'birch', line: 'Genoa' });
  const key = endorsementKey(fromHex(state.chipSecret), 'VCEK', 'Genoa', state.tcb);
  return {
    after: (report: Uint8Array) => {
      const raw = sign(key, report.slice(0, SIGNED));
      report.set(raw.slice(0, 48).reverse(), R);
      report.set(raw.slice(48).reverse(), S);
      return report;
    },
  };
}

/** r ‖ s of a DER signature. */
function rawOf(der: Uint8Array): Uint8Array {
  const integer = (at: number) => der.slice(at + 2, at + 2 + (der[at + 1] as number));
  const padded = (value: Uint8Array) => concat(new Uint8Array(48), value).slice(-48);
  const r = integer(2);
  return concat(padded(r), padded(integer(4 + r.length)));
}

table('signature', [
  ['R is zero', slot(R, 0n), 'reportSignature'],
  ['S is zero', slot(S, 0n), 'reportSignature'],
  ['R is the order', slot(R, ORDER), 'reportSignature'],
  ['S is the order', slot(S, ORDER), 'reportSignature'],
  [
    'R is one more',
    { after: (report) => set(R, ...little((valueAt(report, R) + 1n) % ORDER)).after!(report) },
    'reportSignature',
  ],
  [
    'the other S of two, which is as valid',
    { after: (report) => set(S, ...little(ORDER - valueAt(report, S))).after!(report) },
    'verified',
  ],
  ['signed by another chip', { report: { signedBy: 'stranger' } }, 'reportSignature'],
  ['signed anew by its own key', signedOtherwise((key, body) => key.signRaw(body)), 'verified'],
  ['signed over SHA-256', signedOtherwise((key, body) => rawOf(key.signDer(body, 'sha256'))), 'reportSignature'],
  ['signed over the digest of the body', signedOtherwise((key, body) => key.signRaw(sha384(body))), 'reportSignature'],
  ['signed over one byte less', signedOtherwise((key, body) => key.signRaw(body.slice(0, -1))), 'reportSignature'],
  [
    'R and S big-endian',
    {
      after: (report) =>
        set(S, ...report.slice(S, S + 48).reverse()).after!(
          set(R, ...report.slice(R, R + 48).reverse()).after!(report),
        ),
    },
    'reportSignature',
  ],
  ['a leaf with another key', { defects: { strangeLeafKey: true } }, 'reportSignature'],
]);

function valueAt(report: Uint8Array, at: number): bigint {
  return BigInt(`0x${toHex(report.slice(at, at + 48).reverse())}`);
}

const policyBits = (bits: bigint) => fields({ policy: bits });
table('bits', [
  ...Array.from(
    { length: 38 },
    (_, index): Row => [
      `reserved policy bit ${26 + index}`,
      policyBits(0x30000n | (1n << BigInt(26 + index))),
      'reservedBits',
    ],
  ),
  ['policy bit 17 clear', policyBits(0x10000n), 'reservedBits'],
  ['debug, a fact for the policy', policyBits(0xb0000n), 'verified'],
  ['a migration agent, a fact for the policy', policyBits(0x70000n), 'verified'],
  ['every known policy bit', policyBits(0x3ff0000n), 'verified'],
  ['every platform bit, known or not', fields({ platformInfo: 2n ** 64n - 1n }), 'verified'],
  ['no platform bit', fields({ platformInfo: 0n }), 'verified'],
  ['an author digest without an author key', fields({ authorKeyDigest: fill(1, 48) }), 'reservedBits'],
  ['an author digest with its key', fields({ authorKeyDigest: fill(1, 48), authorKeyEnabled: true }), 'verified'],
  ['VMPL 3', { report: { vmpl: 3 } }, 'verified'],
  ['VMPL 4', { report: { vmpl: 4 } }, 'requestedByGuest'],
  ['asked for by the host', { report: { vmpl: 0xffff_ffff } }, 'requestedByGuest'],
  ['mitigation vectors full', fields({ mitigations: { launch: 2n ** 64n - 1n, current: 2n ** 64n - 1n } }), 'verified'],
]);

const cpu = (family: number, model: number) => fields({ cpuid: { family, model, stepping: 0 } });
const WHERE = { Milan: [0x19, 0x00, 0x0f], Genoa: [0x19, 0x10, 0x1f], Turin: [0x1a, 0x00, 0x11] } as const;
table('product line', [
  ...SNP_LINE_NAMES.flatMap((line): Row[] => {
    const [family, first, last] = WHERE[line];
    return [first, last].map((model) => [
      `${line}, model ${model}`,
      { host: { line }, ...cpu(family, model) },
      'verified',
    ]);
  }),
  ['Bergamo and Siena, first', cpu(0x19, 0xa0), 'verified'],
  ['Bergamo and Siena, last', cpu(0x19, 0xaf), 'verified'],
  ['a model after them', cpu(0x19, 0xb0), 'productLine'],
  ['a model before them', cpu(0x19, 0x9f), 'productLine'],
  ['a model after Turin', { ...turin, ...cpu(0x1a, 0x12) }, 'productLine'],
  ['the next line, Venice', { ...turin, ...cpu(0x1a, 0x50) }, 'productLine'],
  ['another family with the same model', cpu(0x17, 0x11), 'productLine'],
  ['CPUID of Milan below the chain of Genoa', cpu(0x19, 0x01), 'productLine'],
  ['the CAs of another line', { defects: { authoritiesOf: 'Milan' } }, 'productLine arkCrl leafOfProductLine'],
  ['version 2, no line said', { report: { version: 2 } }, 'verified'],
  ['version 2 of Turin, no line said', { ...turin, report: { version: 2 } }, 'verified'],
  [
    'version 2, the line stated',
    { report: { version: 2 }, collateral: (good) => ({ ...good, line: 'Genoa' }) },
    'verified',
  ],
  [
    'version 2, another line stated',
    { report: { version: 2 }, collateral: (good) => ({ ...good, line: 'Milan' }) },
    'productLine',
  ],
  ['a line that is not accepted', { options: { allowedLines: ['Milan', 'Turin'] } }, 'productLine'],
  ['no line is accepted', { options: { allowedLines: [] } }, 'productLine'],
  [
    'version 2 of a line that is not accepted',
    { report: { version: 2 }, options: { allowedLines: ['Milan'] } },
    'productLine',
  ],
  ['a leaf of another product', { defects: { leaf: { productName: 'Milan' } } }, 'leafOfProductLine'],
  ['a leaf with a stepping', { defects: { leaf: { productName: 'Genoa-B1' } } }, 'verified'],
  [
    'a leaf with a product that only begins alike',
    { defects: { leaf: { productName: 'GenoaX' } } },
    'leafOfProductLine',
  ],
  ['a leaf with the structure of Turin', { defects: { leaf: { structVersion: 1 } } }, 'leafOfProductLine'],
  [
    'a leaf of Turin with the old structure',
    { ...turin, defects: { leaf: { structVersion: 0 } } },
    'leafOfProductLine',
  ],
]);

const GOOD = {
  Genoa: { bootloader: 10, tee: 0, snp: 27, microcode: 88 },
  Turin: { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 },
} as const;
const levels = (line: 'Genoa' | 'Turin', changes: object = {}) => encodeTcb({ ...GOOD[line], ...changes }, line);
const reservedByte = (field: string, at: number, line: 'Genoa' | 'Turin'): Case => {
  const raw = levels(line);
  raw[at] = 1;
  return { host: { line }, ...fields({ [field]: raw }) };
};
const FLOOR = { Genoa: { tcb: { bootloader: 9, snp: 23 }, date: '2026-11-01' } };
const floor: Pick<Case, 'options'> = { options: { tcbMinimum: FLOOR } };

table('TCB', [
  ...(['bootloader', 'tee', 'snp', 'microcode'] as const).flatMap((part): Row[] => [
    [
      `the leaf one lower in ${part}`,
      {
        host: { tcb: { tee: 1 } },
        defects: { leaf: { tcb: { ...GOOD.Genoa, tee: 1, [part]: { ...GOOD.Genoa, tee: 1 }[part] - 1 } } },
      },
      'tcbMatchesLeaf',
    ],
    [
      `the leaf one higher in ${part}`,
      { defects: { leaf: { tcb: { ...GOOD.Genoa, [part]: GOOD.Genoa[part] + 1 } } } },
      'tcbMatchesLeaf',
    ],
    [
      `CURRENT_TCB higher in ${part}`,
      fields({ currentTcb: levels('Genoa', { [part]: GOOD.Genoa[part] + 1 }) }),
      'verified',
    ],
    [
      `COMMITTED_TCB higher in ${part}`,
      fields({ committedTcb: levels('Genoa', { [part]: GOOD.Genoa[part] + 1 }) }),
      'tcbOrder',
    ],
  ]),
  [
    'the leaf of Turin for another FMC',
    { ...turin, defects: { leaf: { tcb: { ...GOOD.Turin, fmc: 2 } } } },
    'tcbMatchesLeaf',
  ],
  ['the leaf of Turin without FMC', { ...turin, defects: { leaf: { tcb: GOOD.Genoa } } }, 'tcbMatchesLeaf'],
  ['the leaf of Genoa with an FMC', { defects: { leaf: { others: [amdInteger('3.9', 0)] } } }, 'tcbMatchesLeaf'],
  ['the leaf without microcode', { defects: { leaf: { tcb: { bootloader: 10, tee: 0, snp: 27 } } } }, 'tcbMatchesLeaf'],
  ['a level above 255', { defects: { leaf: { tcb: { ...GOOD.Genoa, snp: 27 + 256 } } } }, 'chainToPinnedArk'],
  [
    'a reserved level that is set',
    { ...turin, defects: { leaf: { others: [amdInteger('3.4', 1)] } } },
    'chainToPinnedArk',
  ],
  [
    'REPORTED_TCB above CURRENT_TCB in one part',
    fields({ currentTcb: levels('Genoa', { snp: 26, microcode: 255 }) }),
    'tcbOrder',
  ],
  ['launched with more than it reports', fields({ launchTcb: levels('Genoa', { snp: 255 }) }), 'verified'],
  ...[2, 3, 4, 5].map(
    (at): Row => [`reserved byte ${at} of CURRENT_TCB`, reservedByte('currentTcb', at, 'Genoa'), 'tcbOrder'],
  ),
  ...[2, 5].map(
    (at): Row => [
      `reserved byte ${at} of REPORTED_TCB`,
      reservedByte('reportedTcb', at, 'Genoa'),
      'tcbMatchesLeaf tcbOrder',
    ],
  ),
  ...[4, 5, 6].map(
    (at): Row => [`reserved byte ${at} of LAUNCH_TCB of Turin`, reservedByte('launchTcb', at, 'Turin'), 'tcbOrder'],
  ),
  ['at the floor', { ...floor, host: { tcb: { bootloader: 9, snp: 23 } } }, 'verified'],
  ['reported below the floor', { ...floor, host: { tcb: { snp: 22 } } }, 'tcbMinimum'],
  [
    'launched below the floor',
    { ...floor, ...fields({ launchTcb: levels('Genoa', { bootloader: 8 }) }) },
    'tcbMinimum',
  ],
  ['committed below the floor', { ...floor, ...fields({ committedTcb: levels('Genoa', { snp: 22 }) }) }, 'tcbMinimum'],
  ['more of one part for less of another', { ...floor, host: { tcb: { bootloader: 255, snp: 22 } } }, 'tcbMinimum'],
  ['a floor of another line', { ...floor, ...turin }, 'verified'],
  [
    'a floor for a part that the line has not',
    { options: { tcbMinimum: { Genoa: { tcb: { fmc: 0 }, date: '2026-11-01' } } } },
    'tcbMinimum',
  ],
]);

const chipOf = (line: SnpLine, change: (chip: Uint8Array) => void = () => {}) => {
  const chip = amd.machine({ name: 'birch', line }).chipId.slice();
  change(chip);
  return chip;
};
const leafChip = (hwid: Uint8Array | null, more: object = {}): Pick<Case, 'defects'> => ({
  defects: { leaf: { hwid, ...more } },
});
const both = (chip: Uint8Array): Case => ({ ...fields({ chipId: Uint8Array.from(chip) }), ...leafChip(chip) });
const allowMasked: Pick<Case, 'options'> = { options: { dangerouslyAllowMaskedChipId: true } };

table('chip and provider', [
  ['no HWID', leafChip(null), 'chipIdMatchesLeaf'],
  ['the HWID of another chip', leafChip(fill(1, 64)), 'chipIdMatchesLeaf'],
  [
    'a HWID that differs in the last byte',
    leafChip(
      chipOf('Genoa', (chip) => {
        chip[63]! ^= 1;
      }),
    ),
    'chipIdMatchesLeaf',
  ],
  ['a HWID of 8 bytes, as of Turin', leafChip(chipOf('Genoa').slice(0, 8)), 'chipIdMatchesLeaf'],
  ['a HWID of 64 bytes for Turin', { ...turin, ...leafChip(chipOf('Turin')) }, 'chipIdMatchesLeaf'],
  ['a HWID of 63 bytes', leafChip(chipOf('Genoa').slice(0, 63)), 'chainToPinnedArk'],
  ['a HWID in an OCTET STRING', leafChip(chipOf('Genoa'), { wrappedHwid: true }), 'verified'],
  ['a HWID that begins like an OCTET STRING', both(chipOf('Genoa', (chip) => chip.set([4, 62]))), 'verified'],
  ['a HWID that begins like an INTEGER', both(chipOf('Genoa', (chip) => chip.set([2, 62]))), 'verified'],
  [
    'a CHIP_ID of Turin with more behind it',
    {
      ...turin,
      ...fields({
        chipId: Uint8Array.from(
          chipOf('Turin', (chip) => {
            chip[8] = 1;
          }),
        ),
      }),
    },
    'chipIdMatchesLeaf',
  ],
  ['a masked CHIP_ID', fields({ chipId: fill(0, 64) }), 'chipIdMatchesLeaf'],
  ['a masked CHIP_ID, allowed', { ...fields({ chipId: fill(0, 64) }), ...allowMasked }, 'verified'],
  [
    'another CHIP_ID where masked ones are allowed',
    { ...fields({ chipId: fill(1, 64) }), ...allowMasked },
    'chipIdMatchesLeaf',
  ],
  [
    'a VCEK without HWID where masked chips are allowed',
    { ...fields({ chipId: fill(0, 64) }), ...leafChip(null), ...allowMasked },
    'chipIdMatchesLeaf',
  ],
  ['a VCEK that names a provider', { defects: { leaf: { cspId: SIMULATED_CSP_ID } } }, 'chipIdMatchesLeaf'],
  ['a VLEK', vlek, 'verified'],
  ['a VLEK that names a chip', { ...vlek, ...leafChip(fill(1, 64)) }, 'chipIdMatchesLeaf'],
  ['a VLEK that names no provider', { ...vlek, defects: { leaf: { cspId: null } } }, 'chipIdMatchesLeaf'],
  ['a provider that is not text', { ...vlek, defects: { leaf: { cspId: 'CN=\u0001' } } }, 'chainToPinnedArk'],
  ['a provider on the list', { ...vlek, options: { cloudProviders: [SIMULATED_CSP_ID] } }, 'verified'],
  ['a provider that is not on the list', { ...vlek, options: { cloudProviders: ['CN=other'] } }, 'cloudProvider'],
  ['no provider is accepted', { ...vlek, options: { cloudProviders: [] } }, 'cloudProvider'],
]);

table('what the caller expects', [
  ['REPORT_DATA as expected', { options: { expectReportData: reportData } }, 'verified'],
  [
    'REPORT_DATA that differs at the end',
    { options: { expectReportData: concat(reportData.slice(1), fill(0, 1)) } },
    'expectedReportData',
  ],
  ['a prefix of REPORT_DATA', { options: { expectReportData: reportData.slice(0, 32) } }, 'USAGE_INVALID'],
  ['no bytes at all', { options: { expectReportData: new Uint8Array(0) } }, 'USAGE_INVALID'],
  ['an old report for a new nonce', { options: { expectReportData: fill(8, 64) } }, 'expectedReportData'],
  ['another measurement', { options: { expect: { measurement: fill(1, 48) } } }, 'expectedFields'],
  ['host data that the host chose otherwise', { options: { expect: { hostData: fill(1, 32) } } }, 'expectedFields'],
  ['another chip', { options: { expect: { chipId: fill(1, 64) } } }, 'expectedFields'],
  ['another ID key', { options: { expect: { idKeyDigest: fill(1, 48) } } }, 'expectedFields'],
  ['the chip that it is', { options: { expect: { chipId: chipOf('Genoa') } } }, 'verified'],
  ['a measurement of another length', { options: { expect: { measurement: fill(1, 32) } } }, 'USAGE_INVALID'],
]);

describe('a verdict says what it rests on', () => {
  test.each<[string, Case, object]>([
    ['a chip', {}, { boundTo: 'chip', revocation: 'checked', line: 'Genoa' }],
    ['a provider', vlek, { boundTo: 'provider', leaf: { cspId: SIMULATED_CSP_ID, hwid: null } }],
    ['the signature alone', { ...fields({ chipId: fill(0, 64) }), ...allowMasked }, { boundTo: 'signatureAlone' }],
    ['no list', { ...more({ missing: ['crl'] }), options: { revocation: 'prefer' } }, { revocation: 'notChecked' }],
    ['no floor', {}, { tcbs: { status: 'NoMinimumEnforced', minimumDate: null } }],
    ['a floor with its date', floor, { tcbs: { status: 'MeetsMinimum', minimumDate: '2026-11-01' } }],
    ['provisional firmware', fields({ committedTcb: levels('Genoa', { snp: 26 }) }), { tcbs: { provisional: true } }],
    ['the earliest end of all', {}, { validity: { earliestExpiry: NOW + 376 * DAY } }],
  ])('%s', async (_, given, expected) => {
    const verdict = await judge(given);
    expect(verdict).toMatchObject({ verdict: 'verified', report: expected });
  });
});
