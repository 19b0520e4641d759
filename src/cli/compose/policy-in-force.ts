import { join } from 'node:path';
import { sha256 } from '#crypto';
import { type Policy, policyDigest } from '../../attestation/index.ts';
import { CodedError, KIND_OF_CODE, toHex, utf8 } from '../../core/index.ts';
import { isDigest, parseLeaf } from '../../log/index.ts';
import type { LogPort } from '../../router/index.ts';
import { readIfThere, writeDurably } from './files.ts';
import { type Followed, followFile } from './followed-file.ts';
import { loadTrust, type TrustOptions } from './trust.ts';

export type InForce = ReturnType<typeof loadTrust>;
type Options = TrustOptions & Readonly<{ data: string; name: string }>;

const LOOK_MS = 500;

/**
 * The policy in the router's file, and a later one once the file holds it: same id, higher number, published in the log and
 * seen by its witnesses first (audit promise P2). Whatever else the file comes to hold is reported and changes nothing.
 * @throws CodedError for what is wrong with it at the start
 */
export async function followPolicy(
  log: LogPort,
  options: Options,
  report: (problem: string) => void,
): Promise<Followed<InForce>> {
  let last: Policy | null = null;
  const read = async (): Promise<InForce> => {
    const next = loadTrust(options);
    if (last !== null && (next.policy.id !== last.id || next.policy.number <= last.number)) {
      const was = `${last.id} #${last.number}`;
      throw new CodedError('POLICY_INVALID', `${next.policy.id} #${next.policy.number} does not follow ${was}`, {
        field: 'number',
      });
    }
    await log.proof(await publishPolicy(log, options, next.policy, next.text));
    last = next.policy;
    return next;
  };
  return followFile(options.policy, read, { everyMs: LOOK_MS, report });
}

/** Logs the policy, once for as long as it stays in force at this router. @returns index of its entry */
async function publishPolicy(log: LogPort, options: Options, policy: Policy, text: string): Promise<number> {
  const path = join(options.data, 'policy-in-force.txt');
  const digest = `sha256:${toHex(policyDigest(policy))}` as const;
  const [last = '', lastIndex = ''] = (readIfThere(path) ?? '').trim().split(' ');
  if (last === digest && (await isPolicyEntry(log, Number(lastIndex), digest))) return Number(lastIndex);
  const { index } = await log.append(
    {
      type: 'policy-published',
      src: options.name,
      subject: `policy:${policy.id}`,
      blobs: [`sha256:${toHex(sha256(utf8(text)))}`],
      body: {
        policyDigest: digest,
        number: policy.number,
        replaces: isDigest(last) && last !== digest ? last : null,
        effectiveFromIndex: null,
        reason: 'in force at this router',
      },
    },
    // A crash before the file is written asks again with the same key; a policy that comes back later does not.
    { idempotencyKey: `policy:${options.name}:${toHex(policyDigest(policy))}:after:${lastIndex}`, blobs: [utf8(text)] },
  );
  writeDurably(path, `${digest} ${index}\n`);
  return index;
}

async function isPolicyEntry(log: LogPort, index: number, digest: string): Promise<boolean> {
  try {
    const { leaf } = parseLeaf(await log.entry(index));
    return leaf.type === 'policy-published' && (leaf.body as { policyDigest?: unknown }).policyDigest === digest;
  } catch (error) {
    if (error instanceof CodedError && KIND_OF_CODE[error.code] === 'rejected') return false; // another log than then
    throw error;
  }
}
