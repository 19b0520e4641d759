import { isIP } from 'node:net';
import { CodedError, parseStrictJson } from '../../core/index.ts';
import {
  ACCOUNT_NAME,
  ADMINISTRATOR_ROLES,
  type AdministratorRole,
  type AdministratorRoles,
  type Administrators,
  createAdministrators,
  createIdentities,
} from '../../router/index.ts';
import type { ServerTls } from '../../rpc/index.ts';
import { readBytes, readText } from './files.ts';
import { followFile } from './followed-file.ts';
import { onlyBlock, type RouterTlsOptions } from './router-tls.ts';

export type AdminDoorOptions = RouterTlsOptions &
  Readonly<{
    adminHost: string;
    adminCa?: string;
    adminCrl?: string;
    adminRoles?: string;
  }>;

/** Where administration is served, and to whom; whoever reaches it on loopback where `administrators` is null. */
export type AdminDoor = Readonly<{
  host: string;
  tls?: ServerTls;
  administrators: Administrators | null;
  close(): void;
}>;

const LOOK_MS = 2_000;
const ACCOUNTS_MAX = 10_000;

/**
 * Roles and revocation list are read again when they change.
 * @throws CodedError USAGE_INVALID for options that do not go together, CONFIG_INVALID
 */
export async function openAdminDoor(options: AdminDoorOptions, report: (problem: string) => void): Promise<AdminDoor> {
  const { adminHost: host, adminRoles, tlsCertificate, tlsKey } = options;
  const ca = options.adminCa ?? options.clientCa;
  const revoked = options.adminCrl ?? options.clientCrl;
  if (adminRoles === undefined) {
    if (options.adminCa !== undefined || options.adminCrl !== undefined) {
      throw new CodedError('USAGE_INVALID', '--admin-ca and --admin-crl go with --admin-roles');
    }
    if (!isLoopback(host)) {
      const why = `administration beyond loopback (--admin-host ${host}) is for people with roles: --admin-roles`;
      throw new CodedError('USAGE_INVALID', why, { field: 'adminHost' });
    }
    return { host, administrators: null, close: () => undefined };
  }
  if (tlsCertificate === undefined || tlsKey === undefined || ca === undefined || revoked === undefined) {
    const why = '--admin-roles needs TLS (--tls-certificate, --tls-key), --admin-ca and --admin-crl';
    throw new CodedError('USAGE_INVALID', why, { field: 'adminRoles' });
  }
  const following = { everyMs: LOOK_MS, report };
  const crl = await followFile(revoked, async (text) => onlyBlock(text, 'X509 CRL'), following);
  const roles = await followFile(adminRoles, async (text) => rolesOf(text), following);
  const identities = createIdentities({
    authority: onlyBlock(readText(ca), 'CERTIFICATE'),
    revocations: crl.current,
    // Whoever has a role is known; channels are nothing to an administrator.
    accounts: () => new Map([...roles.current().keys()].map((name) => [name, { channels: new Set<string>() }])),
    anonymous: false,
    now: Date.now,
  });
  return {
    host,
    tls: { certificate: readBytes(tlsCertificate), key: readBytes(tlsKey), clientAuthority: readBytes(ca) },
    administrators: createAdministrators(identities, roles.current),
    close: () => {
      crl.close();
      roles.close();
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** `{"accounts": {"name": {"roles": ["operator"]}}}`. @throws CodedError CONFIG_INVALID */
export function rolesOf(text: string): AdministratorRoles {
  const wrong = (why: string) => new CodedError('CONFIG_INVALID', `the administrators’ roles: ${why}`);
  const { accounts } = (parseStrictJson(text, 'roles') ?? {}) as { accounts?: unknown };
  if (typeof accounts !== 'object' || accounts === null || Array.isArray(accounts)) throw wrong('no "accounts"');
  const entries = Object.entries(accounts as Record<string, unknown>);
  if (entries.length > ACCOUNTS_MAX) throw wrong(`more than ${ACCOUNTS_MAX}`);
  const known: readonly string[] = ADMINISTRATOR_ROLES;
  return new Map(
    entries.map(([name, given]): [string, readonly AdministratorRole[]] => {
      const { roles } = (given ?? {}) as { roles?: unknown };
      if (!ACCOUNT_NAME.test(name)) throw wrong('a name is made of a-z, 0-9, ., _ and -');
      if (!Array.isArray(roles) || !roles.every((role) => known.includes(role as string))) {
        throw wrong(`roles of ${name}: a list of ${known.join(', ')}`);
      }
      return [name, roles as AdministratorRole[]];
    }),
  );
}
