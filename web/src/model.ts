import { PINNED_ANCHORS, type TrustAnchor } from '../../src/attestation/index.ts';
import {
  type AuditReport,
  type BundleFiles,
  bundleInMemory,
  createReappraiser,
  type Entry,
  entriesOf,
  exportInMemory,
  type History,
  httpSource,
  type LogSource,
  type LogView,
  openView,
  type Reappraise,
  verifyBundle,
} from '../../src/audit/index.ts';
import { type Bytes, CodedError } from '../../src/core/index.ts';
import { type Leaf, type LogPolicy, parseLeaf, parseLogPolicy } from '../../src/log/index.ts';

/** A page holds the whole bundle in memory; larger ones are for the command line. */
export const BUNDLE_BYTES_MAX = 512 * 1024 * 1024;

/** What the auditor has given this page. @property pinned false while the keys are only what a server claims */
export type Given = Readonly<{ policyText: string; pinned: boolean; simulated: readonly TrustAnchor[] }>;

export type ReadEntry = Readonly<{ index: number; entry: Bytes; leaf: Leaf | null; known: boolean }>;

/** One audited log, as every page shows it. */
export type Model = Readonly<{
  given: Given;
  policy: LogPolicy;
  bundle: Bytes;
  files: BundleFiles;
  report: AuditReport;
  history: History;
  source: LogSource;
  /** Null where the newest checkpoint is refused: then nothing is proven. */
  view: LogView | null;
  entries: readonly ReadEntry[];
  reappraise: Reappraise;
  /** Vendors' roots that are believed. */
  anchors: readonly TrustAnchor[];
  verifiedAt: number;
}>;

export type Progress = (words: string, done: number, of: number) => void;

/** Takes a log over HTTP into a bundle, which is then checked like any other. */
export async function fetchBundle(url: string, policyText: string, progress: Progress): Promise<Bytes> {
  const policy = parseLogPolicy(policyText);
  return exportInMemory(
    httpSource(url, (input, init) => fetch(input, init)),
    {
      policy,
      by: 'this browser',
      purpose: 'reading',
      tool: 'auditor’s console',
      progress: (done, of) => progress('reading archived files', done, of),
    },
  );
}

/** Checks a bundle with what the auditor gave. @throws CodedError where it cannot even be read */
export async function auditBundle(bundle: Bytes, given: Given, now: number, progress: Progress): Promise<Model> {
  const policy = parseLogPolicy(given.policyText);
  const files = await bundleInMemory(new Blob([bundle]).stream() as ReadableStream<Uint8Array>, BUNDLE_BYTES_MAX);
  const anchors = [...PINNED_ANCHORS, ...given.simulated];
  const reappraise = createReappraiser(anchors);
  const { report, history, source } = await verifyBundle(
    files,
    { policy, anchors, approvers: null, signers: null },
    { reappraise, progress: (stage, done, of) => progress(`checking ${stage}`, done, of) },
  );
  const view = await openView(source, policy).catch((error: unknown) => {
    if (error instanceof CodedError) return null; // the report says why
    throw error;
  });
  const entries: ReadEntry[] = [];
  try {
    for await (const some of entriesOf(source, report.from, report.to, report.to)) entries.push(...some.map(read));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error; // the report says what is missing
  }
  return { given, policy, bundle, files, report, history, source, view, entries, reappraise, anchors, verifiedAt: now };
}

function read({ index, entry }: Entry): ReadEntry {
  try {
    const { leaf, known } = parseLeaf(entry);
    return { index, entry, leaf: leaf as Leaf, known };
  } catch {
    return { index, entry, leaf: null, known: false };
  }
}

export function isSimulated(model: Model): boolean {
  return model.entries.some(({ leaf }) =>
    String((leaf?.body as { platform?: unknown })?.platform ?? '').includes('simulated'),
  );
}

/** Text of a field of an entry's body, or nothing. */
export function bodyText(leaf: Leaf | null, field: string): string {
  const value = (leaf?.body as Readonly<Record<string, unknown>> | undefined)?.[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
