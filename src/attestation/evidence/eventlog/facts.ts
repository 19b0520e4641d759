import { sha256, sha384 } from '#crypto';
import { type Bytes, EFI_GLOBAL_VARIABLE, efiVariableData, equalBytes, toHex, utf8 } from '../../../core/index.ts';
import { extendsRegister, type LoggedEvent, type RtmrNumber } from './event.ts';
import { provenContentOf } from './proven.ts';

/**
 * EDK2 measures one separator per PCR, and a register stands for several: 1 and 7, in older firmware 0 as well; 2 to 6;
 * 8 to 15; none.
 */
export const SEPARATORS_MAX: Readonly<Record<RtmrNumber, number>> = { 0: 3, 1: 5, 2: 8, 3: 0 };

function secureBootDigest(value: Uint8Array): string {
  return toHex(sha384(efiVariableData(EFI_GLOBAL_VARIABLE, 'SecureBoot', value)));
}

const digestOfText = (text: string) => toHex(sha384(utf8(text)));

const SECURE_BOOT_BY_DIGEST: ReadonlyMap<string, 'enabled' | 'disabled'> = new Map([
  [secureBootDigest(Uint8Array.of(1)), 'enabled'],
  [secureBootDigest(Uint8Array.of(0)), 'disabled'],
  // Firmware without the variable measures it empty.
  [secureBootDigest(new Uint8Array(0)), 'disabled'],
]);
const SEPARATOR_DIGEST = toHex(sha384(new Uint8Array(4)));
export const EXIT_INVOKED_DIGEST = digestOfText('Exit Boot Services Invocation');
export const EXIT_SUCCEEDED_DIGEST = digestOfText('Exit Boot Services Returned with Success');
/** The firmware's own words about leaving; a first attempt may fail and be made again. */
export const EXIT_DIGESTS: ReadonlySet<string> = new Set([
  EXIT_INVOKED_DIGEST,
  EXIT_SUCCEEDED_DIGEST,
  digestOfText('Exit Boot Services Returned with Failure'),
]);

/** Events that extend the register, in order; the only order that replay establishes is that within one register. */
export function eventsOf(events: readonly LoggedEvent[], register: RtmrNumber): LoggedEvent[] {
  return events.filter((event) => event.register === register && extendsRegister(event));
}

export function digestText(event: LoggedEvent): string {
  return event.digest === null ? '' : toHex(event.digest);
}

/** How many separators a register has, known by what was hashed: the log could call them anything. */
export function separatorCount(events: readonly LoggedEvent[], register: RtmrNumber): number {
  return eventsOf(events, register).filter((event) => digestText(event) === SEPARATOR_DIGEST).length;
}

export type RuntimeFact = Readonly<{ name: string; payload: Bytes; version: 1 | 2 }>;

/** What a log proves about a boot, once its registers are those of a verified quote. */
export type BootFacts = Readonly<{
  /** Null where the log does not establish it. */
  secureBoot: 'enabled' | 'disabled' | null;
  /** SHA-256 of the contents of PK, KEK, db, dbx as measured beside the secure boot state; empty value, empty hash input. */
  secureBootVariables: readonly Readonly<{ guid: string; name: string; sha256: Bytes }>[];
  exitedBootServices: boolean;
  /** Texts that were measured, without the labels beside them, which nobody measured. */
  texts: readonly Readonly<{ register: RtmrNumber; text: string }>[];
  /** dstack's runtime events in RTMR3, all of them, in order. */
  runtimeEvents: readonly RuntimeFact[];
  /** The known names, each where it is there once before the system called itself ready: later ones are an app's words. */
  dstack: Readonly<Partial<Record<DstackName, Bytes>>>;
  provenEvents: number;
}>;

export const DSTACK_NAMES = ['app-id', 'compose-hash', 'instance-id', 'key-provider', 'rootfs-hash'] as const;
export type DstackName = (typeof DSTACK_NAMES)[number];
const SYSTEM_READY = 'system-ready';

/** Only what the digests establish. The caller must have found the replayed registers equal to the quote's. */
export function bootFactsOf(events: readonly LoggedEvent[]): BootFacts {
  const texts: { register: RtmrNumber; text: string }[] = [];
  const runtimeEvents: RuntimeFact[] = [];
  let provenEvents = 0;
  for (const event of events) {
    if (!extendsRegister(event)) continue;
    const content = provenContentOf(event);
    if (content === null) continue;
    provenEvents++;
    const text =
      content.kind === 'text' || content.kind === 'action'
        ? content.text
        : content.kind === 'bytes'
          ? printableText(content.bytes)
          : null;
    if (text !== null) texts.push({ register: event.register, text });
    if (content.kind === 'runtime' && event.register === 3) {
      runtimeEvents.push({ name: content.name, payload: content.payload, version: content.version });
    }
  }
  return {
    ...secureBootFacts(eventsOf(events, 0)),
    exitedBootServices: digestText(eventsOf(events, 1).at(-1) ?? NO_EVENT) === EXIT_SUCCEEDED_DIGEST,
    texts,
    runtimeEvents,
    dstack: dstackFacts(runtimeEvents),
    provenEvents,
  };
}

const NO_EVENT: LoggedEvent = { register: null, type: 0, digest: null, data: new Uint8Array(0), runtimeName: null };

const PRINTABLE = /^[\t\n\r\u0020-\u007e]+$/;

/** Configuration blobs are ASCII text filled up with zeros, or not text at all. */
function printableText(bytes: Bytes): string | null {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, end));
  return PRINTABLE.test(text) ? text : null;
}

/** In the order in which the firmware measures them, after the state itself. */
const VARIABLES_AFTER_STATE = ['PK', 'KEK', 'db', 'dbx'] as const;

/**
 * The state counts only before the first separator of RTMR0, and only where exactly one event there has one of the three
 * digests it can have: digests are looked for whatever type the log gives the event, because a log that renames the
 * firmware's event and shows a blob of the host's in its place would replay as well.
 */
function secureBootFacts(rtmr0: readonly LoggedEvent[]): Pick<BootFacts, 'secureBoot' | 'secureBootVariables'> {
  const unknown = { secureBoot: null, secureBootVariables: [] };
  const firstSeparator = rtmr0.findIndex((event) => digestText(event) === SEPARATOR_DIGEST);
  if (firstSeparator < 0) return unknown;
  const before = rtmr0.slice(0, firstSeparator);
  const states = before.flatMap((event, at) => {
    const state = SECURE_BOOT_BY_DIGEST.get(digestText(event));
    return state === undefined ? [] : [{ state, at }];
  });
  const [only] = states;
  if (only === undefined || states.length > 1) return unknown;
  const variables: { guid: string; name: string; sha256: Bytes }[] = [];
  for (const [offset, name] of VARIABLES_AFTER_STATE.entries()) {
    const event = before[only.at + 1 + offset];
    const content = event === undefined ? null : provenContentOf(event);
    if (content?.kind !== 'variable' || content.variable.name !== name) break;
    variables.push({ guid: content.variable.guid, name, sha256: sha256(content.variable.value) });
  }
  return { secureBoot: only.state, secureBootVariables: variables };
}

function dstackFacts(runtimeEvents: readonly RuntimeFact[]): BootFacts['dstack'] {
  const ready = runtimeEvents.findIndex(({ name }) => name === SYSTEM_READY);
  if (ready < 0) return {};
  const facts: Partial<Record<DstackName, Bytes>> = {};
  for (const name of DSTACK_NAMES) {
    const found = runtimeEvents.slice(0, ready).filter((event) => event.name === name);
    if (found.length === 1) facts[name] = (found[0] as RuntimeFact).payload;
  }
  return facts;
}

/** True where the digest is over the data as it stands. */
export function coversData(event: LoggedEvent): boolean {
  return event.digest !== null && equalBytes(sha384(event.data), event.digest);
}
