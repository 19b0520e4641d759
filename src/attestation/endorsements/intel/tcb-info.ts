import { type Bytes, CodedError, type Json, parseStrictJson, type UnixSeconds } from '../../../core/index.ts';
import { DocumentFields } from './document-fields.ts';
import { TCB_COMPONENTS } from './pck.ts';

export const TCB_LEVELS_MAX = 256;
export const ADVISORIES_MAX = 1024;
export const MODULE_IDENTITIES_MAX = 64;
const LABEL_CHARACTERS_MAX = 80;

/** Statuses that Intel gives a platform level. */
export const PLATFORM_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;
export type PlatformStatus = (typeof PLATFORM_STATUSES)[number];

/** Statuses that Intel gives a TDX module or a quoting enclave. */
export const SVN_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const;
export type SvnStatus = (typeof SVN_STATUSES)[number];

export type SvnLevel = Readonly<{
  isvSvn: number;
  tcbDate: UnixSeconds;
  status: SvnStatus;
  advisoryIds: readonly string[];
}>;

export type PlatformLevel = Readonly<{
  /** 16 each. */
  sgxComponents: readonly number[];
  tdxComponents: readonly number[];
  pceSvn: number;
  tcbDate: UnixSeconds;
  status: PlatformStatus;
  advisoryIds: readonly string[];
}>;

export type ModuleExpectation = Readonly<{ mrSigner: Bytes; attributes: Bytes; attributesMask: Bytes }>;
/** `id` in upper case; levels descend. */
export type ModuleIdentity = ModuleExpectation & Readonly<{ id: string; levels: readonly SvnLevel[] }>;

/** Intel TCB Info of version 3 for TDX. Levels descend, whatever order the document had. */
export type TdxTcbInfo = Readonly<{
  issueDate: UnixSeconds;
  nextUpdate: UnixSeconds;
  fmspc: Bytes;
  pceId: Bytes;
  evaluationNumber: number;
  module: ModuleExpectation;
  moduleIdentities: readonly ModuleIdentity[];
  levels: readonly PlatformLevel[];
  /** What Intel calls the 16 components (`BIOS, Early Microcode Update`); null where it gives no words. For people only. */
  sgxLabels: readonly (string | null)[];
  tdxLabels: readonly (string | null)[];
}>;

/**
 * Parses Intel's TCB Info (PCS API v4, TCB Info V3 for TDX), strictly.
 * @param text the exact signed text
 * @throws CodedError ENDORSEMENT_MALFORMED; ENDORSEMENT_MALFORMED as well for the SGX document, which is signed alike
 */
export function parseTdxTcbInfo(text: string): TdxTcbInfo {
  return tdxTcbInfoOf(parseStrictJson(text, 'tcb_info'));
}

/** {@link parseTdxTcbInfo} of a text that is parsed already. */
export function tdxTcbInfoOf(document: Json): TdxTcbInfo {
  const fields = new DocumentFields(document, 'tcb_info');
  fields.oneOf('id', ['TDX']);
  if (fields.integer('version', 1000) !== 3) throw malformed('tcb_info.version: not 3');
  fields.integer('tcbType', 0);
  const moduleIdentities = fields.has('tdxModuleIdentities')
    ? fields.list('tdxModuleIdentities', MODULE_IDENTITIES_MAX).map(parseModuleIdentity)
    : [];
  if (new Set(moduleIdentities.map(({ id }) => id)).size !== moduleIdentities.length) {
    throw malformed('tcb_info.tdxModuleIdentities: an id twice');
  }
  const listed = fields.list('tcbLevels', TCB_LEVELS_MAX);
  const levels = listed.map(parsePlatformLevel).sort(descending);
  const labels = (name: string) => listed[0]?.object('tcb').list(name, TCB_COMPONENTS).map(labelOf) ?? [];
  return {
    issueDate: fields.date('issueDate'),
    nextUpdate: fields.date('nextUpdate'),
    fmspc: fields.hex('fmspc', 6),
    pceId: fields.hex('pceId', 2),
    evaluationNumber: fields.integer('tcbEvaluationDataNumber', 2 ** 31),
    module: parseModuleExpectation(fields.object('tdxModule')),
    moduleIdentities,
    levels,
    sgxLabels: labels('sgxtcbcomponents'),
    tdxLabels: labels('tdxtcbcomponents'),
  };
}

/** The same in every level, so that one level's words do. */
function labelOf(component: DocumentFields): string | null {
  const words = ['category', 'type'].flatMap((name) => (component.has(name) ? [component.text(name)] : []));
  return words.length === 0 ? null : words.join(', ').slice(0, LABEL_CHARACTERS_MAX);
}

function malformed(message: string): CodedError {
  return new CodedError('ENDORSEMENT_MALFORMED', message);
}

function parseModuleExpectation(fields: DocumentFields): ModuleExpectation {
  return {
    mrSigner: fields.hex('mrsigner', 48),
    attributes: fields.hex('attributes', 8),
    attributesMask: fields.hex('attributesMask', 8),
  };
}

function parseModuleIdentity(fields: DocumentFields): ModuleIdentity {
  const id = fields.text('id').toUpperCase();
  if (!/^TDX_[0-9A-F]{2}$/.test(id)) throw malformed('tcb_info.tdxModuleIdentities: a malformed id');
  return { id, ...parseModuleExpectation(fields), levels: parseSvnLevels(fields, 255) };
}

/** Levels of a module or quoting enclave, descending by isvsvn. */
export function parseSvnLevels(fields: DocumentFields, svnMax: number): readonly SvnLevel[] {
  const levels = fields.list('tcbLevels', TCB_LEVELS_MAX).map((level) => ({
    isvSvn: level.object('tcb').integer('isvsvn', svnMax),
    tcbDate: level.date('tcbDate'),
    status: level.oneOf('tcbStatus', SVN_STATUSES),
    advisoryIds: level.optionalTexts('advisoryIDs', ADVISORIES_MAX),
  }));
  if (new Set(levels.map(({ isvSvn }) => isvSvn)).size !== levels.length) throw malformed('tcbLevels: an isvsvn twice');
  return levels.sort((a, b) => b.isvSvn - a.isvSvn);
}

function parsePlatformLevel(level: DocumentFields): PlatformLevel {
  const tcb = level.object('tcb');
  return {
    sgxComponents: parseComponents(tcb, 'sgxtcbcomponents'),
    tdxComponents: parseComponents(tcb, 'tdxtcbcomponents'),
    pceSvn: tcb.integer('pcesvn', 65_535),
    tcbDate: level.date('tcbDate'),
    status: level.oneOf('tcbStatus', PLATFORM_STATUSES),
    advisoryIds: level.optionalTexts('advisoryIDs', ADVISORIES_MAX),
  };
}

function parseComponents(tcb: DocumentFields, name: string): readonly number[] {
  const components = tcb.list(name, TCB_COMPONENTS);
  if (components.length !== TCB_COMPONENTS) throw malformed(`tcb_info.${name}: not ${TCB_COMPONENTS} components`);
  return components.map((component) => component.integer('svn', 255));
}

function descending(a: PlatformLevel, b: PlatformLevel): number {
  return (
    compareLists(b.sgxComponents, a.sgxComponents) ||
    compareLists(b.tdxComponents, a.tdxComponents) ||
    b.pceSvn - a.pceSvn
  );
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
