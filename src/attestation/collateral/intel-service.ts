import { type Bytes, CodedError, fromUtf8, strictJsonMembers, toHex } from '../../core/index.ts';
import { COLLATERAL_DOCUMENT_CHARACTERS_MAX } from '../endorsements/index.ts';
import { CRL_ANSWER_BYTES_MAX, crlDer } from './crl-encoding.ts';
import type { Parts } from './document.ts';
import type { Fetcher, HttpAnswer } from './fetcher.ts';
import { issuerChain } from './issuer-chain.ts';

/** Intel's Provisioning Certification Service, or a caching service (PCCS) in front of it; both speak its API v4. */
export type IntelSource = Readonly<{
  kind: 'pcs' | 'pccs';
  /** Origin and path before `/sgx/…` and `/tdx/…`. */
  url: string;
  /** Where the root CRL is; Intel publishes it apart from PCS, a PCCS serves it. */
  rootCrlUrl: string;
}>;

export const INTEL_PCS_URL = 'https://api.trustedservices.intel.com';
export const INTEL_ROOT_CRL_URL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';

export type PckCa = 'processor' | 'platform';
/** Common names of the CAs that issue PCK certificates. */
export const INTEL_CA_NAME: Readonly<Record<PckCa, string>> = {
  processor: 'Intel SGX PCK Processor CA',
  platform: 'Intel SGX PCK Platform CA',
};
/** Which set of TCB levels: Intel's standard or early update, or one evaluation data number in decimal. */
export type TcbChannel = 'standard' | 'early' | `${number}`;

const HEADER = {
  tcbInfo: ['TCB-Info-Issuer-Chain', 'SGX-TCB-Info-Issuer-Chain'],
  qeIdentity: ['SGX-Enclave-Identity-Issuer-Chain'],
  pckCrl: ['SGX-PCK-CRL-Issuer-Chain'],
  evaluationNumbers: ['TCB-Evaluation-Data-Numbers-Issuer-Chain'],
} as const;

/**
 * The source at a URL: Intel's own host is PCS, any other is taken for a PCCS.
 * @throws CodedError CONFIG_INVALID unless https, or http to this very machine, without credentials, query or fragment
 */
export function intelSourceAt(text: string): IntelSource {
  const url = serviceUrl(text, 'collateral service');
  const base = url.replace(/\/(?:sgx|tdx)\/certification\/v4$/, '');
  if (new URL(url).origin === INTEL_PCS_URL) return { kind: 'pcs', url: base, rootCrlUrl: INTEL_ROOT_CRL_URL };
  return { kind: 'pccs', url: base, rootCrlUrl: `${base}/sgx/certification/v4/rootcacrl` };
}

/** A service's URL without a slash at its end. @throws CodedError CONFIG_INVALID */
export function serviceUrl(text: string, what: string): string {
  const invalid = (why: string) => new CodedError('CONFIG_INVALID', `the ${what}'s URL ${why}`, { field: 'url' });
  if (!URL.canParse(text)) throw invalid('is not a URL');
  const { protocol, hostname, username, password, search, hash, href } = new URL(text);
  const isLocal = hostname === '127.0.0.1' || hostname === '[::1]' || hostname === 'localhost';
  if (protocol !== 'https:' && !(protocol === 'http:' && isLocal)) throw invalid('is not https');
  if (username !== '' || password !== '') throw invalid('has credentials in it');
  if (search !== '' || hash !== '') throw invalid('has a query or a fragment');
  return href.replace(/\/+$/, '');
}

/** Fetches Intel's documents as the parts that are kept of them. Nothing is verified here. */
export type IntelClient = Readonly<{
  tcbInfo: (fmspc: string, channel: TcbChannel) => Promise<Parts>;
  qeIdentity: (channel: TcbChannel) => Promise<Parts>;
  evaluationNumbers: () => Promise<Parts>;
  pckCrl: (ca: PckCa) => Promise<Parts>;
  rootCrl: () => Promise<Bytes>;
}>;

/** Intel PCS API v4, sections "Get TCB Info", "Get Quoting Enclave Identity", "Get Revocation List", "Get TCB Evaluation Data Numbers". */
export function createIntelClient(source: IntelSource, fetcher: Fetcher): IntelClient {
  const sgx = `${source.url}/sgx/certification/v4`;
  const tdx = `${source.url}/tdx/certification/v4`;
  const signed = async (url: string, member: string, header: readonly string[]) =>
    signedDocument(await fetcher.get(url, COLLATERAL_DOCUMENT_CHARACTERS_MAX), member, header);
  const crl = (url: string) => fetcher.get(url, CRL_ANSWER_BYTES_MAX);
  return {
    tcbInfo: (fmspc, channel) =>
      signed(`${tdx}/tcb?fmspc=${fmspc.toUpperCase()}${channelQuery(channel, '&')}`, 'tcbInfo', HEADER.tcbInfo),
    qeIdentity: (channel) =>
      signed(`${tdx}/qe/identity${channelQuery(channel, '?')}`, 'enclaveIdentity', HEADER.qeIdentity),
    evaluationNumbers: () =>
      signed(`${tdx}/tcbevaluationdatanumbers`, 'tcbEvaluationDataNumbers', HEADER.evaluationNumbers),
    pckCrl: async (ca) => {
      const answer = await crl(`${sgx}/pckcrl?ca=${ca}&encoding=der`);
      return { crl: toHex(crlDer(answer.body, 'pck_crl')), issuerChain: issuerChain(answer, HEADER.pckCrl) };
    },
    rootCrl: async () => crlDer((await crl(source.rootCrlUrl)).body, 'root_ca_crl'),
  };
}

/** The standard set is what services answer unasked, also those that don't know the parameter yet. */
function channelQuery(channel: TcbChannel, separator: string): string {
  if (channel === 'standard') return '';
  return channel === 'early' ? `${separator}update=early` : `${separator}tcbEvaluationDataNumber=${channel}`;
}

/** Cuts the signed text out of `{"tcbInfo": …, "signature": …}` exactly as it was delivered. */
function signedDocument(answer: HttpAnswer, member: string, header: readonly string[]): Parts {
  const text = fromUtf8(answer.body, member);
  const members = strictJsonMembers(text, member);
  const document = members.get(member);
  const signature = members.get('signature')?.value;
  if (document === undefined || typeof signature !== 'string' || members.size !== 2) {
    throw new CodedError('ENDORSEMENT_MALFORMED', `${member}: not a document and its signature`, { field: member });
  }
  return { text: text.slice(document.start, document.end), signature, issuerChain: issuerChain(answer, header) };
}
