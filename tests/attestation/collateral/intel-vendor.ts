import {
  type CollateralOptions,
  intelSourceAt,
  openCollateralService,
} from '../../../src/attestation/collateral/index.ts';
import type { TrustAnchor } from '../../../src/attestation/index.ts';
import {
  type CollateralDefects,
  createSimulatedIntel,
  openSimulatedIntel,
  type SimulatedCollateral,
} from '../../../src/attestation/simulate/index.ts';
import { CodedError, fromHex, toBase64 } from '../../../src/core/index.ts';
import { answerWith, testDeps, type VendorServer } from './vendor-server.ts';

export const NOW = Date.UTC(2026, 10, 24, 12) / 1000;
export const DAY = 86_400;
export const FMSPC = 'c44a15000000';

export const vendor = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(3)));
export const stranger = openSimulatedIntel(createSimulatedIntel((length) => new Uint8Array(length).fill(4)));

export const PATH = {
  tcb: '/tdx/certification/v4/tcb',
  qe: '/tdx/certification/v4/qe/identity',
  pckCrl: '/sgx/certification/v4/pckcrl',
  rootCrl: '/sgx/certification/v4/rootcacrl',
} as const;

export type CrlForm = 'der' | 'hex' | 'pem' | 'base64';

export function crlIn(form: CrlForm, hex: string): string | Uint8Array {
  const der = fromHex(hex);
  if (form === 'der') return der;
  if (form === 'hex') return hex;
  const base64 = toBase64(der);
  if (form === 'base64') return base64;
  return `-----BEGIN X509 CRL-----\n${(base64.match(/.{1,64}/g) ?? []).join('\n')}\n-----END X509 CRL-----\n`;
}

/** What a service that has this set answers, by path. */
export function serveSet(server: VendorServer, set: SimulatedCollateral, form: CrlForm = 'der'): void {
  const chain = (name: string, pem: string) => ({ [name]: encodeURIComponent(pem) });
  server.route(
    PATH.tcb,
    answerWith(
      `{"tcbInfo":${set.tcb_info},"signature":"${set.tcb_info_signature}"}`,
      chain('TCB-Info-Issuer-Chain', set.tcb_info_issuer_chain),
    ),
  );
  server.route(
    PATH.qe,
    answerWith(
      `{"enclaveIdentity":${set.qe_identity},"signature":"${set.qe_identity_signature}"}`,
      chain('SGX-Enclave-Identity-Issuer-Chain', set.qe_identity_issuer_chain),
    ),
  );
  server.route(
    PATH.pckCrl,
    answerWith(crlIn(form, set.pck_crl), chain('SGX-PCK-CRL-Issuer-Chain', set.pck_crl_issuer_chain)),
  );
  server.route(PATH.rootCrl, answerWith(crlIn(form, set.root_ca_crl)));
}

export function serve(server: VendorServer, defects: CollateralDefects = {}, at = NOW): SimulatedCollateral {
  const set = vendor.collateral(at, defects);
  serveSet(server, set);
  return set;
}

export async function openAt(
  server: VendorServer | null,
  options: Partial<CollateralOptions> = {},
  more: Partial<Parameters<typeof openCollateralService>[0]> = {},
  anchors: readonly TrustAnchor[] = [vendor.trustAnchor],
) {
  const { deps, clock, events } = testDeps(NOW);
  const service = await openCollateralService(
    { ...deps, ...more },
    {
      intel: server === null ? null : intelSourceAt(server.url),
      amdUrl: null,
      anchors,
      limits: { attemptsMax: 2, backoffMs: 1, attemptMs: 60_000, totalMs: 100_000 },
      freshness: { failureHoldMs: 0 },
      ...options,
    },
  );
  const get = () => service.getIntelCollateral({ fmspc: FMSPC, ca: 'platform' });
  return { service, get, clock, events };
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof CodedError ? error.code : String(error);
  }
}
