import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, fromUtf8, parseStrictJson, utf8 } from '../../core/index.ts';
import { createPolicyDesk, type KeptProposal, type PolicyDesk } from '../../router/index.ts';
import { readKeys } from '../audit/trust.ts';
import { codedFromSystem } from '../output.ts';
import { approvalsPath } from '../policy/documents.ts';
import { readIfThere, writeDurably } from './files.ts';
import type { PolicyOptions } from './policy-in-force.ts';

type Kept = KeptProposal & Readonly<{ handedOver: boolean }>;

/**
 * What is proposed to this router lies in its data folder. A policy that all signed is written to the router's own files,
 * signatures first, and comes into force as any policy that those files come to hold.
 * @returns null where nobody is named who may sign
 * @throws CodedError as the disk says, where the hand-over that a crash cut short can't be finished
 */
export function openPolicyDesk(
  options: PolicyOptions,
  inForce: () => Readonly<{ id: string; number: number }>,
): PolicyDesk | null {
  const { policyApprovers } = options;
  return policyApprovers === undefined
    ? null
    : createPolicyDesk({
        approvers: () => readKeys(policyApprovers),
        inForce,
        kept: () => read(options),
        keep: (proposal) => write(options, { ...proposal, handedOver: false }),
        handOver: (proposal) => {
          write(options, { ...proposal, handedOver: true });
          finishHandOver(options);
        },
      });
}

/** Does what a crash may have cut short; to be called before the router's policy is read. @throws CodedError as the disk says */
export function finishHandOver(options: PolicyOptions): void {
  const kept = read(options);
  if (kept?.handedOver !== true) return;
  const approvals = fromUtf8(kept.approvals, 'approvals');
  writeDurably(options.policyApprovals ?? approvalsPath(options.policy), approvals);
  writeDurably(options.policy, kept.text);
  try {
    rmSync(fileOf(options));
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

const fileOf = ({ data }: PolicyOptions) => join(data, 'policy-proposal.json');

function write(options: PolicyOptions, { text, approvals, handedOver }: Kept): void {
  const document = { policy: text, approvals: fromUtf8(approvals, 'approvals'), handedOver };
  writeDurably(fileOf(options), `${JSON.stringify(document)}\n`);
}

/** @throws CodedError CONFIG_INVALID for a file that is not what {@link write} writes */
function read(options: PolicyOptions): Kept | null {
  const path = fileOf(options);
  const kept = readIfThere(path);
  if (kept === null) return null;
  const { policy, approvals, handedOver } = (parseStrictJson(kept, path) ?? {}) as Record<string, unknown>;
  if (typeof policy !== 'string' || typeof approvals !== 'string' || typeof handedOver !== 'boolean') {
    throw new CodedError('CONFIG_INVALID', `${path} is not a proposal`);
  }
  return { text: policy, approvals: utf8(approvals), handedOver };
}
