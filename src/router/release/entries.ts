import { sha256 } from '#crypto';
import { type Bytes, toHex, utf8 } from '../../core/index.ts';
import type { SecretRow } from '../../store/index.ts';
import type { JudgedEvidence } from '../admission-deps.ts';
import { entryOf } from '../admission-entries.ts';
import type { LogPort } from '../ports.ts';

type EntryDeps = Readonly<{ log: LogPort; source: string }>;
type Logged = Pick<SecretRow, 'secretId' | 'policyText' | 'policyDigest' | 'policyNumber'>;

/** Entries know a secret by its id alone: neither its name nor its owner's stands in the log. */
const subjectOf = ({ secretId }: Logged) => `release:${toHex(secretId)}`;
const digestText = (bytes: Uint8Array) => `sha256:${toHex(bytes)}` as const;

/** With the policy's text: who reads the log can make each release's appraisal again. */
export async function logRegistered({ log, source }: EntryDeps, row: Logged): Promise<number> {
  const blob = utf8(row.policyText);
  const body = {
    secret: toHex(row.secretId),
    policyDigest: digestText(row.policyDigest),
    number: row.policyNumber,
  };
  const draft = { type: 'secret-registered', src: source, subject: subjectOf(row), body } as const;
  return (await log.append({ ...draft, blobs: [digestText(sha256(blob))] }, { blobs: [blob] })).index;
}

export async function logRevoked({ log, source }: EntryDeps, row: Logged): Promise<number> {
  const body = { secret: toHex(row.secretId), policyDigest: digestText(row.policyDigest) };
  const draft = { type: 'secret-revoked', src: source, subject: subjectOf(row), body } as const;
  return (await log.append(draft, { idempotencyKey: `secret-revoked:${toHex(row.secretId)}` })).index;
}

export async function logReleased(
  deps: EntryDeps,
  row: Logged,
  judged: JudgedEvidence,
  bundle: Bytes,
): Promise<number> {
  const { envelope, blobs, common } = entryOf(deps, policyOf(row), judged, bundle);
  const body = { ...common, secret: toHex(row.secretId) };
  return (await deps.log.append({ ...envelope, subject: subjectOf(row), type: 'key-released', body }, { blobs })).index;
}

export async function logReleaseRefused(
  deps: EntryDeps,
  row: Logged,
  judged: JudgedEvidence,
  bundle: Bytes,
  failed: readonly string[],
): Promise<void> {
  const { envelope, blobs, common } = entryOf(deps, policyOf(row), judged, bundle);
  const failedChecks = failed.length === 0 ? ['unknown'] : failed;
  const body = { ...common, secret: toHex(row.secretId), failedChecks };
  await deps.log.append({ ...envelope, subject: subjectOf(row), type: 'key-refused', body }, { blobs });
}

const policyOf = ({ policyNumber, policyDigest }: Logged) => ({ number: policyNumber, digest: policyDigest });
