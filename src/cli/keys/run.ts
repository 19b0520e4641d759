import { webcrypto } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../../core/index.ts';
import { ACCOUNT_NAME } from '../../router/index.ts';
import { readText, writeDurably } from '../compose/files.ts';
import { codedFromSystem } from '../output.ts';
import { createAuthority, type Issued, openAuthority, pkcs8 } from './authority.ts';
import { pkcs12 } from './pkcs12.ts';
import { requestedKey } from './request.ts';
import { derOf, EC_KEYS, pemOf, publicKeyInfo, RSA_KEYS, type Subject } from './x509.ts';

type Printed = Readonly<{ json?: boolean }>;

function print(options: Printed, document: object, lines: readonly string[]): void {
  process.stdout.write(`${options.json === true ? JSON.stringify(document) : lines.join('\n')}\n`);
}

export async function runCa(options: Printed & Readonly<{ ca: string; name: string; days: number }>): Promise<void> {
  const authority = await createAuthority(options.ca, options.name, options.days, Date.now());
  const nextUpdate = await authority.publish(CRL_DAYS);
  print(options, { ca: options.ca, nextUpdate }, [
    `made a CA in ${options.ca}`,
    `  ca.pem      for routers: --client-ca, and for clients of a server it issues to: --router-ca`,
    `  crl.pem     for routers: --client-crl; good until ${nextUpdate}, then: chrysalis keys crl`,
    `  ca.key.pem  its key: keep it off the router`,
  ]);
}

export const CRL_DAYS = 7;

export type IssueOptions = Printed &
  Readonly<{
    ca: string;
    account?: string;
    server?: string;
    csr?: string;
    out: string;
    days: number;
    pkcs12?: boolean;
    passphraseFile?: string;
  }>;

function subjectOf({ account, server }: IssueOptions): Exclude<Subject, { kind: 'authority' }> {
  if ((account === undefined) === (server === undefined)) {
    throw new CodedError('USAGE_INVALID', 'give --account or --server');
  }
  if (account !== undefined) {
    if (!ACCOUNT_NAME.test(account))
      throw new CodedError('USAGE_INVALID', 'an account is named in a-z, 0-9, ., _ and -');
    return { kind: 'account', account };
  }
  const hosts = (server as string).split(',');
  if (!hosts.every((host) => /^(::1|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)$/.test(host))) {
    throw new CodedError('USAGE_INVALID', '--server takes names and addresses, separated by commas');
  }
  return { kind: 'server', hosts };
}

export async function runIssue(options: IssueOptions): Promise<void> {
  const subject = subjectOf(options);
  const passphrase = passphraseOf(options);
  const authority = await openAuthority(options.ca, Date.now());
  const named = join(options.out, subject.kind === 'account' ? subject.account : (subject.hosts[0] as string));
  const files: string[] = [];
  const write = (suffix: string, content: string | Uint8Array) => {
    files.push(named + suffix);
    if (typeof content === 'string') writeDurably(named + suffix, content);
    else writeOnce(named + suffix, content);
  };
  let entry: Issued;
  if (options.csr !== undefined) {
    const issued = await authority.issue(subject, await requestedKey(readText(options.csr)), options.days);
    entry = issued.entry;
    write('.pem', pemOf('CERTIFICATE', derOf(issued.certificate)));
  } else {
    const algorithm = passphrase === null ? EC_KEYS : RSA_KEYS;
    const pair = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const issued = await authority.issue(subject, await publicKeyInfo(pair.publicKey), options.days);
    entry = issued.entry;
    const key = await pkcs8(pair.privateKey);
    if (passphrase === null) {
      write('.key.pem', pemOf('PRIVATE KEY', key));
      write('.pem', pemOf('CERTIFICATE', derOf(issued.certificate)));
    } else {
      const chain = [issued.certificate, authority.certificate];
      write('.p12', await pkcs12(key.slice().buffer, chain, passphrase));
    }
    key.fill(0);
  }
  print(options, { ...entry, files }, [
    `issued to ${entry.for}, serial ${entry.serial}, until ${entry.notAfter}`,
    ...files.map((file) => `  ${file}`),
  ]);
}

function passphraseOf(options: IssueOptions): string | null {
  if (options.pkcs12 !== true) {
    if (options.passphraseFile === undefined) return null;
    throw new CodedError('USAGE_INVALID', '--passphrase-file goes with --pkcs12');
  }
  if (options.csr !== undefined)
    throw new CodedError('USAGE_INVALID', '--pkcs12 holds a key made here, --csr one made elsewhere');
  if (options.passphraseFile === undefined) {
    throw new CodedError('USAGE_INVALID', '--pkcs12 needs --passphrase-file: its key is encrypted with it');
  }
  const passphrase = readText(options.passphraseFile).replace(/\r?\n$/, '');
  if (passphrase.length < PASSPHRASE_LEAST) {
    throw new CodedError('CONFIG_INVALID', `a passphrase has at least ${PASSPHRASE_LEAST} characters`);
  }
  return passphrase;
}

const PASSPHRASE_LEAST = 12;

function writeOnce(path: string, content: Uint8Array): void {
  try {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    writeFileSync(path, content, { mode: 0o600, flag: 'wx', flush: true });
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

export async function runRevoke(serial: string, options: Printed & Readonly<{ ca: string }>): Promise<void> {
  const authority = await openAuthority(options.ca, Date.now());
  const entry = await authority.revoke(serial);
  const nextUpdate = await authority.publish(CRL_DAYS);
  print(options, { ...entry, nextUpdate }, [
    `revoked ${entry.for}, serial ${entry.serial}`,
    `  give routers the new ${join(options.ca, 'crl.pem')}: they read it again by themselves`,
  ]);
}

export async function runCrl(options: Printed & Readonly<{ ca: string; days: number }>): Promise<void> {
  const nextUpdate = await (await openAuthority(options.ca, Date.now())).publish(options.days);
  print(options, { ca: options.ca, nextUpdate }, [`${join(options.ca, 'crl.pem')} is good until ${nextUpdate}`]);
}

export async function runIssued(options: Printed & Readonly<{ ca: string }>): Promise<void> {
  const issued = (await openAuthority(options.ca, Date.now())).issued();
  const line = (one: Issued) =>
    `${one.serial}  ${one.revokedAt === null ? `until ${one.notAfter}` : `revoked ${one.revokedAt}`}  ${one.for}`;
  print(options, { ca: options.ca, issued }, issued.length === 0 ? ['nothing was issued yet'] : issued.map(line));
}
