import type { Environment } from '@marcbachmann/cel-js';
import { toHex } from '../../core/index.ts';
import type { EvidenceBundle } from '../evidence/composite/index.ts';
import type { ParsedSnpReport } from '../evidence/snp/index.ts';
import type { ParsedTdxQuote } from '../evidence/tdx/index.ts';
import type { SnpTcbs, TdxTcb } from '../verify/index.ts';
import type { AttestedDevice } from './gpu.ts';

/** Fields of a TD report that rules may name; lower-case hexadecimal. */
const TDX_FIELDS = [
  'teeTcbSvn',
  'mrSeam',
  'tdAttributes',
  'xfam',
  'mrTd',
  'mrConfigId',
  'mrOwner',
  'mrOwnerConfig',
  'rtmr0',
  'rtmr1',
  'rtmr2',
  'rtmr3',
] as const;
/** Fields of an SNP report that rules may name; lower-case hexadecimal. */
const SNP_FIELDS = [
  'measurement',
  'hostData',
  'familyId',
  'imageId',
  'idKeyDigest',
  'authorKeyDigest',
  'chipId',
] as const;
const SNP_TCBS = ['reported', 'current', 'committed', 'launch'] as const;

const hexOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'string']));

const TDX = {
  ...hexOf(TDX_FIELDS),
  status: 'string',
  advisoryIds: 'list<string>',
  evaluationNumber: 'int',
} as const;
const SNP = {
  ...hexOf(SNP_FIELDS),
  line: 'string',
  version: 'int',
  guestSvn: 'int',
  vmpl: 'int',
  signer: 'string',
  provisional: 'bool',
  ...Object.fromEntries(SNP_TCBS.map((name) => [name, 'map<string, int>'])),
};

/** What rules may speak of, with its types: an expression that names anything else is refused when the policy is read. */
export function declareClaims(environment: Environment): Environment {
  return environment
    .registerVariable('tee', 'string')
    .registerVariable('simulated', 'bool')
    .registerVariable('model', 'string')
    .registerVariable('platform', 'string')
    .registerVariable('now', 'google.protobuf.Timestamp')
    .registerVariable('devices', 'list<map<string, string>>')
    .registerVariable({ name: 'tdx', schema: TDX })
    .registerVariable({ name: 'snp', schema: SNP });
}

/** `tdx` or `snp`, of genuine evidence. */
export type CpuClaims = Readonly<{ tdx: object }> | Readonly<{ snp: object }>;
export type RuleClaims = Readonly<Record<string, unknown>>;

/** What each rule can ask of the whole bundle. */
export function ruleClaims(
  bundle: EvidenceBundle,
  cpu: CpuClaims,
  facts: Readonly<{ devices: readonly AttestedDevice[]; simulated: boolean; platformId: Uint8Array | null }>,
): RuleClaims {
  return {
    tee: bundle.tee,
    simulated: facts.simulated,
    model: toHex(bundle.modelDigest),
    platform: facts.platformId === null ? '' : toHex(facts.platformId),
    devices: facts.devices.map((device) =>
      Object.fromEntries(Object.entries(device).map(([name, value]) => [name, value ?? ''])),
    ),
    ...cpu,
  };
}

export function tdxClaims({ report }: Pick<ParsedTdxQuote, 'report'>, tcb: TdxTcb | null): CpuClaims {
  return {
    tdx: {
      ...Object.fromEntries(TDX_FIELDS.map((name) => [name, toHex(report[name])])),
      status: tcb?.status ?? 'unknown',
      advisoryIds: [...(tcb?.advisoryIds ?? [])],
      // The lesser: a floor must hold for both documents.
      evaluationNumber: BigInt(Math.min(tcb?.tcbInfoEvaluationNumber ?? 0, tcb?.qeIdentityEvaluationNumber ?? 0)),
    },
  };
}

export function snpClaims(report: ParsedSnpReport, tcbs: SnpTcbs | null): CpuClaims {
  const parts = (name: (typeof SNP_TCBS)[number]) =>
    Object.fromEntries(Object.entries(tcbs?.[name] ?? {}).map(([part, svn]) => [part, BigInt(svn)]));
  return {
    snp: {
      ...Object.fromEntries(SNP_FIELDS.map((name) => [name, toHex(report[name])])),
      line: tcbs?.line ?? 'unknown',
      version: BigInt(report.version),
      guestSvn: BigInt(report.guestSvn),
      vmpl: BigInt(report.vmpl),
      signer: report.signer,
      provisional: tcbs?.provisional ?? true,
      ...Object.fromEntries(SNP_TCBS.map((name) => [name, parts(name)])),
    },
  };
}
