import { createPolicyDesk, type PolicyDesk } from '../../router/index.ts';
import { readKeys } from '../audit/trust.ts';
import type { PolicyOptions } from './policy-in-force.ts';
import { type PolicyShelf, policyFile } from './policy-shelf.ts';

/**
 * Where this router's policies are proposed: in a file of its own, or on a shelf that replicas share.
 * @returns null where nobody is named who may sign
 */
export function openPolicyDesk(
  options: PolicyOptions,
  inForce: () => Readonly<{ id: string; number: number }>,
  shelf: PolicyShelf = policyFile(options),
): PolicyDesk | null {
  const { policyApprovers } = options;
  if (policyApprovers === undefined) return null;
  const { kept, change } = shelf;
  return createPolicyDesk({
    approvers: () => readKeys(policyApprovers),
    newest: async () => {
      const [shelved, own] = [await shelf.newest(), inForce()];
      return shelved !== null && shelved.number > own.number ? shelved : own;
    },
    kept,
    change,
  });
}
