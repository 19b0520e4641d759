import { sha384 } from '#crypto';
import {
  EVENT_LOG_BYTES_MAX,
  FIRMWARE_LOG_BYTES_MAX,
  parseCertificateTable,
  parseFirmwareLog,
} from '../../attestation/index.ts';
import { type Bytes, CodedError } from '../../core/index.ts';
import type { Machine } from '../attester.ts';
import type { CheckedDevices } from '../devices.ts';
import { type GuestFiles, systemCodeOf } from './files.ts';
import { createTsmReports, type TsmDeps } from './tsm.ts';

/** Linux ABI: Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest; a write extends the register. */
export const RTMR3 = '/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384';
export const CCEL = '/sys/firmware/acpi/tables/data/CCEL';
/** The bundle holds our own events beside it. */
const LOG_SENT_BYTES_MAX = EVENT_LOG_BYTES_MAX / 2;
const REPORT_DATA_BYTES = 64;
/** Rows of the host's table that a verifier has a use for; roots and lists it has its own. */
const CERTIFICATE_KINDS: readonly (string | null)[] = ['VCEK', 'VLEK', 'ASK'];

/**
 * The TD or SEV-SNP guest that this process runs in, by the kernel's own interfaces. It asks for one report at once, so
 * that a guest that can't prove itself says so before it loads a model.
 * @throws CodedError PLATFORM_UNSUPPORTED, DEADLINE_EXCEEDED, CONFIG_INVALID, as the report interface says
 */
export async function openLinuxGuest(deps: TsmDeps, devices: CheckedDevices): Promise<Machine> {
  const reports = createTsmReports(deps);
  const first = await reports.report(new Uint8Array(REPORT_DATA_BYTES));
  const { tee } = first;
  let certificates = certificatesOf(first.auxiliary);
  const quote = async (reportData: Bytes): Promise<Bytes> => {
    const made = await reports.report(reportData);
    if (made.tee !== tee) throw new CodedError('PLATFORM_UNSUPPORTED', 'the kernel’s report provider is another now');
    certificates = certificatesOf(made.auxiliary);
    return made.report;
  };
  if (tee === 'sev-snp') return { tee, extendRtmr3: null, quote, certificates: () => certificates, devices };
  const { files } = deps;
  if (!(await files.exists(RTMR3))) {
    throw new CodedError('PLATFORM_UNSUPPORTED', 'this kernel shows no measurement registers', {
      todo: 'use a kernel with CONFIG_TSM_MEASUREMENTS, 6.16 or later: the worker extends RTMR3 before it serves',
    });
  }
  const extendRtmr3 = (event: Bytes): void => files.writeNow(RTMR3, sha384(event));
  return { tee, extendRtmr3, quote, devices, firmwareLog: await firmwareLogOf(files) };
}

/** The certificates of a table that the host wrote: hints, each of them verified by whoever relies on it. */
function certificatesOf(table: Bytes | null): readonly Bytes[] {
  if (table === null) return [];
  try {
    return parseCertificateTable(table)
      .filter(({ kind }) => CERTIFICATE_KINDS.includes(kind))
      .map(({ data }) => data);
  } catch {
    return []; // the host's to write: a report is as good without
  }
}

/** The firmware's events without the fill behind them; empty where it left none that can be read. */
async function firmwareLogOf(files: GuestFiles): Promise<Bytes> {
  const none = new Uint8Array(0);
  try {
    const log = await files.read(CCEL, FIRMWARE_LOG_BYTES_MAX);
    if (log === null) return none;
    const used = log.slice(0, parseFirmwareLog(log).bytesUsed);
    return used.length > LOG_SENT_BYTES_MAX ? none : used;
  } catch (thrown) {
    if (thrown instanceof CodedError || systemCodeOf(thrown) !== '') return none;
    throw thrown;
  }
}
