import { CodedError, fromUtf8, parsePem, toHex } from '../../core/index.ts';
import type { SnpLine, SnpTcbPart } from '../evidence/snp/index.ts';
import { type AmdEndorsementKey, KDS_QUERY } from './amd-tcb.ts';
import { CRL_ANSWER_BYTES_MAX, crlDer } from './crl-encoding.ts';
import type { Fetcher } from './fetcher.ts';

export const AMD_KDS_URL = 'https://kdsintf.amd.com';
/** AMD's certificates have some 1.4 kB, a chain twice that and PEM around it. */
export const VCEK_BYTES_MAX = 4 * 1024;
export const AMD_CHAIN_BYTES_MAX = 16 * 1024;

/** Fetches AMD's documents, DER in hexadecimal. Nothing is verified here. */
export type KdsClient = Readonly<{
  /** ASK or ASVK, then the root. */
  chain: (line: SnpLine, key: AmdEndorsementKey) => Promise<Readonly<{ intermediate: string; root: string }>>;
  crl: (line: SnpLine, key: AmdEndorsementKey) => Promise<string>;
  /** @param hwid lower-case hexadecimal */
  vcek: (line: SnpLine, hwid: string, tcb: ReadonlyMap<SnpTcbPart, number>) => Promise<string>;
}>;

/** AMD Key Distribution Service (57230): `/vcek/v1/…` and `/vlek/v1/…`. */
export function createKdsClient(url: string, fetcher: Fetcher): KdsClient {
  return {
    chain: async (line, key) => {
      const { body } = await fetcher.get(`${url}/${key}/v1/${line}/cert_chain`, AMD_CHAIN_BYTES_MAX);
      const [intermediate, root, ...more] = parsePem(fromUtf8(body, 'cert_chain'), 'CERTIFICATE', 2, 'cert_chain');
      if (intermediate === undefined || root === undefined || more.length > 0) {
        throw new CodedError('ENDORSEMENT_MALFORMED', 'cert_chain: not two certificates', { field: 'cert_chain' });
      }
      return { intermediate: toHex(intermediate), root: toHex(root) };
    },
    crl: async (line, key) => {
      const { body } = await fetcher.get(`${url}/${key}/v1/${line}/crl`, CRL_ANSWER_BYTES_MAX);
      return toHex(crlDer(body, 'crl'));
    },
    vcek: async (line, hwid, tcb) => {
      const query = [...tcb].map(([part, svn]) => `${KDS_QUERY[part]}=${String(svn).padStart(2, '0')}`).join('&');
      return toHex((await fetcher.get(`${url}/vcek/v1/${line}/${hwid}?${query}`, VCEK_BYTES_MAX)).body);
    },
  };
}
