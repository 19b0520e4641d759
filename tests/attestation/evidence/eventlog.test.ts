import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import {
  bootFactsOf,
  EVENT_TYPE,
  FIRMWARE_LOG_BYTES_MAX,
  parseMeasurementLog,
  replayRtmrs,
  SHA384_ID,
  verifyEventLog,
} from '../../../src/attestation/index.ts';
import { painter } from '../../../src/cli/output.ts';
import { createVerifier } from '../../../src/cli/verify/answer.ts';
import { formatResponse } from '../../../src/cli/verify/print.ts';
import { CodedError, concat, fromHex, toBase64, toHex, utf8 } from '../../../src/core/index.ts';

type Entry = { index: number; type: number; data: Uint8Array; hashed?: Uint8Array; algorithm?: number };

function little(value: number | bigint, width: 1 | 2 | 4 | 8): Uint8Array {
  const out = new Uint8Array(width);
  for (let i = 0, rest = BigInt(value); i < width; i++, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

function header(algorithms: readonly [number, number][] = [[SHA384_ID, 48]]): Uint8Array {
  const declared = algorithms.map(([id, size]) => concat(little(id, 2), little(size, 2)));
  const fixed = concat(utf8('Spec ID Event03\0'), new Uint8Array(4), Uint8Array.of(0, 2, 0, 2));
  const body = concat(fixed, little(algorithms.length, 4), ...declared, little(0, 1));
  return concat(little(0, 4), little(EVENT_TYPE.NO_ACTION, 4), new Uint8Array(20), little(body.length, 4), body);
}

function entry({ index, type, data, hashed = data, algorithm = SHA384_ID }: Entry): Uint8Array {
  const digest = concat(little(1, 4), little(algorithm, 2), sha384(hashed));
  return concat(little(index, 4), little(type, 4), digest, little(data.length, 4), data);
}

const END = new Uint8Array(64).fill(0xff);
const logOf = (entries: readonly Entry[]) => concat(header(), ...entries.map(entry), END);

const GLOBAL = fromHex('61dfe48bca93d211aa0d00e098032b8c');
const utf16 = (text: string) => concat(...[...text].map((char) => little(char.charCodeAt(0), 2)));
const variable = (name: string, value: Uint8Array) =>
  concat(GLOBAL, little(name.length, 8), little(value.length, 8), utf16(name), value);
const config = (name: string, value: Uint8Array): Entry => ({
  index: 1,
  type: EVENT_TYPE.EFI_VARIABLE_DRIVER_CONFIG,
  data: variable(name, value),
});
const separator = (index: number): Entry => ({ index, type: EVENT_TYPE.SEPARATOR, data: new Uint8Array(4) });
const action = (text: string, index = 2): Entry => ({ index, type: EVENT_TYPE.EFI_ACTION, data: utf8(text) });

const ENABLED = config('SecureBoot', Uint8Array.of(1));
const DISABLED = config('SecureBoot', Uint8Array.of(0));
const VARIABLES = ['PK', 'KEK', 'db', 'dbx'].map((name) => config(name, utf8(`content of ${name}`)));
const EXIT = [action('Exit Boot Services Invocation'), action('Exit Boot Services Returned with Success')];
const BOOT: readonly Entry[] = [
  { index: 1, type: 0x8000000b, data: utf8('where a table lies'), hashed: utf8('the table') },
  ENABLED,
  ...VARIABLES,
  separator(1),
  { index: 2, type: 0x80000003, data: utf8('where an image lies'), hashed: utf8('the image') },
  separator(2),
  { index: 3, type: EVENT_TYPE.IPL, data: utf8('kernel_cmdline: root=/dev/vda\0'), hashed: utf8('root=/dev/vda') },
  ...EXIT,
];

function judge(entries: readonly Entry[]) {
  const log = parseMeasurementLog(logOf(entries));
  return verifyEventLog(log, replayRtmrs(log.events));
}
const factsOf = (entries: readonly Entry[]) => bootFactsOf(parseMeasurementLog(logOf(entries)).events);

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof CodedError) return thrown.code;
    throw thrown;
  }
  return 'none';
}

describe('the firmware log', () => {
  test('a whole boot is verified, and claims what was measured', () => {
    const verdict = judge(BOOT);
    expect(verdict.verdict).toBe('verified');
    expect(verdict).toMatchObject({
      facts: { secureBoot: 'enabled', exitedBootServices: true, provenEvents: 10 },
    });
    const facts = factsOf(BOOT);
    expect(facts.secureBootVariables.map(({ name }) => name)).toEqual(['PK', 'KEK', 'db', 'dbx']);
    expect(facts.texts[0]).toEqual({ register: 2, text: 'root=/dev/vda' });
  });

  test('every prefix is refused or leads elsewhere, and no flipped bit crashes or keeps the registers', () => {
    const whole = concat(header(), ...BOOT.map(entry));
    const rtmrs = replayRtmrs(parseMeasurementLog(whole).events);
    for (let length = 0; length < whole.length; length++) {
      const prefix = whole.slice(0, length);
      const code = codeOf(() => expect(verifyEventLog(parseMeasurementLog(prefix), rtmrs).verdict).toBe('refused'));
      expect(['none', 'EVIDENCE_TRUNCATED']).toContain(code);
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(7), (at, bit) => {
        const flipped = whole.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte));
        const code = codeOf(() => {
          const log = parseMeasurementLog(flipped);
          const verdict = verifyEventLog(log, rtmrs);
          // Where all registers still match, the bit was in what no digest covers: its claims are gone or the same.
          if (verdict.verdict === 'verified') expect(['enabled', null]).toContain(verdict.facts.secureBoot);
        });
        expect(code).toMatch(/^(none|EVIDENCE_.*)$/);
      }),
    );
  });

  test('any bytes at all are refused by a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(codeOf(() => parseMeasurementLog(concat(header(), bytes)))).toMatch(/^(none|EVIDENCE_.*)$/);
        expect(codeOf(() => parseMeasurementLog(bytes))).toMatch(/^(EVIDENCE_.*|ENCODING_INVALID)$/);
      }),
    );
  });

  test.each<[string, Uint8Array, string]>([
    ['larger than any', new Uint8Array(FIRMWARE_LOG_BYTES_MAX + 1), 'EVIDENCE_TOO_LARGE'],
    ['nothing', new Uint8Array(0), 'EVIDENCE_TRUNCATED'],
    ['zeros', new Uint8Array(4096), 'EVIDENCE_UNSUPPORTED'],
    ['no algorithm', header([]), 'EVIDENCE_MALFORMED'],
    [
      'an algorithm twice',
      header([
        [12, 48],
        [12, 48],
      ]),
      'EVIDENCE_MALFORMED',
    ],
    ['SHA-384 of 32 bytes', header([[12, 32]]), 'EVIDENCE_MALFORMED'],
    ['an algorithm not declared', logOf([{ ...ENABLED, algorithm: 13 }]), 'EVIDENCE_MALFORMED'],
    ['a register no TD has', logOf([{ ...ENABLED, index: 5 }]), 'EVIDENCE_MALFORMED'],
    ['4 GiB of data', concat(header(), entry(ENABLED).slice(0, 62), little(0xffffffff, 4)), 'EVIDENCE_TRUNCATED'],
    ['too many events', logOf(Array.from({ length: 4097 }, () => separator(3))), 'EVIDENCE_TOO_LARGE'],
  ])('%s: %#', (_, bytes, code) => {
    expect(codeOf(() => parseMeasurementLog(bytes))).toBe(code);
  });

  test('what follows the end mark is not read; EV_NO_ACTION and MRTD entries extend nothing', () => {
    const told: Entry[] = [
      { index: 1, type: EVENT_TYPE.NO_ACTION, data: utf8('told') },
      { index: 0, type: EVENT_TYPE.SEPARATOR, data: new Uint8Array(4) },
    ];
    const log = parseMeasurementLog(concat(logOf(told), entry(ENABLED)));
    expect(log.events.length).toBe(2);
    expect(replayRtmrs(log.events).map(toHex)).toEqual(Array(4).fill('00'.repeat(48)));
    expect(parseMeasurementLog(concat(header(), entry(ENABLED), new Uint8Array(5))).events.length).toBe(1);
  });
});

describe('what is believed', () => {
  const opaque = (event: Entry): Entry => ({ ...event, type: 0x8000000a, data: utf8('a blob'), hashed: event.data });
  test.each<[string, readonly Entry[], 'enabled' | 'disabled' | null]>([
    ['enabled', [ENABLED, separator(1)], 'enabled'],
    ['disabled', [DISABLED, separator(1)], 'disabled'],
    ['no such variable in the firmware', [config('SecureBoot', new Uint8Array(0)), separator(1)], 'disabled'],
    ['another value', [config('SecureBoot', Uint8Array.of(2)), separator(1)], null],
    ['after the separator', [separator(1), ENABLED], null],
    ['no separator', [ENABLED], null],
    ['twice', [ENABLED, ENABLED, separator(1)], null],
    ['in another register', [{ ...ENABLED, index: 2 }, separator(1)], null],
    ['data edited', [{ ...DISABLED, data: ENABLED.data, hashed: utf8('x') }, separator(1)], null],
    ['the real event renamed, a blob shown as the variable', [opaque(DISABLED), ENABLED, separator(1)], null],
    ['a separator under another name', [opaque(separator(1)), ENABLED, separator(1)], null],
  ])('secure boot: %s', (_, entries, state) => {
    expect(factsOf(entries).secureBoot).toBe(state);
  });

  test('variables count only as a run after the state', () => {
    expect(factsOf([ENABLED, VARIABLES[1] as Entry, VARIABLES[0] as Entry, separator(1)])).toMatchObject({
      secureBootVariables: [],
    });
    const forged = { ...(VARIABLES[0] as Entry), hashed: utf8('another') };
    expect(factsOf([ENABLED, forged, ...VARIABLES.slice(1), separator(1)]).secureBootVariables).toEqual([]);
  });

  test.each<[string, readonly Entry[], string]>([
    ['an event after the hand-over in RTMR1', [...BOOT, action('more')], 'nothingAfterExitBootServices'],
    ['an event after the hand-over in RTMR0', [...BOOT, action('more', 1)], 'nothingAfterExitBootServices'],
    ['a separator whose digest is of other data', [{ ...separator(1), hashed: utf8('x') }], 'separators'],
    ['a separator that reports an error', [{ ...separator(1), data: Uint8Array.of(1, 0, 0, 0) }], 'separators'],
    ['more separators than PCRs', Array.from({ length: 4 }, () => separator(1)), 'separators'],
    ['a separator in RTMR3', [separator(4)], 'separators'],
  ])('refused: %s', (_, entries, name) => {
    const { verdict, checks } = judge(entries);
    expect(verdict).toBe('refused');
    const failed = Object.entries(checks).filter(([, check]) => check.outcome === 'failed');
    expect(failed.map(([check]) => check)).toEqual([name]);
  });

  test('a label that nobody measured is no part of a text; a boot variable has no proven name', () => {
    const relabelled = BOOT.map((event) =>
      event.type === EVENT_TYPE.IPL ? { ...event, data: utf8('grub_cmd: root=/dev/vda\0') } : event,
    );
    expect(factsOf(relabelled).texts).toEqual(factsOf(BOOT).texts);
    const value = utf8('loader');
    const boot = { index: 1, type: EVENT_TYPE.EFI_VARIABLE_BOOT, data: variable('Boot0000', value), hashed: value };
    expect(factsOf([boot])).toMatchObject({ texts: [{ register: 0, text: 'loader' }], provenEvents: 1 });
  });
});

describe("dstack's log", () => {
  const first = (name: string, payload: Uint8Array) => concat(fromHex('010000083a'), utf8(`${name}:`), payload);
  const second = (name: string, payload: Uint8Array) =>
    utf8(`{"name":${JSON.stringify(name)},"payload":"${toHex(payload)}","type":134217729}`);
  const runtime = (name: string, payload: string, form = first, imr = 3) => ({
    imr,
    event_type: 134217729,
    digest: toHex(sha384(form(name, utf8(payload)))),
    event: name,
    event_payload: toHex(utf8(payload)),
  });
  const parse = (items: unknown) => parseMeasurementLog(utf8(JSON.stringify(items)));
  const READY = runtime('system-ready', '');

  test('both versions of digests are recomputed; known names count once, before the system is ready', () => {
    const log = parse([
      runtime('app-id', 'a'),
      runtime('compose-hash', 'c', second),
      runtime('instance-id', 'one'),
      runtime('instance-id', 'two'),
      READY,
      runtime('key-provider', 'late'),
    ]);
    const verdict = verifyEventLog(log, replayRtmrs(log.events));
    expect(verdict).toMatchObject({ verdict: 'verified', facts: { dstack: { 'app-id': utf8('a') } } });
    const { dstack, runtimeEvents } = bootFactsOf(log.events);
    expect(Object.keys(dstack)).toEqual(['app-id', 'compose-hash']);
    expect(runtimeEvents.map(({ version }) => version)).toEqual([1, 2, 1, 1, 1, 1]);
  });

  test('a name, a payload or a digest that was written over is refused; another register proves no runtime fact', () => {
    const event = runtime('app-id', 'a');
    for (const edited of [
      { ...event, event: 'app-ie' },
      { ...event, event_payload: '62' },
    ]) {
      const log = parse([edited, READY]);
      expect(verifyEventLog(log, replayRtmrs(log.events)).checks.runtimeEventDigests.outcome).toBe('failed');
      expect(bootFactsOf(log.events).dstack).toEqual({});
    }
    expect(bootFactsOf(parse([runtime('app-id', 'a', first, 2), READY]).events).dstack).toEqual({});
  });

  test.each<[string, unknown]>([
    ['an unknown field', [{ ...READY, more: 1 }]],
    ['a register no TD has', [{ ...READY, imr: 4 }]],
    ['a digest cut short', [{ ...READY, digest: '00' }]],
    ['a type that is no number', [{ ...READY, event_type: '1' }]],
    ['a payload that is no text', [{ ...READY, event_payload: null }]],
    ['an entry that is no object', [7]],
  ])('refused: %s', (_, items) => {
    expect(codeOf(() => parse(items))).toBe('EVIDENCE_MALFORMED');
  });
});

describe('chrysalis verify --kind ccel', () => {
  const ask = (collateral: unknown, more: Record<string, unknown> = {}) =>
    createVerifier().answerLine(
      JSON.stringify({
        ...{ id: 1, kind: 'ccel', evidence: toBase64(logOf(BOOT)), at: '2026-01-01T00:00:00Z', collateral },
        ...more,
      }),
    );
  const rtmrs = replayRtmrs(parseMeasurementLog(logOf(BOOT)).events).map(toHex);

  test('verified, refused, could not find out', async () => {
    const good = await ask({ rtmrs });
    expect(good).toMatchObject({ verdict: 'verified', error: null, claims: { secureBoot: 'enabled' } });
    expect(good.claims.replayedRtmrs).toEqual(rtmrs);
    const other = await ask({ rtmrs: [...rtmrs.slice(0, 3), '11'.repeat(48)] });
    expect(other).toMatchObject({
      verdict: 'refused',
      error: { code: 'EVIDENCE_EXPECTATION_MISMATCH', facts: { check: 'rtmr3Replayed' } },
    });
    expect(other.claims.secureBoot).toBeUndefined();
    expect(await ask(null)).toMatchObject({ verdict: 'unavailable', error: { code: 'ENDORSEMENT_MISSING' } });
  });

  test.each<[unknown, Record<string, unknown>, string]>([
    [{ rtmrs: ['00'] }, {}, 'COLLATERAL_MALFORMED'],
    [{ rtmrs: [...rtmrs, rtmrs[0]] }, {}, 'COLLATERAL_MALFORMED'],
    [{ rtmrs, extra: 1 }, {}, 'COLLATERAL_MALFORMED'],
    [{ rtmrs: rtmrs.map(() => 'zz'.repeat(48)) }, {}, 'COLLATERAL_MALFORMED'],
    [{ rtmrs }, { policy: 'any' }, 'USAGE_INVALID'],
    [{ rtmrs }, { expect: { nonce: '00' } }, 'USAGE_INVALID'],
    [{ rtmrs }, { require: ['signature'] }, 'USAGE_INVALID'],
  ])('refused by a code: %j', async (collateral, more, code) => {
    expect(await ask(collateral, more)).toMatchObject({ verdict: 'refused', error: { code } });
  });

  test('people see what the log proves, and that the quote is another question', async () => {
    const text = formatResponse('ccel', await ask({ rtmrs }), painter(false), 80);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toMatch(/secure boot +enabled/);
    expect(text).toContain('“root=/dev/vda”');
    expect(text.replace(/\s+/g, ' ')).toContain('verify it too');
    expect(formatResponse('ccel', await ask(null), painter(false), 80)).toContain('{"rtmrs":');
  });
});
