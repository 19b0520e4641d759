import { equalBytes, isZero } from '../../core/index.ts';
import {
  type BootFacts,
  bootFactsOf,
  coversData,
  digestText,
  EVENT_TYPE,
  EXIT_DIGESTS,
  EXIT_INVOKED_DIGEST,
  eventsOf,
  extendsRegister,
  type LoggedEvent,
  type ParsedEventLog,
  provenContentOf,
  RTMR_NUMBERS,
  type RtmrNumber,
  replayRtmrs,
  SEPARATORS_MAX,
  separatorCount,
} from '../evidence/eventlog/index.ts';
import { type Check, check, failed, notRun, PASSED } from './check.ts';

export type EventLogCheckName =
  | 'eventDigests'
  | 'rtmr0Replayed'
  | 'rtmr1Replayed'
  | 'rtmr2Replayed'
  | 'rtmr3Replayed'
  | 'separators'
  | 'nothingAfterExitBootServices'
  | 'runtimeEventDigests';
export type EventLogChecks = Readonly<Record<EventLogCheckName, Check>>;

export type EventLogVerdict = Readonly<{
  checks: EventLogChecks;
  /** What the log's events alone lead to; a claim about a machine only where the verdict is 'verified'. */
  replayed: readonly Uint8Array[];
}> &
  (Readonly<{ verdict: 'verified'; facts: BootFacts }> | Readonly<{ verdict: 'refused' | 'unavailable' }>);

/**
 * Judges a log against the registers of a quote that the caller has verified. All four must be what the events lead to;
 * a register that no event extends must be zero.
 * @param rtmrs RTMR0 to RTMR3, 48 bytes each; null where the caller has none: then nothing is proven, and the verdict is
 *   'unavailable' unless another check fails
 * @see docs/tdx.md, Event logs
 */
export function verifyEventLog(log: ParsedEventLog, rtmrs: readonly Uint8Array[] | null): EventLogVerdict {
  const replayed = replayRtmrs(log.events);
  const register = (number: RtmrNumber): Check => {
    const expected = rtmrs?.[number];
    if (expected === undefined) return notRun("the quote's registers were not given");
    const value = replayed[number];
    return check(
      value !== undefined && equalBytes(value, expected),
      'EVIDENCE_EXPECTATION_MISMATCH',
      isZero(expected)
        ? `the log has events for RTMR${number}, and the register is zero`
        : `the events do not lead to the RTMR${number} of the quote`,
    );
  };
  const checks: EventLogChecks = {
    eventDigests: check(
      log.events.every((event) => !extendsRegister(event) || event.digest !== null),
      'EVIDENCE_UNSUPPORTED',
      'an event without a SHA-384 digest: it can be no measurement of a TD',
    ),
    rtmr0Replayed: register(0),
    rtmr1Replayed: register(1),
    rtmr2Replayed: register(2),
    rtmr3Replayed: register(3),
    separators: separatorsCheck(log.events),
    nothingAfterExitBootServices: afterExitCheck(log.events),
    runtimeEventDigests: runtimeCheck(log.events),
  };
  const outcomes = Object.values(checks).map(({ outcome }) => outcome);
  if (outcomes.includes('failed')) return { verdict: 'refused', checks, replayed };
  if (outcomes.includes('notRun')) return { verdict: 'unavailable', checks, replayed };
  return { verdict: 'verified', checks, replayed, facts: bootFactsOf(log.events) };
}

/** A separator is four zero bytes; firmware that met an error measures others, and says so in the data. */
function separatorsCheck(events: readonly LoggedEvent[]): Check {
  for (const event of events) {
    if (event.type !== EVENT_TYPE.SEPARATOR || event.digest === null) continue;
    if (!coversData(event)) {
      return failed('EVIDENCE_MALFORMED', 'a separator whose digest is not that of its data');
    }
    if (event.data.length !== 4 || !isZero(event.data)) {
      return failed('EVIDENCE_MALFORMED', 'a separator that reports an error of the firmware');
    }
  }
  const tooMany = RTMR_NUMBERS.find((number) => separatorCount(events, number) > SEPARATORS_MAX[number]);
  if (tooMany === undefined) return PASSED;
  return failed('EVIDENCE_MALFORMED', `more separators in RTMR${tooMany} than the firmware measures`);
}

/**
 * After the firmware has handed over, only its own words about that may follow in RTMR1; anything else comes from what
 * booted. RTMR0 is held to the order in which the log is written, which replay does not establish between registers.
 */
function afterExitCheck(events: readonly LoggedEvent[]): Check {
  const late = failed('EVIDENCE_MALFORMED', 'an event of RTMR0 or RTMR1 after the firmware handed over');
  const rtmr1 = eventsOf(events, 1);
  const exit = rtmr1.findIndex((event) => digestText(event) === EXIT_INVOKED_DIGEST);
  if (exit < 0) return PASSED;
  if (rtmr1.slice(exit).some((event) => !EXIT_DIGESTS.has(digestText(event)))) return late;
  const inLog = events.indexOf(rtmr1[exit] as LoggedEvent);
  return events.slice(inLog).some((event) => event.register === 0 && extendsRegister(event)) ? late : PASSED;
}

/** A named event whose digest is not over its name and payload is no old log: somebody has written over it. */
function runtimeCheck(events: readonly LoggedEvent[]): Check {
  const wrong = events.find((event) => event.runtimeName !== null && provenContentOf(event) === null);
  if (wrong === undefined) return PASSED;
  return failed('EVIDENCE_MALFORMED', 'a runtime event whose digest is not that of its name and payload');
}
