import type { Bytes } from '../../../core/index.ts';

/** Runtime measurement registers of a TD, by number; each 48 bytes. */
export type RtmrNumber = 0 | 1 | 2 | 3;
export const RTMR_NUMBERS: readonly RtmrNumber[] = [0, 1, 2, 3];
export const RTMR_BYTES = 48;

/**
 * One entry of a log. Nothing of it but the digest is established by replay: the type is covered by no digest, the data
 * only where {@link provenContentOf} can hash it again.
 */
export type LoggedEvent = Readonly<{
  /** Null for an entry about MRTD, which no event extends. */
  register: RtmrNumber | null;
  type: number;
  /** SHA-384, 48 bytes; null where the entry carries none. */
  digest: Bytes | null;
  data: Bytes;
  /** Name of a dstack runtime event; null for the firmware's. */
  runtimeName: string | null;
}>;

export type ParsedEventLog = Readonly<{
  format: 'tcg2' | 'dstack';
  events: readonly LoggedEvent[];
  /** TCG algorithm ids that the log declares; 0x0C is SHA-384. */
  algorithms: readonly number[];
  /** Up to the end of the last entry; what follows is fill that nothing measures. */
  bytesUsed: number;
}>;

export const EVENTS_MAX = 4096;

/** TCG PC Client Platform Firmware Profile, section 10.4.1; the last is dstack's own. */
export const EVENT_TYPE = {
  NO_ACTION: 0x3,
  SEPARATOR: 0x4,
  EVENT_TAG: 0x6,
  PLATFORM_CONFIG_FLAGS: 0xa,
  IPL: 0xd,
  EFI_VARIABLE_DRIVER_CONFIG: 0x80000001,
  EFI_VARIABLE_BOOT: 0x80000002,
  EFI_GPT_EVENT: 0x80000006,
  EFI_ACTION: 0x80000007,
  EFI_VARIABLE_BOOT2: 0x8000000c,
  EFI_VARIABLE_AUTHORITY: 0x800000e0,
  DSTACK_RUNTIME: 0x08000001,
} as const;

/** EV_NO_ACTION and entries about MRTD are told, not measured. */
export function extendsRegister(event: LoggedEvent): event is LoggedEvent & { readonly register: RtmrNumber } {
  return event.register !== null && event.type !== EVENT_TYPE.NO_ACTION;
}
