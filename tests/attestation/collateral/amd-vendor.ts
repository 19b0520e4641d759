import * as crypto from 'node:crypto';
import { AMD_TCB_PARTS } from '../../../src/attestation/collateral/amd-tcb.ts';
import type { SnpLine, SnpTcb, SnpTcbPart } from '../../../src/attestation/index.ts';
import * as der from '../../../src/attestation/simulate/der.ts';
import { type Bytes, concat, toBase64 } from '../../../src/core/index.ts';

/** AMD's keys have 4096 bits; a test's need only be long enough for the padding. */
const RSA_BITS = 1024;
const NOT_BEFORE = Date.UTC(2022, 0, 1) / 1000;
const NOT_AFTER = Date.UTC(2045, 0, 1) / 1000;

const SHA384 = der.sequence(der.oid('2.16.840.1.101.3.4.2.2'));
const PSS = der.sequence(
  der.oid('1.2.840.113549.1.1.10'),
  der.sequence(
    der.explicit(0, SHA384),
    der.explicit(1, der.sequence(der.oid('1.2.840.113549.1.1.8'), SHA384)),
    der.explicit(2, der.integer(48)),
  ),
);

const name = (commonName: string) =>
  der.sequence(der.setOf(der.sequence(der.oid('2.5.4.3'), der.utf8String(commonName))));
const extension = (oid: string, value: Uint8Array) => der.sequence(der.oid(oid), der.octetString(value));

type Signer = Readonly<{ name: string; key: crypto.KeyObject; spki: Bytes }>;

function signer(commonName: string): Signer {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
  return {
    name: commonName,
    key: privateKey,
    spki: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })),
  };
}

function signed(tbs: Uint8Array, by: Signer, saltLength = 48): Bytes {
  const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
  const signature = Uint8Array.from(crypto.sign('sha384', tbs, { key: by.key, padding, saltLength }));
  return der.sequence(tbs, PSS, der.bitString(signature));
}

type Leaf = Readonly<{ subject: string; spki: Uint8Array; extensions: readonly Uint8Array[]; notAfter?: number }>;

function certificate(of: Leaf, by: Signer, saltLength?: number): Bytes {
  return signed(
    der.sequence(
      der.explicit(0, der.integer(2)),
      der.integer(0), // as every VCEK has it
      PSS,
      name(by.name),
      der.sequence(der.time(NOT_BEFORE), der.time(of.notAfter ?? NOT_AFTER)),
      name(of.subject),
      of.spki,
      der.explicit(3, der.sequence(...of.extensions)),
    ),
    by,
    saltLength,
  );
}

const CA = [
  der.sequence(
    der.oid('2.5.29.19'),
    der.boolean(true),
    der.octetString(der.sequence(der.boolean(true), der.integer(1))),
  ),
];

export const pem = (...certificates: readonly Uint8Array[]): string =>
  certificates
    .map(
      (one) =>
        `-----BEGIN CERTIFICATE-----\n${(toBase64(one).match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`,
    )
    .join('');

export type VcekRequest = Readonly<{ hwid: Uint8Array; tcb: SnpTcb }> &
  Partial<Readonly<{ subject: string; without: SnpTcbPart; saltLength: number; notAfter: number; isWrapped: boolean }>>;

/** A vendor like AMD for one line: root, both intermediates, leaves and lists. */
export function createAmdVendor(line: SnpLine) {
  const ark = signer(`ARK-${line}`);
  const ask = signer(`SEV-${line}`);
  const asvk = signer(`SEV-VLEK-${line}`);
  const chipKey = crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
  const ca = (of: Signer) => certificate({ subject: of.name, spki: of.spki, extensions: CA }, ark);
  const certificates = { ark: ca(ark), ask: ca(ask), asvk: ca(asvk) };
  return {
    line,
    spkiSha256: Uint8Array.from(crypto.createHash('sha256').update(ark.spki).digest()),
    ...certificates,
    vcek: (request: VcekRequest): Bytes => {
      const spki = Uint8Array.from(chipKey.export({ type: 'spki', format: 'der' }));
      const parts = (Object.keys(request.tcb) as SnpTcbPart[]).filter((part) => part !== request.without);
      const hwid = request.isWrapped === true ? der.octetString(request.hwid) : request.hwid;
      const extensions = [
        ...parts.map((part) => extension(AMD_TCB_PARTS[part].oid, der.integer(request.tcb[part] as number))),
        extension('1.3.6.1.4.1.3704.1.4', hwid),
      ];
      const { subject = 'SEV-VCEK', saltLength, notAfter } = request;
      return certificate(
        { subject, spki, extensions, ...(notAfter === undefined ? {} : { notAfter }) },
        ask,
        saltLength,
      );
    },
    crl: (thisUpdate: number, nextUpdate: number, number = 4): Bytes =>
      signed(
        der.sequence(
          der.integer(1),
          PSS,
          name(ark.name),
          der.time(thisUpdate),
          der.time(nextUpdate),
          der.explicit(0, der.sequence(extension('2.5.29.20', der.integer(number)))),
        ),
        ark,
      ),
    /** The right name and a key of nobody's. */
    impostorAsk: (): Bytes => {
      const impostor = signer(ark.name);
      return certificate({ subject: ask.name, spki: ask.spki, extensions: CA }, impostor);
    },
    selfMadeRoot: (): Bytes => {
      const impostor = signer(ark.name);
      return certificate({ subject: ark.name, spki: impostor.spki, extensions: CA }, impostor);
    },
    /** The pinned key, with dates that its holder did not sign. */
    unsignedRoot: (): Bytes =>
      certificate({ subject: ark.name, spki: ark.spki, extensions: CA }, { ...ark, key: ask.key }),
    cut: (bytes: Uint8Array): Bytes => bytes.slice(0, -1) as Bytes,
    followed: (bytes: Uint8Array): Bytes => concat(bytes, Uint8Array.of(0)),
  };
}
