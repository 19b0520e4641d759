import type { Json } from '../../core/index.ts';

type Claims = { readonly [name: string]: Json | undefined };

/** Claims that must be there and true; the rest of their names follows the device's prefix. */
const REPORT = ['attestation-report-parsed', 'attestation-report-nonce-match', 'attestation-report-signature-verified'];
const MANIFEST = ['fetched', 'signature-verified', 'measurements-available', 'schema-validated'];
const CHAINS = ['attestation-report-cert-chain'];

/** Per claims version: what a version of its own names, apart from what all have. */
const VERSIONED: Readonly<Record<'flat' | 'nested', { report: readonly string[]; manifest: readonly string[] }>> = {
  flat: { report: ['attestation-report-cert-chain-validated'], manifest: ['cert-validated'] },
  nested: { report: ['attestation-report-cert-chain-fwid-match'], manifest: ['version-match'] },
};

/**
 * Why the claims of one device (versions 2 and 3) do not say that it is good, or null. Also refuses every other claim of a
 * check that says false, and every certificate chain that is not valid and known to be good.
 */
export function whyDeviceNotGood(kind: 'gpu' | 'switch', claims: Claims): string | null {
  if (claims['x-nvidia-error-details'] != null) return 'the service reports an error';
  if (claims.measres !== 'success') return 'the measurements did not match';
  if (claims.secboot !== true || claims.dbgstat !== 'disabled') return 'secure boot is off or debugging is on';
  const prefix = `x-nvidia-${kind}-`;
  const manifests = kind === 'gpu' ? ['driver-rim', 'vbios-rim'] : ['bios-rim'];
  const chains = [...CHAINS, ...manifests.map((manifest) => `${manifest}-cert-chain`)].map((name) => prefix + name);
  const shape = chains.some((name) => claims[name] !== undefined) ? 'nested' : 'flat';
  const { report, manifest } = VERSIONED[shape];
  const needed = [
    'arch-check',
    ...REPORT,
    ...report,
    ...(kind === 'gpu' ? ['vbios-index-no-conflict'] : []),
    ...manifests.flatMap((name) => [...MANIFEST, ...manifest].map((check) => `${name}-${check}`)),
  ];
  const absent = needed.find((name) => claims[prefix + name] !== true);
  if (absent !== undefined) return `${absent} is not true`;
  const refused = Object.entries(claims).find(([name, value]) => name.startsWith('x-nvidia-') && value === false);
  if (refused !== undefined) return `${refused[0]} is false`;
  if (shape === 'flat') return null;
  const chain = chains.find((name) => !isGoodChain(claims[name]));
  return chain === undefined ? null : `${chain} is not valid and good`;
}

function isGoodChain(value: Json | undefined): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const chain = value as Claims;
  return chain['x-nvidia-cert-status'] === 'valid' && chain['x-nvidia-cert-ocsp-status'] === 'good';
}
