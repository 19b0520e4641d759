import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, CodedError, fromUtf8, parseStrictJson, utf8 } from '../../core/index.ts';
import type { KeptProposal, PolicyDeskDeps } from '../../router/index.ts';
import { codedFromSystem } from '../output.ts';
import { approvalsPath } from '../policy/documents.ts';
import { readIfThere, writeDurably } from './files.ts';
import type { PolicyOptions } from './policy-in-force.ts';

/** Where a desk keeps what is proposed. */
export type PolicyShelf = Pick<PolicyDeskDeps, 'kept' | 'change'> &
  Readonly<{
    /** The newest policy that all signed, in force yet or not; null where it is the one in force. */
    newest(): Promise<Readonly<{ id: string; number: number }> | null>;
  }>;

/** For a router that shares nothing: a file in its data folder. */
export function policyFile(options: PolicyOptions): PolicyShelf {
  const path = fileOf(options);
  const read = (): KeptProposal | null => {
    const kept = readIfThere(path);
    return kept === null ? null : parseProposal(utf8(kept), path);
  };
  return {
    newest: async () => null,
    kept: async () => read(),
    async change(decide) {
      const { proposal, isComplete } = await decide(read());
      writeDurably(path, fromUtf8(encodeProposal(proposal, isComplete), path));
      if (isComplete) finishHandOver(options);
    },
  };
}

/** Does what a crash may have cut short; to be called before the router's policy is read. @throws CodedError as the disk says */
export function finishHandOver(options: PolicyOptions): void {
  const path = fileOf(options);
  const kept = readIfThere(path);
  const proposal = kept === null ? null : parseProposal(utf8(kept), path);
  if (proposal?.handedOver !== true) return;
  writePolicyFiles(options, proposal);
  try {
    rmSync(path);
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

/** Into the router's own files, signatures first: it comes into force as any policy that these files come to hold. */
export function writePolicyFiles(options: PolicyOptions, { text, approvals }: KeptProposal): void {
  writeDurably(options.policyApprovals ?? approvalsPath(options.policy), fromUtf8(approvals, 'approvals'));
  writeDurably(options.policy, text);
}

const fileOf = ({ data }: PolicyOptions) => join(data, 'policy-proposal.json');

/** @param handedOver all signed it, and nothing is to be asked any more */
export function encodeProposal({ text, approvals }: KeptProposal, handedOver = false): Bytes {
  return utf8(`${JSON.stringify({ policy: text, approvals: fromUtf8(approvals, 'approvals'), handedOver })}\n`);
}

/** @throws CodedError CONFIG_INVALID for what {@link encodeProposal} does not make */
export function parseProposal(document: Bytes, where: string): KeptProposal & Readonly<{ handedOver: boolean }> {
  const read = parseStrictJson(fromUtf8(document, where), where) ?? {};
  const { policy, approvals, handedOver } = read as Record<string, unknown>;
  if (typeof policy !== 'string' || typeof approvals !== 'string' || typeof handedOver !== 'boolean') {
    throw new CodedError('CONFIG_INVALID', `${where} is not a proposal`);
  }
  return { text: policy, approvals: utf8(approvals), handedOver };
}
