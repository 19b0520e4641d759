import { type Bytes, CodedError, parsePem, parseStrictJson } from '../../core/index.ts';
import { ACCOUNT_NAME, type ClientAccount, type ClientAccounts, createIdentities } from '../../router/index.ts';
import type { ServerTls } from '../../rpc/index.ts';
import { readBytes, readText } from './files.ts';
import { followFile } from './followed-file.ts';

export type RouterTlsOptions = Readonly<{
  tlsCertificate?: string;
  tlsKey?: string;
  clientCa?: string;
  clientCrl?: string;
  clientAccounts?: string;
  clientCertificates: 'require' | 'accept';
}>;

const LOOK_MS = 2_000;
const ACCOUNTS_MAX = 100_000;
const CHANNELS_MAX = 1_000;

/**
 * How a router shows itself, and who its clients must be. Revocation list and accounts are read again when they change.
 * @throws CodedError USAGE_INVALID for options that do not go together, CONFIG_INVALID
 */
export async function openRouterTls(options: RouterTlsOptions, report: (problem: string) => void) {
  const { tlsCertificate, tlsKey, clientCa, clientCrl, clientAccounts } = options;
  if ((tlsCertificate === undefined) !== (tlsKey === undefined)) {
    throw new CodedError('USAGE_INVALID', '--tls-certificate and --tls-key go together');
  }
  const clients = [clientCa, clientCrl, clientAccounts];
  if (clients.some((file) => file !== undefined) && (tlsCertificate === undefined || clients.includes(undefined))) {
    throw new CodedError('USAGE_INVALID', '--client-ca, --client-crl and --client-accounts go together, and with TLS');
  }
  if (tlsCertificate === undefined) return { close: () => undefined };
  const tls: ServerTls = {
    certificate: readBytes(tlsCertificate),
    key: readBytes(tlsKey as string),
    ...(clientCa === undefined ? {} : { clientAuthority: readBytes(clientCa) }),
  };
  if (clientCa === undefined) return { tls, close: () => undefined };
  const following = { everyMs: LOOK_MS, report };
  const crl = await followFile(clientCrl as string, async (text) => onlyBlock(text, 'X509 CRL'), following);
  const accounts = await followFile(clientAccounts as string, async (text) => accountsOf(text), following);
  const identities = createIdentities({
    authority: onlyBlock(readText(clientCa), 'CERTIFICATE'),
    revocations: crl.current,
    accounts: accounts.current,
    anonymous: options.clientCertificates === 'accept',
    now: Date.now,
  });
  return {
    tls,
    identities,
    close: () => {
      crl.close();
      accounts.close();
    },
  };
}

export function onlyBlock(text: string, label: 'CERTIFICATE' | 'X509 CRL'): Bytes {
  const [block] = parsePem(text, label, 1, label);
  if (block === undefined) throw new CodedError('CONFIG_INVALID', `a file holds no ${label}`);
  return block;
}

/** `{"accounts": {"name": {"channels": "any" | ["0:…", …]}}}`. @throws CodedError CONFIG_INVALID */
export function accountsOf(text: string): ClientAccounts {
  const wrong = (why: string) => new CodedError('CONFIG_INVALID', `the clients’ accounts: ${why}`);
  const { accounts } = (parseStrictJson(text, 'accounts') ?? {}) as { accounts?: unknown };
  if (typeof accounts !== 'object' || accounts === null || Array.isArray(accounts)) throw wrong('no "accounts"');
  const entries = Object.entries(accounts as Record<string, unknown>);
  if (entries.length > ACCOUNTS_MAX) throw wrong(`more than ${ACCOUNTS_MAX}`);
  return new Map(
    entries.map(([name, given]): [string, ClientAccount] => {
      const { channels } = (given ?? {}) as { channels?: unknown };
      if (!ACCOUNT_NAME.test(name)) throw wrong('a name is made of a-z, 0-9, ., _ and -');
      if (channels === 'any') return [name, { channels }];
      const listed = Array.isArray(channels) && channels.length <= CHANNELS_MAX ? (channels as unknown[]) : null;
      if (listed?.every((one) => typeof one === 'string' && /^(0|-1):[0-9a-f]{64}$/.test(one)) !== true) {
        throw wrong(`channels of ${name}: "any", or a list of at most ${CHANNELS_MAX} raw addresses`);
      }
      return [name, { channels: new Set(listed as string[]) }];
    }),
  );
}
