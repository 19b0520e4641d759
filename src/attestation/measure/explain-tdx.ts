import { CodedError, equalBytes, toHex } from '../../core/index.ts';
import {
  type Difference,
  type Explanation,
  neighbouringCommandLines,
  type Others,
  quoted,
  type Variant,
  variantsOf,
} from './explanation.ts';
import { mrTd, type PageOrder } from './mrtd.ts';
import type { QemuRules } from './qemu.ts';
import {
  type AcpiDigests,
  handOffEvent,
  isPatched,
  type PredictedEvent,
  registerOf,
  rtmr0Events,
  rtmr1Events,
  rtmr2Events,
  type TdBoot,
} from './rtmr.ts';
import type { TdvfFirmware } from './tdvf.ts';

const NO_BYTES = new Uint8Array(0);
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Every 128 MiB up to 64 GiB, every GiB up to 2 TiB, and every MiB near what was given. */
const FINE_MAX = 64 * GIB;
const COARSE_MAX = 2048 * GIB;
const NEAR_MIB = 64;
/** Images are digested anew for each size of memory: only where it matters, below what q35 splits. */
const KERNEL_MEMORY_MAX = 0xb000_0000;

export type TdExplainInput = Readonly<{
  firmware: TdvfFirmware;
  memoryBytes: number;
  rules: QemuRules;
  boot: TdBoot;
  /** Null: not known. RTMR0 is then explained with a log alone, whose own ACPI digests are not compared with anything. */
  acpi: AcpiDigests | null;
  others: Readonly<{
    firmwares: Others<TdvfFirmware>;
    kernels: Others<Uint8Array>;
    initrds: Others<Uint8Array>;
    commandLines: readonly string[];
  }>;
}>;

export type TdRegister = 'mrTd' | 'rtmr0' | 'rtmr1' | 'rtmr2';
export type TdMeasurements = Readonly<Record<TdRegister, Uint8Array>>;
/**
 * Digests of the events of RTMR0, RTMR1 and RTMR2, in order, of a log whose replay gave those registers; null without one.
 */
export type RecordedEvents = readonly (readonly Uint8Array[])[] | null;

/**
 * Finds, register by register, the inputs that lead to the measurements of a TD.
 * @throws CodedError as the predictions
 */
export function explainTdMeasurements(
  input: TdExplainInput,
  evidence: TdMeasurements,
  recorded: RecordedEvents,
): Readonly<Record<TdRegister, Explanation>> {
  return {
    mrTd: explainMrTd(input, evidence.mrTd),
    rtmr0: explainRtmr0(input, evidence.rtmr0, recorded?.[0] ?? null),
    rtmr1: explainRtmr1(input, evidence.rtmr1, recorded?.[1] ?? null),
    rtmr2: explainRtmr2(input, evidence.rtmr2, recorded?.[2] ?? null),
  };
}

/** The prediction, or null for a neighbour that cannot be: too little memory for the firmware, say. */
function attempt<T, R>({ value, differences }: Variant<T>, predict: (value: T) => R): R | null {
  try {
    return predict(value);
  } catch (thrown) {
    if (differences.length > 0 && thrown instanceof CodedError && thrown.code !== 'INVARIANT_BROKEN') return null;
    throw thrown;
  }
}

/** The first variant that leads to the register, nearest first. */
function firstOf<T>(
  variants: Iterable<Variant<T>>,
  predict: (value: T) => Uint8Array,
  register: Uint8Array,
): Explanation {
  let tried = 0;
  for (const variant of variants) {
    tried++;
    if (!equalBytes(attempt(variant, predict) ?? NO_BYTES, register)) continue;
    const { differences } = variant;
    return { outcome: differences.length === 0 ? 'matches' : 'explained', differences, tried };
  }
  return { outcome: 'unexplained', differences: [], tried };
}

function pairs<A, B>(first: readonly Variant<A>[], second: readonly Variant<B>[]): Variant<readonly [A, B]>[] {
  return first
    .flatMap((a) =>
      second.map((b) => ({ value: [a.value, b.value] as const, differences: [...a.differences, ...b.differences] })),
    )
    .sort((a, b) => a.differences.length - b.differences.length);
}

const firmwaresOf = ({ firmware, others }: TdExplainInput) =>
  variantsOf('firmware', { label: 'the file given', value: firmware }, others.firmwares);

function explainMrTd(input: TdExplainInput, register: Uint8Array): Explanation {
  const { pageOrder } = input.rules;
  const words = { 'two-pass': 'before 9.0', interleaved: '9.0 or later' } as const;
  const other = pageOrder === 'two-pass' ? 'interleaved' : 'two-pass';
  const orders = variantsOf<PageOrder>('qemuVersion', { label: words[pageOrder], value: pageOrder }, [
    { label: words[other], value: other },
  ]);
  return firstOf(pairs(firmwaresOf(input), orders), ([firmware, order]) => mrTd(firmware, order), register);
}

function memoriesOf(given: number): Variant<number>[] {
  const sizes = new Set<number>();
  for (let step = 1; step <= NEAR_MIB; step++) for (const sign of [-1, 1]) sizes.add(given + sign * step * MIB);
  for (let size = 128 * MIB; size <= FINE_MAX; size += 128 * MIB) sizes.add(size);
  for (let size = FINE_MAX; size <= COARSE_MAX; size += GIB) sizes.add(size);
  const others = [...sizes].filter((size) => size > 0 && size !== given);
  const label = (size: number) => `${size / MIB} MiB`;
  return [
    ...variantsOf(
      'memory',
      { label: label(given), value: given },
      others.map((value) => ({ label: label(value), value })),
    ),
  ];
}

/** Hand-off block, five variables and separator, beside the configuration volume. */
const EVENTS_BEFORE_ACPI = 7;

/** The three digests at their place in a log; one of another length is told apart by its length. */
function acpiOfLog({ sections }: TdvfFirmware, recorded: readonly Uint8Array[]): AcpiDigests {
  const first = EVENTS_BEFORE_ACPI + sections.filter(({ kind }) => kind === 'cfv').length;
  const at = (offset: number) => Uint8Array.from(recorded[first + offset] ?? NO_BYTES);
  return { loader: at(0), rsdp: at(1), tables: at(2) };
}

function explainRtmr0(
  input: TdExplainInput,
  register: Uint8Array,
  recorded: readonly Uint8Array[] | null,
): Explanation {
  const { memoryBytes } = input;
  const acpi = input.acpi ?? (recorded === null ? null : acpiOfLog(input.firmware, recorded));
  if (acpi === null) return { outcome: 'notComputed', differences: [], tried: 0 };
  const states = variantsOf('secureBoot', { label: 'no variable', value: new Uint8Array(0) }, [
    { label: 'a variable that says off', value: new Uint8Array(1) },
  ]);
  const all = pairs(pairs(firmwaresOf(input), states), memoriesOf(memoryBytes));
  type Value = (typeof all)[number]['value'];
  // Memory is in the first event alone; the others are made once for each file.
  const known = new Map<string, readonly PredictedEvent[]>();
  const predict = ([[firmware, state], memory]: Value): readonly PredictedEvent[] => {
    const name = `${input.others.firmwares.findIndex(({ value }) => value === firmware)} ${state.length}`;
    const events = known.get(name) ?? rtmr0Events(firmware, memory, acpi, state);
    known.set(name, events);
    return [handOffEvent(firmware, memory), ...events.slice(1)];
  };
  if (recorded !== null) {
    return byEvents(rtmr0Events(input.firmware, memoryBytes, acpi), recorded, all, predict);
  }
  return firstOf(all, (value) => registerOf(predict(value)), register);
}

function explainRtmr1(
  input: TdExplainInput,
  register: Uint8Array,
  recorded: readonly Uint8Array[] | null,
): Explanation {
  const { boot, rules, memoryBytes, others } = input;
  const label = (patches: boolean) => {
    if (boot.kind === 'uki') return patches ? 'before 9.2.1 (8.2.9)' : '9.2.1 (8.2.9) or later';
    return patches ? 'before 10.2' : '10.2 or later';
  };
  const patched = isPatched(boot, rules);
  const boots: readonly Variant<TdBoot>[] =
    boot.kind === 'uki'
      ? variantsOf<TdBoot>(
          'kernel',
          { label: 'the file given', value: boot },
          others.kernels.map(({ label: name, value }) => ({ label: name, value: { kind: 'uki', image: value } })),
        )
      : pairs(
          variantsOf('kernel', { label: 'the file given', value: boot.kernel }, others.kernels),
          initrdsOf(boot.initrd, others.initrds),
        ).map(({ value: [kernel, initrd], differences }) => ({ value: { ...boot, kernel, initrd }, differences }));
  const versions = variantsOf('qemuVersion', { label: label(patched), value: patched }, [
    { label: label(!patched), value: !patched },
  ]);
  const memories = memoriesOf(memoryBytes).filter(
    ({ value, differences }) => differences.length === 0 || (value <= KERNEL_MEMORY_MAX && value % (128 * MIB) === 0),
  );
  const all = pairs(pairs(boots, versions), memories).filter(
    // Memory shows in a patched header alone.
    ({ value: [[, patches]], differences }) =>
      differences.length < 3 && (patches || !differences.some(({ input: name }) => name === 'memory')),
  );
  type Value = (typeof all)[number]['value'];
  const predict = ([[one, patches], memory]: Value) =>
    rtmr1Events(one, memory, { ...rules, patchesKernel: patches ? 'all' : 'none' });
  if (recorded !== null) return byEvents(rtmr1Events(boot, memoryBytes, rules), recorded, all, predict);
  return firstOf(all, (value) => registerOf(predict(value)), register);
}

function initrdsOf(initrd: Uint8Array | null, others: Others<Uint8Array>): readonly Variant<Uint8Array | null>[] {
  const none: Others<null> = initrd === null ? [] : [{ label: 'none', value: null }];
  const given = { label: initrd === null ? 'none' : 'the file given', value: initrd };
  return variantsOf<Uint8Array | null>('initrd', given, [...others, ...none]);
}

function explainRtmr2(
  { boot, others }: TdExplainInput,
  register: Uint8Array,
  recorded: readonly Uint8Array[] | null,
): Explanation {
  const base = rtmr2Events(boot);
  if (boot.kind === 'uki') {
    const images = variantsOf<TdBoot>(
      'kernel',
      { label: 'the file given', value: boot },
      others.kernels.map(({ label, value }) => ({ label, value: { kind: 'uki', image: value } })),
    );
    if (recorded !== null) return byEvents(base, recorded, images, rtmr2Events);
    return firstOf(images, (one) => registerOf(rtmr2Events(one)), register);
  }
  const lines = variantsOf(
    'commandLine',
    { label: quoted(boot.commandLine), value: boot.commandLine },
    neighbouringCommandLines(boot.commandLine, others.commandLines),
  );
  const all = pairs(initrdsOf(boot.initrd, others.initrds), lines);
  type Value = (typeof all)[number]['value'];
  const predict = ([initrd, commandLine]: Value) => rtmr2Events({ ...boot, initrd, commandLine });
  if (recorded !== null) return byEvents(base, recorded, all, predict);
  return firstOf(all, (value) => registerOf(predict(value)), register);
}

const INPUT_OF_EVENT: readonly (readonly [prefix: string, input: Difference['input']])[] = [
  ['TD hand-off block', 'memory'],
  ['configuration volume', 'firmware'],
  ['variable', 'secureBoot'],
  ['ACPI', 'acpi'],
  ['boot variable', 'bootVariables'],
  ['kernel', 'kernel'],
  ['unified kernel image', 'kernel'],
  ['command line', 'commandLine'],
  ['initial RAM disk', 'initrd'],
];

/**
 * With the recorded events each difference is found apart: for every event that is another one, the nearest variant that
 * makes it; where none does, the input that the event is made of.
 */
function byEvents<T>(
  base: readonly PredictedEvent[],
  recorded: readonly Uint8Array[],
  variants: readonly Variant<T>[],
  predict: (value: T) => readonly PredictedEvent[],
): Explanation {
  if (base.length !== recorded.length) {
    const whole = variants.find((variant) => sameEvents(attempt(variant, predict) ?? [], recorded));
    if (whole !== undefined) return { outcome: 'explained', differences: whole.differences, tried: variants.length };
    const found = `${recorded.length} events`;
    const differences = [{ input: 'events', given: `${base.length} events`, found }] as const;
    return { outcome: 'unexplained', differences, tried: variants.length };
  }
  const open = new Set(base.flatMap(({ digest }, at) => (equalBytes(digest, recorded[at] as Uint8Array) ? [] : [at])));
  if (open.size === 0) return { outcome: 'matches', differences: [], tried: 1 };
  const differences: Difference[] = [];
  let tried = 0;
  for (const variant of variants) {
    if (open.size === 0) break;
    if (variant.differences.length !== 1) continue;
    tried++;
    const made = attempt(variant, predict);
    const hit = [...open].filter((at) => equalBytes(made?.[at]?.digest ?? NO_BYTES, recorded[at] as Uint8Array));
    for (const at of hit) open.delete(at);
    if (hit.length > 0) differences.push(...variant.differences);
  }
  for (const at of open) differences.push(unknownEvent(base[at] as PredictedEvent, recorded[at] as Uint8Array));
  return { outcome: open.size === 0 ? 'explained' : 'unexplained', differences, tried };
}

function sameEvents(events: readonly PredictedEvent[], recorded: readonly Uint8Array[]): boolean {
  return (
    events.length === recorded.length &&
    events.every(({ digest }, at) => equalBytes(digest, recorded[at] as Uint8Array))
  );
}

function unknownEvent({ name, digest }: PredictedEvent, recorded: Uint8Array): Difference {
  const input = INPUT_OF_EVENT.find(([prefix]) => name.startsWith(prefix))?.[1] ?? 'events';
  const short = (bytes: Uint8Array) => `${toHex(bytes).slice(0, 16)}…`;
  return {
    input,
    given: `${name} ${short(digest)}`,
    found: `${name} ${short(recorded)}, of an input that was not tried`,
  };
}
