import { readFileSync } from 'node:fs';
import { gpuPolicyChecks } from '../src/attestation/appraise/gpu-policy.ts';
import { tdxPolicyChecks } from '../src/attestation/appraise/tdx-policy.ts';
import { loadPolicy, parseEvidenceBundle, parseTdxQuote, verifyTdxQuote } from '../src/attestation/index.ts';
import * as tdx from '../tests/attestation/appraise/scene.ts';
import * as nvidia from '../tests/attestation/nvidia/scene.ts';
import { type BenchLine, quantile } from './report.ts';

const ROUNDS = 40;
const EVALUATIONS = 5_000;

/** How often a second a policy judges a TDX worker with one GPU once its evidence is verified, as at every review. */
export async function benchPolicy(): Promise<BenchLine[]> {
  const text = readFileSync(new URL('../attestation-policies/production-tdx-h100.json', import.meta.url), 'utf8');
  const policy = loadPolicy(text);
  const at = Math.floor(tdx.NOW / 1000);
  const quote = parseTdxQuote(parseEvidenceBundle(tdx.evidence()).quote);
  const intel = tdx.goodEndorsements.intel;
  const cpu = await verifyTdxQuote(quote, intel, [tdx.intel.trustAnchor], at, { revocation: 'require' });
  const gpu = await nvidia.judge();
  if (cpu.verdict !== 'verified' || gpu.verdict !== 'verified') throw new Error('the input does not hold');
  const genuine = { tcb: cpu.tcb, platform: cpu.quote.platform };
  const anchors = [nvidia.vendor.deviceAnchor, nvidia.vendor.rimAnchor];
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    let judged = 0;
    for (let i = 0; i < EVALUATIONS; i++) {
      const checks = [tdxPolicyChecks(policy.tdx, quote, genuine, at), gpuPolicyChecks(policy, [gpu.device], anchors)];
      for (const group of checks) judged += Object.keys(group).length;
    }
    if (judged !== 18 * EVALUATIONS) throw new Error(`${judged / EVALUATIONS} checks, not 18`);
    times.push((performance.now() - start) / 1000);
  }
  const value = EVALUATIONS / quantile(times, 0.1);
  return [{ name: 'policy of TDX and one GPU, want ≥ 100,000', value, unit: 'per s' }];
}
