import { CodedError } from '../core/index.ts';
import type { Identities } from './identities.ts';

export const ADMINISTRATOR_ROLES = ['operator', 'policy-author', 'approver', 'auditor'] as const;
export type AdministratorRole = (typeof ADMINISTRATOR_ROLES)[number];

/** Who may call what; whatever is not here nobody may. */
export const ROLES_OF = {
  ListWorkers: ADMINISTRATOR_ROLES,
  GetStatus: ADMINISTRATOR_ROLES,
  GetPolicy: ADMINISTRATOR_ROLES,
  DrainWorker: ['operator'],
  ProposePolicy: ['policy-author'],
  ApprovePolicy: ['approver'],
  GetProposal: ['policy-author', 'approver', 'auditor'],
  RecordExport: ['auditor'],
  RecordReview: ['auditor'],
} as const satisfies Record<string, readonly AdministratorRole[]>;
export type AdministrationMethod = keyof typeof ROLES_OF;

/** Roles by account, as certificates name it. */
export type AdministratorRoles = ReadonlyMap<string, readonly AdministratorRole[]>;

/** Decides who may administer a router. */
export type Administrators = Readonly<{
  /**
   * The account that calls.
   * @param certificate DER, as TLS proved it; null without one
   * @throws CodedError IDENTITY_REFUSED, IDENTITY_UNKNOWN as clients are, ROLE_REFUSED for an account without the role
   */
  permit(certificate: Uint8Array | null, method: AdministrationMethod): string;
}>;

/** @param identities of those that have a role; nobody comes without a certificate */
export function createAdministrators(identities: Identities, roles: () => AdministratorRoles): Administrators {
  return {
    permit(certificate, method) {
      const account = identities.admit(certificate, null);
      const own = account === null ? [] : (roles().get(account) ?? []);
      const wanted: readonly AdministratorRole[] = ROLES_OF[method];
      if (account !== null && own.some((role) => wanted.includes(role))) return account;
      throw new CodedError('ROLE_REFUSED', `${method} is for the role ${wanted.join(' or ')}`, { method });
    },
  };
}
