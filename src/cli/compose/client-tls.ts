import { CodedError } from '../../core/index.ts';
import type { ClientTls } from '../../rpc/index.ts';
import { readBytes, readText } from './files.ts';

export type RouterDoorOptions = Readonly<{
  routerCa?: string;
  clientCertificate?: string;
  clientKey?: string;
  clientPkcs12?: string;
  clientPassphraseFile?: string;
}>;

/** How a client meets its router; without any of it in clear, sealed requests and all. @throws CodedError USAGE_INVALID */
export function clientTls(options: RouterDoorOptions): ClientTls | undefined {
  const { routerCa, clientCertificate, clientKey, clientPkcs12, clientPassphraseFile } = options;
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw new CodedError('USAGE_INVALID', '--client-certificate and --client-key go together');
  }
  if ((clientPkcs12 === undefined) !== (clientPassphraseFile === undefined) || (clientPkcs12 && clientKey)) {
    throw new CodedError(
      'USAGE_INVALID',
      '--client-pkcs12 and --client-passphrase-file go together, without --client-key',
    );
  }
  if (routerCa === undefined && clientKey === undefined && clientPkcs12 === undefined) return undefined;
  return {
    ...(routerCa === undefined ? {} : { rootCertificates: readBytes(routerCa) }),
    ...(clientCertificate === undefined
      ? {}
      : { certificate: readBytes(clientCertificate), key: readBytes(clientKey as string) }),
    ...(clientPkcs12 === undefined
      ? {}
      : {
          pkcs12: readBytes(clientPkcs12),
          passphrase: readText(clientPassphraseFile as string).replace(/\r?\n$/, ''),
        }),
  };
}
