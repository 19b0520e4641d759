import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  INTEL_SGX_ROOT,
  type IntelCollateral,
  type IntelEndorsements,
  loadIntelEndorsements,
  type ParsedTdxQuote,
  parseIntelCollateral,
  parseTdxQuote,
  VerificationCache,
} from '../../src/attestation/index.ts';
import { readVector, readVectorJson, vectorsFolder } from '../vectors.ts';

// The shared real quotes and collateral, loaded once per test file.
type Part = { status: string; advisoryIDs: string[] };
export type Evaluation = {
  collateral: string;
  time: string;
  verdict: string;
  tcbStatus: string;
  advisoryIDs: string[];
  tcbDate?: string | null;
  reason?: string;
  components?: {
    /** Null where no level matches. */
    platform: string | null;
    platformAdvisoryIDs: string[];
    module: (Part & { id: string }) | null;
    qe: { isvsvn: number; status: string };
  };
};
export type Vector = {
  id: string;
  tee: string;
  signedAndAuthLength: number;
  quoteSha256: string;
  trailingBytes: number;
  trailingAllZero: boolean;
  expected: { verdict: string };
  pck: { fmspc: string; ppid: string } | null;
  fields: Record<string, string>;
  files: { quote: string };
  evaluations?: Evaluation[];
  policyFlags: Record<'debug' | 'septVeDisable' | 'pks' | 'keyLocker' | 'perfmon' | 'serviceTd', boolean>;
  strictPolicyFailures: string[];
};
export type CollateralVector = { id: string; file: string; time: string; expiryCases: { time: string }[] };
type Manifest = { vectors: Vector[]; collateral: CollateralVector[] };

export const corpus = vectorsFolder('tdx');
const folder = corpus ?? '';
const manifest: Manifest =
  corpus === null ? { vectors: [], collateral: [] } : readVectorJson<Manifest>(folder, 'vectors.json');
export const { vectors, collateral } = manifest;
export const tdxVectors = vectors.filter(({ tee }) => tee === 'TDX');
export const sgxVectors = vectors.filter(({ tee }) => tee === 'SGX');
/** Each evaluation with its quote. */
export const evaluations = tdxVectors.flatMap((vector) =>
  (vector.evaluations ?? []).map((evaluation) => ({ vector, evaluation, id: `${vector.id} ${evaluation.time}` })),
);

export const anchors = [INTEL_SGX_ROOT];
export const cache = new VerificationCache();
export const atOf = (time: string) => Date.parse(time) / 1000;

export function vectorOf(id: string): Vector {
  const vector = vectors.find((candidate) => candidate.id === id);
  if (vector === undefined) throw new Error(`no vector ${id}`);
  return vector;
}

export function fileOf({ files }: Vector): Uint8Array {
  return readVector(folder, files.quote);
}

export function quoteOf(vector: Vector): ParsedTdxQuote {
  return parseTdxQuote(fileOf(vector), { trailingBytes: 'report' });
}

export function collateralOf(file: string): IntelCollateral {
  return parseIntelCollateral(readFileSync(join(folder, file), 'utf8'));
}

const loaded = new Map<string, Promise<IntelEndorsements>>();
export function endorsementsOf(file: string): Promise<IntelEndorsements> {
  const held = loaded.get(file) ?? loadIntelEndorsements(collateralOf(file), anchors, cache);
  loaded.set(file, held);
  return held;
}

/** The manifest's spelling of a status. */
export const statusOf = (status: string | null) =>
  status === 'NOT_SUPPORTED' ? 'NotSupported' : (status ?? 'NotSupported');
