import { z } from 'zod';
import { AcceptedUntil, hex, listOf } from './schema.ts';

const MEASUREMENT = hex(48);
const YEAR_SECONDS = 366 * 86_400;
/** Levels are dated by when they were new, which is a year or more before they are OutOfDate. */
const Grace = z
  .int()
  .min(0)
  .max(5 * YEAR_SECONDS);
const Choice = z.enum(['allow', 'refuse']);

/** Reference Values of one image, accepted as a tuple: registers of two images never mix. */
const Image = z.strictObject({
  name: z.string().min(1).max(64),
  mrTd: MEASUREMENT,
  rtmr0: MEASUREMENT,
  rtmr1: MEASUREMENT,
  rtmr2: MEASUREMENT,
  mrConfigId: MEASUREMENT,
  mrOwner: MEASUREMENT,
  mrOwnerConfig: MEASUREMENT,
  acceptedUntil: AcceptedUntil,
});

/** Statuses that somebody may want to accept. Revoked and NotSupported are none of them. */
const TcbStatus = z.enum([
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
]);

/** Bits of TDATTRIBUTES that a policy may allow beside SEPT_VE_DISABLE; the others are always refused. */
const OptionalAttribute = z.enum(['LASS', 'PKS', 'KL', 'PERFMON']);

/** What a policy says of a TD and its platform (docs/tdx.md). */
export const Tdx = z.strictObject({
  tcbStatuses: listOf(TcbStatus),
  tcbEvaluationDataNumberMin: z.int().min(0).max(65_535),
  advisoriesDenied: listOf(z.string().min(1).max(64)),
  /**
   * An OutOfDate level counts as up to date while its own date is no longer ago than this, as Intel's appraisal engine
   * has it: time in which an update can be rolled out. Each source has its own; 0 allows none.
   */
  tcbGraceSeconds: z.strictObject({ platform: Grace, module: Grace, qe: Grace }),
  /** TCB info and QE identity issued longer ago are refused, also while they are current. */
  collateralAgeSecondsMax: z.int().min(3600).max(YEAR_SECONDS),
  /** MRSEAM of the TDX modules that are accepted, or any that Intel's TCB info names. */
  modules: z.union([z.literal('any'), listOf(MEASUREMENT)]),
  /** What the PCK certificate says of the host; hosts of the Processor CA say nothing, and `refuse` refuses them. */
  host: z.strictObject({ dynamicPlatform: Choice, cachedKeys: Choice, smt: Choice }),
  images: listOf(Image),
  tdAttributes: z.strictObject({
    debug: z.literal('refuse'),
    septVeDisable: z.literal('require'),
    serviceTd: z.literal('refuse'),
    alsoAllowed: listOf(OptionalAttribute),
  }),
  /** XFAM may set these bits and no others, 8 bytes as in the TD report. */
  xfamAllowed: hex(8),
  /** PPIDs, 16 bytes each, or any genuine platform. */
  platforms: z.union([z.literal('any'), listOf(hex(16))]),
});

export type ReferenceImage = Readonly<z.infer<typeof Image>>;
