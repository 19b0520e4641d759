import {
  BUNDLE_CHARACTERS_MAX,
  BUNDLE_VALUES_MAX,
  type CollateralEvent,
  type CollateralService,
  documentsOfIntelSet,
  encodeCollateralBundle,
  isCollateralBundle,
  type PckCa,
} from '../../attestation/collateral/index.ts';
import { intelCollateralOf, PINNED_ANCHORS, type TrustAnchor } from '../../attestation/index.ts';
import { CodedError, fromUtf8, parseStrictJson } from '../../core/index.ts';
import type { VendorFlags } from '../commands/vendor-options.ts';
import { openService, reportKeptOnStderr } from '../compose/collateral-service.ts';
import { readBounded, writeDurably } from '../compose/files.ts';
import { EXIT, painter, wantsColour } from '../output.ts';
import { callerAnchor, parseInstant } from '../verify/request.ts';
import {
  collateralForEvidence,
  FETCHED_KINDS,
  type FetchedKind,
  forAllPurposes,
  intelCollateralWithNext,
} from './for-evidence.ts';
import { collateralDocument, formatDocuments } from './print.ts';

const EVIDENCE_FILES_MAX = 64;

type Common = Readonly<{ json?: boolean; trustAnchor?: readonly string[] }>;
export type FetchFlags = VendorFlags & Common & Readonly<{ kind?: FetchedKind; fmspc?: string; ca: PckCa }>;
export type ShowFlags = Common & Readonly<{ at?: string }>;
export type BundleFlags = Common & Readonly<{ out: string }>;

/** `chrysalis collateral fetch`. @throws CodedError of kind unavailable where a document can't be had */
export async function fetch(files: readonly string[], flags: FetchFlags): Promise<void> {
  if (files.length > EVIDENCE_FILES_MAX) {
    throw new CodedError('USAGE_INVALID', `at most ${EVIDENCE_FILES_MAX} files at a time`);
  }
  if (files.length > 0 && flags.kind === undefined) {
    throw new CodedError('USAGE_INVALID', `--kind is missing: ${FETCHED_KINDS.join(', ')}`);
  }
  const anchors = anchorsOf(flags);
  const disk = diskFailures();
  const service = await openService({ urls: flags, anchors, bundlePath: flags.bundle, report: disk.report });
  disk.check(); // a bundle that cannot be read is not written over
  for (const file of files) await fetchFor(service, file, flags, anchors);
  const { fmspc, ca, update: channel } = flags;
  if (fmspc !== undefined) await intelCollateralWithNext(service, { fmspc, ca, channel });
  if (files.length === 0 && fmspc === undefined) {
    if (service.documents().length === 0) {
      throw new CodedError('USAGE_INVALID', `name evidence or a platform: ${flags.bundle} holds nothing to fetch anew`);
    }
    await service.prefetch();
  }
  await service.flush();
  disk.check();
  print(service, Date.now(), flags);
}

async function fetchFor(
  service: CollateralService,
  file: string,
  flags: FetchFlags,
  anchors: readonly TrustAnchor[] | null,
): Promise<void> {
  const { kind = 'tdx-quote', line = null, update: channel } = flags;
  const found = await collateralForEvidence(service, { kind, evidence: readInput(file), anchors, line, channel });
  if (found !== null) return;
  const todo = 'chrysalis verify says what is wrong with it';
  throw new CodedError('EVIDENCE_MALFORMED', `${file} is no ${kind} of a platform whose vendor is trusted`, { todo });
}

/** `chrysalis collateral show`. @throws CodedError for a bundle that is malformed or not genuine */
export async function show(file: string, flags: ShowFlags): Promise<void> {
  const at = flags.at === undefined ? Date.now() : parseInstant(flags.at) * 1000;
  const service = await openService({ urls: null, anchors: anchorsOf(flags), now: () => at });
  await importFile(service, file, flags);
  print(service, at, flags);
}

/** `chrysalis collateral bundle`. @throws CodedError as {@link show}; then nothing is written */
export async function bundle(files: readonly string[], flags: BundleFlags): Promise<void> {
  const service = await openService({ urls: null, anchors: anchorsOf(flags) });
  for (const file of files) await importFile(service, file, flags);
  writeDurably(flags.out, service.exportBundle());
  print(service, Date.now(), flags);
}

function anchorsOf({ trustAnchor }: Common): readonly TrustAnchor[] | null {
  return forAllPurposes(trustAnchor?.map(callerAnchor) ?? null);
}

/** What the service only reports, since it can do without its disk, is what this command is for. */
function diskFailures() {
  let failure: CodedError | null = null;
  return {
    report: (event: CollateralEvent): void => {
      if (event.event === 'diskFailed') failure ??= new CodedError(event.code, event.why);
      else reportKeptOnStderr(event);
    },
    check: (): void => {
      if (failure !== null) throw failure;
    },
  };
}

function readInput(path: string): Uint8Array {
  const bytes = readBounded(path, BUNDLE_CHARACTERS_MAX);
  if (bytes !== null) return bytes;
  throw new CodedError('USAGE_INVALID', `an input file has at most ${BUNDLE_CHARACTERS_MAX} bytes`, { path });
}

/** A bundle, or one platform's collateral under the names that Intel's clients share. */
async function importFile(service: CollateralService, path: string, common: Common): Promise<void> {
  const text = fromUtf8(readInput(path), 'collateral');
  const value = parseStrictJson(text, 'collateral', BUNDLE_VALUES_MAX);
  const bundled = isCollateralBundle(value)
    ? text
    : encodeCollateralBundle(await documentsOfIntelSet(intelCollateralOf(value), anchorsOf(common) ?? PINNED_ANCHORS));
  await service.importBundle(bundled);
}

function print(service: CollateralService, nowMs: number, { json }: Common): void {
  const documents = service.documents();
  const colour = wantsColour(process.stdout, process.env, !process.argv.includes('--no-color'));
  const width = Math.min(process.stdout.columns ?? 120, 140);
  const text =
    json === true
      ? `${JSON.stringify(collateralDocument(documents))}\n`
      : formatDocuments(documents, Math.floor(nowMs / 1000), painter(colour), width);
  process.stdout.write(text);
  process.exitCode = documents.every(({ isCurrent }) => isCurrent) ? EXIT.accepted : EXIT.unavailable;
}
