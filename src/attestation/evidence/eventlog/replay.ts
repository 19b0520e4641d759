import { sha384 } from '#crypto';
import { type Bytes, concat } from '../../../core/index.ts';
import { extendsRegister, type LoggedEvent, RTMR_BYTES, RTMR_NUMBERS } from './event.ts';

/**
 * RTMR0 to RTMR3 (48 bytes each) as these events leave them: from zero, SHA-384(old ‖ digest) per event. An event
 * without a SHA-384 digest extends nothing here, so a log of them can match only registers that are zero.
 * @see Intel TDX module specification, TDG.MR.RTMR.EXTEND
 */
export function replayRtmrs(events: readonly LoggedEvent[]): Bytes[] {
  const registers: Bytes[] = RTMR_NUMBERS.map(() => new Uint8Array(RTMR_BYTES));
  for (const event of events) {
    if (!extendsRegister(event) || event.digest === null) continue;
    registers[event.register] = sha384(concat(registers[event.register] as Bytes, event.digest));
  }
  return registers;
}
