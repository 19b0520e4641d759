import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadTrust } from '../../src/cli/compose/trust.ts';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import { toHex } from '../../src/core/index.ts';
import { intel } from '../attestation/appraise/scene.ts';
import { sharedAmd } from '../attestation/simulate/shared-amd.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-trust-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with the roots of both simulated vendors, which says of them what it likes. */
function anchorFile(kind: string): string {
  const path = join(folder, `${kind}.json`);
  const anchors = [intel.trustAnchor, ...sharedAmd.trustAnchors];
  writeFileSync(
    path,
    JSON.stringify(anchors.map(({ spkiSha256, name }) => ({ spkiSha256: toHex(spkiSha256), kind, name }))),
  );
  return path;
}

const preset = (name: string) => resolve(import.meta.dirname, `../../attestation-policies/${name}.json`);

test.each(['simulated', 'vendor', 'caller'])('roots from a file are simulated ones, whatever it says (%s)', (kind) => {
  const { trust } = loadTrust({ policy: DEVELOPMENT_POLICY, dangerouslyAllowSimulatedVendor: anchorFile(kind) });
  const simulated = trust.trustAnchors.filter((anchor) => anchor.kind === 'simulated');
  expect(simulated.map(({ spkiSha256 }) => toHex(spkiSha256))).toEqual(
    [intel.trustAnchor, ...sharedAmd.trustAnchors].map(({ spkiSha256 }) => toHex(spkiSha256)),
  );
});

test.each(['production-tdx', 'production-sev-snp'])(
  '%s starts with no simulated root, and without one it does',
  (name) => {
    for (const kind of ['simulated', 'vendor']) {
      expect(() => loadTrust({ policy: preset(name), dangerouslyAllowSimulatedVendor: anchorFile(kind) })).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      );
    }
    expect(loadTrust({ policy: preset(name) }).trust.trustAnchors.every(({ kind }) => kind === 'vendor')).toBe(true);
  },
);
