import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type TlsOptions } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { CodedError } from '../core/index.ts';
import { CHANNEL_OPTIONS } from './package.ts';

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

/** Credentials and options of a client's connection. */
export type ClientDoor = Readonly<{ credentials: grpc.ChannelCredentials; options: grpc.ChannelOptions }>;

/**
 * @param address `host:port`
 * @throws CodedError CONFIG_INVALID for files that cannot be read as what they should be
 */
export function clientDoor(address: string, tls: ClientTls | undefined): ClientDoor {
  if (tls === undefined) return { credentials: grpc.credentials.createInsecure(), options: CHANNEL_OPTIONS };
  const { rootCertificates: ca, certificate: cert, key, pkcs12: pfx, passphrase } = tls;
  const context = readable(() =>
    createSecureContext({
      minVersion: LEAST,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert, key }),
      ...(pfx === undefined ? {} : { pfx, passphrase }),
    }),
  );
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0)
    return { credentials: grpc.credentials.createFromSecureContext(context), options: CHANNEL_OPTIONS };
  // TLS names no address as a server's name, and Node refuses one: the certificate is checked for the address here.
  return {
    credentials: grpc.credentials.createFromSecureContext(context, {
      checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
    }),
    options: { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': NAMELESS },
  };
}

const NAMELESS = 'address.invalid';

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
