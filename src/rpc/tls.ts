import { createSecureContext, type TlsOptions } from 'node:tls';
import { CodedError } from '../core/index.ts';
import type { ChannelDoor } from './grpc/channel.ts';

/** How a router shows itself, and whose certificates it asks clients for; PEM. */
export type ServerTls = Readonly<{ key: Buffer; certificate: Buffer; clientAuthority?: Buffer }>;

/** Whom a client takes for its router, and what it shows: a certificate with its key (PEM), or both in a PKCS#12 bundle. */
export type ClientTls = Readonly<{
  /** The system's roots where absent. */
  rootCertificates?: Buffer;
  certificate?: Buffer;
  key?: Buffer;
  pkcs12?: Buffer;
  passphrase?: string;
}>;

const LEAST = 'TLSv1.3';

/**
 * Asks for a certificate where there is an authority; whether one is needed is decided for each service.
 * @returns null without TLS
 * @throws CodedError CONFIG_INVALID for files that are no certificate and key of one another
 */
export function serverTlsOptions(tls: ServerTls | undefined): TlsOptions | null {
  if (tls === undefined) return null;
  const { key, certificate: cert, clientAuthority: ca } = tls;
  readable(() => createSecureContext({ key, cert, ca }));
  const asked = ca === undefined ? {} : { ca, requestCert: true };
  return { key, cert, minVersion: LEAST, rejectUnauthorized: false, ...asked };
}

/**
 * @param address `host:port`; TLS checks the certificate for this host, name or address
 * @throws CodedError CONFIG_INVALID for files that cannot be read as what they should be
 */
export function clientDoor(address: string, tls: ClientTls | undefined): ChannelDoor {
  if (tls === undefined) return { address, tls: null };
  const { rootCertificates: ca, certificate: cert, key, pkcs12: pfx, passphrase } = tls;
  const context = readable(() =>
    createSecureContext({
      minVersion: LEAST,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key }),
      ...(pfx === undefined ? {} : { pfx, passphrase }),
    }),
  );
  return { address, tls: context };
}

function readable<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (cause) {
    throw new CodedError(
      'CONFIG_INVALID',
      'TLS: certificate, key or bundle cannot be read, or do not fit',
      {},
      { cause },
    );
  }
}
