import { webcrypto } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as pkijs from 'pkijs';
import { CodedError, parsePem, rfc3339 } from '../../core/index.ts';
import { readText, systemRandomness, writeDurably } from '../compose/files.ts';
import {
  certificateFor,
  derOf,
  EC_KEYS,
  type Issuer,
  pemOf,
  publicKeyInfo,
  revocationList,
  type Subject,
  type Validity,
} from './x509.ts';

/** One certificate that this CA issued. */
export type Issued = Readonly<{
  serial: string;
  for: string;
  notAfter: string;
  revokedAt: string | null;
}>;
type Register = Readonly<{ crlNumber: number; issued: readonly Issued[] }>;

const FILES = { certificate: 'ca.pem', key: 'ca.key.pem', revocations: 'crl.pem', register: 'issued.json' };
const DAY_MS = 86_400_000;
/** A clock that is a little behind takes a new certificate too. */
const BACKDATE_MS = 5 * 60_000;
const ISSUED_MAX = 32_768;

export type Authority = Readonly<{
  issued(): readonly Issued[];
  certificate: pkijs.Certificate;
  /** @throws CodedError CONFIG_INVALID when it has issued {@link ISSUED_MAX} */
  issue(
    subject: Subject,
    key: pkijs.PublicKeyInfo,
    days: number,
  ): Promise<Readonly<{ certificate: pkijs.Certificate; entry: Issued }>>;
  /** @throws CodedError NOT_FOUND */
  revoke(serial: string): Promise<Issued>;
  /** Signs the list anew, for so many days. @returns its nextUpdate */
  publish(days: number): Promise<string>;
}>;

const validity = (now: number, days: number): Validity => ({
  from: new Date(now - BACKDATE_MS),
  until: new Date(now + days * DAY_MS),
});
const serialNumber = (): Uint8Array => {
  const serial = systemRandomness(16);
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
};
const second = (at: Date) => rfc3339(Math.floor(at.getTime() / 1000));

/** A new CA in an empty folder: its key never leaves it. @throws CodedError CONFIG_INVALID where there is one */
export async function createAuthority(folder: string, name: string, days: number, now: number): Promise<Authority> {
  if (existsSync(join(folder, FILES.key))) throw new CodedError('CONFIG_INVALID', `${folder} holds a CA already`);
  const { publicKey, privateKey } = await webcrypto.subtle.generateKey(EC_KEYS, true, ['sign', 'verify']);
  const info = await publicKeyInfo(publicKey);
  const own = { certificate: null, key: privateKey };
  const certificate = await certificateFor({ kind: 'authority', name }, info, own, serialNumber(), validity(now, days));
  writeDurably(join(folder, FILES.key), pemOf('PRIVATE KEY', await pkcs8(privateKey)));
  writeDurably(join(folder, FILES.certificate), pemOf('CERTIFICATE', derOf(certificate)));
  writeDurably(join(folder, FILES.register), `${JSON.stringify({ crlNumber: 0, issued: [] } satisfies Register)}\n`);
  return openAuthority(folder, now);
}

export async function pkcs8(key: webcrypto.CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key));
}

/** @throws CodedError CONFIG_INVALID, or as the system says */
export async function openAuthority(folder: string, now: number): Promise<Authority> {
  const [der] = parsePem(readText(join(folder, FILES.certificate)), 'CERTIFICATE', 1, 'CA');
  const certificate = pkijs.Certificate.fromBER(der as Uint8Array<ArrayBuffer>);
  const secret = readText(join(folder, FILES.key)).replace(/-----[A-Z ]+-----|\s/g, '');
  const key = await webcrypto.subtle.importKey('pkcs8', Buffer.from(secret, 'base64'), EC_KEYS, false, ['sign']);
  const by: Issuer = { certificate, key };
  let register = JSON.parse(readText(join(folder, FILES.register))) as Register;
  const keep = (next: Register) => {
    writeDurably(join(folder, FILES.register), `${JSON.stringify(next)}\n`);
    register = next;
  };
  return {
    certificate,
    issued: () => register.issued,
    async issue(subject, publicKey, days) {
      if (register.issued.length >= ISSUED_MAX) {
        throw new CodedError('CONFIG_INVALID', `a CA issues at most ${ISSUED_MAX} certificates: make another`);
      }
      const serial = serialNumber();
      const period = validity(now, days);
      const issued = await certificateFor(subject, publicKey, by, serial, period);
      const entry: Issued = {
        serial: Buffer.from(serial).toString('hex'),
        for: subject.kind === 'account' ? `account ${subject.account}` : `server ${alternatives(subject)}`,
        notAfter: second(period.until),
        revokedAt: null,
      };
      // Written before it is handed out: one that is not in the register could not be revoked.
      keep({ ...register, issued: [...register.issued, entry] });
      return { certificate: issued, entry };
    },
    async revoke(serial) {
      const found = register.issued.find((one) => one.serial === serial);
      if (found === undefined) throw new CodedError('NOT_FOUND', 'this CA issued no certificate of that serial number');
      const entry = { ...found, revokedAt: found.revokedAt ?? second(new Date(now)) };
      keep({ ...register, issued: register.issued.map((one) => (one === found ? entry : one)) });
      return entry;
    },
    async publish(days) {
      const period = validity(now, days);
      keep({ ...register, crlNumber: register.crlNumber + 1 });
      const revoked = register.issued.flatMap(({ serial, revokedAt }) =>
        revokedAt === null ? [] : [{ serial, at: new Date(revokedAt) }],
      );
      const list = await revocationList(by, register.crlNumber, revoked, period);
      writeDurably(join(folder, FILES.revocations), pemOf('X509 CRL', derOf(list)));
      return second(period.until);
    },
  };
}

const alternatives = (subject: Subject) => (subject.kind === 'server' ? subject.hosts.join(' ') : '');
