import { type Bytes, fromHex } from '../../../core/index.ts';
import type { SnpLine } from '../../evidence/snp/index.ts';
import type { TrustAnchor } from '../trust-anchor.ts';

/** An AMD root key (ARK): pinned by key and by whole certificate, for one product line. */
export type AmdRoot = TrustAnchor & Readonly<{ line: SnpLine; certificateSha256: Bytes }>;

function amdRoot(line: SnpLine, spkiSha256: string, certificateSha256: string): AmdRoot {
  return {
    spkiSha256: fromHex(spkiSha256),
    certificateSha256: fromHex(certificateSha256),
    kind: 'vendor',
    name: `AMD ARK-${line}`,
    line,
  };
}

/**
 * AMD's root keys, as data with source, serial and validity in attestation-policies/trust-anchors/amd-ark-*.json (valid
 * until 2045, 2047 and 2048). Each ends the VCEK and the VLEK chains of its line.
 */
export const AMD_ROOTS: readonly AmdRoot[] = [
  amdRoot(
    'Milan',
    '9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9',
    '69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd',
  ),
  amdRoot(
    'Genoa',
    '429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831',
    '4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1',
  ),
  amdRoot(
    'Turin',
    '4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08',
    '1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a',
  ),
];
