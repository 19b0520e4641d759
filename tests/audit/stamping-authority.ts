import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DER_TAG, DerReader, parseCertificate, parsePem, type X509Certificate } from '../../src/core/index.ts';

/** Why tests with time stamps of OpenSSL do not run here, or null; with CHRYSALIS_REQUIRE_OPENSSL that is a failure. */
export const WHY_NO_OPENSSL = ((): string | null => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return null;
  } catch {
    if (process.env.CHRYSALIS_REQUIRE_OPENSSL === '1') throw new Error('no openssl on this machine');
    return 'no openssl on this machine';
  }
})();

const KEYS = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], rsa: ['rsa:2048'] } as const;
const CA = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash';
const STAMPS = 'keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping';
const CONFIG = `[ca]
default_ca = d
[d]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = p
[p]
commonName = supplied
[tsa]
default_tsa = t
[t]
serial = serial
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
`;

type CertificateRequest = Readonly<{
  issuer?: string;
  key?: keyof typeof KEYS;
  extensions?: string;
  /** `YYYYMMDDHHMMSSZ` */
  until?: string;
}>;

/** Certificates and time stamps as OpenSSL makes them, in a folder of their own. */
export class StampingAuthority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'chrysalis-tsa-'));

  constructor() {
    this.#write('openssl.cnf', CONFIG);
    this.#write('index.txt', '');
    this.#write('serial', '01\n');
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Issues a certificate; without an issuer its own. By default one for time stamping. */
  issue(name: string, { issuer = name, key = 'ec', extensions = STAMPS, until }: CertificateRequest = {}): this {
    this.#run(
      ['req', '-new', '-newkey', ...KEYS[key], '-nodes', '-subj', `/CN=${name}`].concat([
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-config',
        this.#empty(),
      ]),
    );
    this.#write('extensions', `${issuer === name ? CA : extensions}\n`);
    const by =
      issuer === name
        ? ['-selfsign', '-keyfile', `${name}.key`]
        : ['-cert', `${issuer}.pem`, '-keyfile', `${issuer}.key`];
    this.#run(
      ['ca', '-batch', '-config', 'openssl.cnf', '-notext', '-in', `${name}.csr`, '-out', `${name}.pem`].concat([
        '-extfile',
        'extensions',
        '-startdate',
        '20200101000000Z',
        '-enddate',
        until ?? '20491231235959Z',
        ...by,
      ]),
    );
    return this;
  }

  ca(name: string, request: CertificateRequest = {}): this {
    return this.issue(name, { extensions: CA, ...request });
  }

  certificate(name: string): X509Certificate {
    return parseCertificate(
      parsePem(readFileSync(this.path(`${name}.pem`), 'utf8'), 'CERTIFICATE', 1)[0] as Uint8Array,
    );
  }

  /** A granted response of `openssl ts` over a message, with the certificates of the signer and of `chain`. */
  stamp(message: Uint8Array, signer: string, chain: readonly string[] = [], hash = 'sha256'): Uint8Array {
    this.#write('message', message);
    this.#run(['ts', '-query', '-data', 'message', `-${hash}`, '-cert', '-out', 'query']);
    const more = chain.length === 0 ? [] : ['-chain', this.#chain(chain)];
    this.#run(
      ['ts', '-reply', '-config', 'openssl.cnf', '-queryfile', 'query', '-out', 'reply', `-${hash}`].concat([
        '-signer',
        `${signer}.pem`,
        '-inkey',
        `${signer}.key`,
        ...more,
      ]),
    );
    return this.read('reply');
  }

  /** A response that any signers make of what a stamp says, whoever they are: `openssl ts` would refuse some. */
  forge(stamp: Uint8Array, signers: readonly string[], options: readonly string[] = ['-cades']): Uint8Array {
    this.#write('info', infoOf(stamp));
    this.#run(
      ['cms', '-sign', '-binary', '-nodetach', '-econtent_type', '1.2.840.113549.1.9.16.1.4', '-in', 'info']
        .concat(signers.flatMap((name) => ['-signer', `${name}.pem`, '-inkey', `${name}.key`]))
        .concat(['-md', 'sha256', '-outform', 'DER', '-out', 'cms', ...options]),
    );
    return responseOf(this.read('cms'));
  }

  read(name: string): Uint8Array {
    return Uint8Array.from(readFileSync(this.path(name)));
  }

  #chain(names: readonly string[]): string {
    this.#write('chain.pem', names.map((name) => readFileSync(this.path(`${name}.pem`), 'utf8')).join(''));
    return 'chain.pem';
  }

  #empty(): string {
    this.#write('empty.cnf', '[req]\ndistinguished_name = d\n[d]\n');
    return 'empty.cnf';
  }

  #write(name: string, content: string | Uint8Array): void {
    writeFileSync(this.path(name), content);
  }

  #run(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** The TSTInfo of a response. */
function infoOf(stamp: Uint8Array): Uint8Array {
  const answer = new DerReader(stamp, 'response').sequence('response');
  answer.any('status');
  const content = answer.sequence('token');
  content.oid('type');
  const signed = content.nested('content', 0xa0).sequence('signedData');
  signed.any('version');
  signed.any('digestAlgorithms');
  const encapsulated = signed.sequence('encapsulated');
  encapsulated.oid('type');
  return encapsulated.nested('content', 0xa0).octetString('info');
}

/** Status granted, and a token. */
function responseOf(token: Uint8Array): Uint8Array {
  return sequence(sequence(Uint8Array.of(DER_TAG.integer, 1, 0)), token);
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Uint8Array.from([DER_TAG.sequence, ...header, ...parts.flatMap((part) => [...part])]);
}
