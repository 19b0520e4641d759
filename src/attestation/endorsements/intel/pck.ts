import { type Bytes, CodedError, DER_TAG, DerReader, type X509Certificate } from '../../../core/index.ts';

const SGX_EXTENSION = '1.2.840.113741.1.13.1';
export const TCB_COMPONENTS = 16;

/** What a PCK leaf says about its platform (Intel SGX PCK certificate profile, extension 1.2.840.113741.1.13.1). */
export type PckIdentity = Readonly<{
  ppid: Bytes;
  fmspc: Bytes;
  pceId: Bytes;
  cpuSvn: Bytes;
  pceSvn: number;
  /** 16 component SVNs. */
  components: readonly number[];
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  sgxType: number;
  /** The next four are null for certificates of the Processor CA, which have no such fields. */
  platformInstanceId: Bytes | null;
  dynamicPlatform: boolean | null;
  cachedKeys: boolean | null;
  smtEnabled: boolean | null;
}>;

type Fields = Map<string, DerReader>;

const wrong = (why: string) =>
  new CodedError('CERTIFICATE_MALFORMED', `PCK certificate: ${why}`, { extension: SGX_EXTENSION });

/** Reads `SEQUENCE OF SEQUENCE { OID, value }`; each reader stands before its value. */
function entries(list: DerReader, prefix: string, countMax: number): Fields {
  const fields: Fields = new Map();
  while (!list.done) {
    const entry = list.sequence('entry');
    const oid = entry.oid('entry');
    if (!oid.startsWith(`${prefix}.`) || fields.has(oid) || fields.size === countMax) throw wrong(`field ${oid}`);
    fields.set(oid, entry);
  }
  return fields;
}

/** Takes one field out of the list, reads it and checks that nothing follows. */
function take<T>(fields: Fields, oid: string, read: (reader: DerReader) => T): T | null {
  const reader = fields.get(oid);
  if (reader === undefined) return null;
  fields.delete(oid);
  const value = read(reader);
  reader.end();
  return value;
}

function required<T>(value: T | null, name: string): T {
  if (value === null) throw wrong(`${name} is absent`);
  return value;
}

const octets = (name: string, length: number) => (reader: DerReader) => reader.octetString(name, length);

/**
 * @param issuedByPlatformCa Platform CA leaves must carry instance id and configuration, Processor CA leaves must not.
 * @throws CodedError CERTIFICATE_MALFORMED
 */
export function parsePckIdentity(leaf: X509Certificate, issuedByPlatformCa: boolean): PckIdentity {
  try {
    return parse(leaf, issuedByPlatformCa);
  } catch (cause) {
    if (!(cause instanceof CodedError) || cause.code === 'CERTIFICATE_MALFORMED') throw cause;
    throw new CodedError('CERTIFICATE_MALFORMED', `PCK certificate: ${cause.message}`, cause.facts, { cause });
  }
}

function parse(leaf: X509Certificate, issuedByPlatformCa: boolean): PckIdentity {
  const extension = leaf.extensions.get(SGX_EXTENSION);
  if (extension === undefined) throw wrong('the SGX extension is absent');
  if (extension.critical) throw wrong('the SGX extension is critical');
  const outer = new DerReader(extension.value, 'SGX extension');
  const fields = entries(outer.sequence('extension'), SGX_EXTENSION, 7);
  outer.end();
  const field = (number: number) => `${SGX_EXTENSION}.${number}`;
  const ppid = required(take(fields, field(1), octets('PPID', 16)), 'PPID');
  const tcb = required(take(fields, field(2), parseTcb), 'TCB');
  const pceId = required(take(fields, field(3), octets('PCEID', 2)), 'PCEID');
  const fmspc = required(take(fields, field(4), octets('FMSPC', 6)), 'FMSPC');
  const readType = (reader: DerReader) => reader.smallInteger('SGX type', 2, DER_TAG.enumerated);
  const sgxType = required(take(fields, field(5), readType), 'SGX type');
  const platformInstanceId = take(fields, field(6), octets('platform instance id', 16));
  const configuration = take(fields, field(7), parseConfiguration);
  if (fields.size > 0) throw wrong('an unknown field');
  if ((platformInstanceId !== null) !== issuedByPlatformCa || (configuration !== null) !== issuedByPlatformCa) {
    throw wrong('instance id and configuration do not fit its CA');
  }
  return {
    ppid,
    fmspc,
    pceId,
    ...tcb,
    sgxType,
    platformInstanceId,
    dynamicPlatform: configuration?.dynamicPlatform ?? null,
    cachedKeys: configuration?.cachedKeys ?? null,
    smtEnabled: configuration?.smtEnabled ?? null,
  };
}

function parseTcb(reader: DerReader): Pick<PckIdentity, 'components' | 'pceSvn' | 'cpuSvn'> {
  const prefix = `${SGX_EXTENSION}.2`;
  const fields = entries(reader.sequence('TCB'), prefix, TCB_COMPONENTS + 2);
  const components = Array.from({ length: TCB_COMPONENTS }, (_, index) =>
    required(
      take(fields, `${prefix}.${index + 1}`, (value) => value.smallInteger('component', 255)),
      `TCB component ${index + 1}`,
    ),
  );
  const pceSvn = required(
    take(fields, `${prefix}.17`, (value) => value.smallInteger('PCESVN', 65_535)),
    'PCESVN',
  );
  const cpuSvn = required(take(fields, `${prefix}.18`, octets('CPUSVN', 16)), 'CPUSVN');
  return { components, pceSvn, cpuSvn };
}

function parseConfiguration(reader: DerReader) {
  const prefix = `${SGX_EXTENSION}.7`;
  const fields = entries(reader.sequence('configuration'), prefix, 3);
  const flag = (number: number) =>
    required(
      take(fields, `${prefix}.${number}`, (value) => value.boolean('configuration')),
      `configuration ${number}`,
    );
  return { dynamicPlatform: flag(1), cachedKeys: flag(2), smtEnabled: flag(3) };
}
