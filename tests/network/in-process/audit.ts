import type { TrustAnchor } from '../../../src/attestation/index.ts';
import { createReappraiser, EntriesWalk, type Finding, type LogSource, newTallies } from '../../../src/audit/index.ts';
import { parseLogPolicy } from '../../../src/log/index.ts';
import type { Log } from '../../../src/log/writer/index.ts';

/** What an auditor who reads all of a log finds. */
export async function auditOf(
  log: Log,
  logPolicyText: string,
  anchors: readonly TrustAnchor[],
): Promise<readonly Finding[]> {
  const to = log.head().size;
  const source = { blob: (digest) => log.blobs.get(digest) } as LogSource;
  const trust = { policy: parseLogPolicy(logPolicyText), anchors, approvers: null, signers: null };
  const deps = { reappraise: createReappraiser(anchors) };
  const manifest = { from: 0, to, absent: [] };
  const walk = new EntriesWalk({ source, manifest, seen: [], trust, deps }, newTallies());
  for (const [index, { entry }] of (await log.entries(0, to)).entries()) await walk.entry(index, entry);
  await walk.end();
  return walk.findings;
}
