import { CodedError, toHex } from '../../core/index.ts';
import type { AuditRecord } from '../../router/index.ts';
import { type AdministrationLink, connectToAdministration } from '../../rpc/index.ts';
import { clientTls, type RouterDoorOptions } from '../compose/client-tls.ts';
import { writeDurably } from '../compose/files.ts';

/** @property admin `host:port` of the administration of a router of this log @property opening a file to write */
export type RecordOptions = RouterDoorOptions & Readonly<{ admin?: string; opening?: string }>;

/** Has an entry written that says what was done. @returns words for the screen; null where nobody asked for it */
export async function recorded(
  options: RecordOptions,
  record: (link: AdministrationLink) => Promise<AuditRecord>,
): Promise<string | null> {
  if (options.admin === undefined) return null;
  const link = connectToAdministration(options.admin, Date.now, clientTls(options));
  try {
    const { index, opening } = await record(link);
    if (opening === null || options.opening === undefined) return `entry ${index} says so`;
    const line = { index, field: 'by', salt: toHex(opening.salt), value: opening.account };
    writeDurably(options.opening, `${JSON.stringify(line)}\n`);
    return `entry ${index} says so; ${options.opening} shows that it was ${opening.account}: chrysalis audit open`;
  } finally {
    link.close();
  }
}

/** Before anything is done that is then not recorded. @throws CodedError USAGE_INVALID, CONFIG_INVALID */
export function checkRecordOptions(options: RecordOptions): void {
  clientTls(options);
  if (options.opening !== undefined && options.admin === undefined)
    throw new CodedError('USAGE_INVALID', '--opening goes with --admin');
}
