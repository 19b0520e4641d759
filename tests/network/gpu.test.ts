import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  appraise,
  type EvidenceBundle,
  earDigest,
  earOf,
  encodeEvidenceBundle,
  encodeRecordedInputs,
  loadVendorEndorsements,
  parseEvidenceBundle,
  policyDigest,
} from '../../src/attestation/index.ts';
import { SIMULATED_H100 } from '../../src/attestation/simulate/index.ts';
import { createReappraiser, type ReappraisalJob } from '../../src/audit/index.ts';
import type { RouterTransport, VerifiedWorker } from '../../src/client/index.ts';
import { type Bytes, CodedError, toHex, utf8 } from '../../src/core/index.ts';
import { createAdmission } from '../../src/router/admission.ts';
import { ownDevices } from '../../src/router/devices.ts';
import { Fleet, Worker } from '../../src/router/fleet.ts';
import { Standings } from '../../src/router/standings.ts';
import { createTickets } from '../../src/router/tickets.ts';
import { vendor as nvidia } from '../attestation/nvidia/scene.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

const gpus = [nvidia.device('alder-0', SIMULATED_H100), nvidia.device('birch-0', SIMULATED_H100)];
let network: InProcess;
beforeAll(async () => {
  network = await startInProcess({ tees: ['tdx', 'sev-snp'], gpus, engine: echoEngine() });
});
afterAll(() => network.close());

async function eventually<T>(read: () => T | undefined): Promise<T> {
  for (let waited = 0; waited < 10_000; waited += 20) {
    const value = read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not happen in 10 s');
}

/** Every evidence bundle that a client was given, by the TEE that made it. */
async function bundlesOf(mode: 1 | 2): Promise<Map<string, Bytes>> {
  const seen = new Map<string, Bytes>();
  const client = network.newClient((transport) => ({
    ...transport,
    getEvidence: async (...args) => {
      const answer = await transport.getEvidence(...args);
      seen.set(parseEvidenceBundle(answer.bundle).tee, answer.bundle);
      return answer;
    },
  }));
  await ask(client, 'look', { mode });
  await client.close();
  return seen;
}

test('workers of both kinds are admitted with their GPUs, and a client sees every check of CPU and GPU by name', async () => {
  const seen = new Map<string, VerifiedWorker>();
  for (let attempt = 0; attempt < 64 && seen.size < 2; attempt++) {
    const client = network.newClient();
    const { events } = await ask(client, 'which');
    const worker = events.find((event) => event.kind === 'worker')!.worker;
    seen.set(worker.tee, worker);
    await client.close();
  }
  expect([...seen.keys()].sort()).toEqual(['sev-snp', 'tdx']);
  const affirming = { 'ear.status': 'affirming', 'chrysalis.simulated': true };
  for (const { checks, result } of seen.values()) {
    expect(result).toMatchObject({ submods: { cpu: affirming, gpu: { 'ear.status': 'affirming' } } });
    const gpu = checks.gpu ?? [];
    expect(gpu.length).toBeGreaterThan(15);
    expect(gpu.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect(checks.binding).toContainEqual({ name: 'gpuNonce', outcome: 'passed', reason: '' });
  }
});

describe('the same evidence is refused by client, router and auditor alike, for the same check', () => {
  type Attack = Readonly<{ title: string; check: string; change: (parts: Parts) => Partial<EvidenceBundle> }>;
  /** This worker's bundle, an older one of its, and one of the other worker's. */
  type Parts = Readonly<{ own: EvidenceBundle; old: EvidenceBundle; other: EvidenceBundle }>;
  const attacks: Attack[] = [
    { title: "another worker's GPU", check: 'binding.gpuNonce', change: ({ other }) => ({ devices: other.devices }) },
    {
      title: 'GPU evidence over an old nonce',
      check: 'binding.gpuNonce',
      change: ({ old }) => ({ devices: old.devices }),
    },
    {
      title: 'one GPU twice',
      check: 'gpu.distinctDevices',
      change: ({ own, old }) => ({ devices: [...own.devices, ...old.devices] }),
    },
    { title: 'no GPU any longer', check: 'binding.reportData', change: () => ({ devices: [] }) },
    {
      title: 'a GPU that only calls itself a switch',
      check: 'binding.deviceKinds',
      change: ({ own }) => ({ devices: own.devices.map((device) => ({ ...device, kind: 2 as const })) }),
    },
  ];
  let parts: Parts;
  beforeAll(async () => {
    const old = await bundlesOf(2);
    const own = await bundlesOf(2);
    const parse = (bundles: Map<string, Bytes>, tee: string) => parseEvidenceBundle(bundles.get(tee) as Bytes);
    parts = { own: parse(own, 'tdx'), old: parse(old, 'tdx'), other: parse(own, 'sev-snp') };
    expect(toHex(parts.own.nonceRoot)).not.toBe(toHex(parts.old.nonceRoot));
  });

  const spliced = ({ change }: Attack) => encodeEvidenceBundle({ ...parts.own, ...change(parts) });

  test.each(attacks)('client: $title', async (attack) => {
    const tamper = (transport: RouterTransport): RouterTransport => ({
      ...transport,
      getEvidence: async (...args) => ({ ...(await transport.getEvidence(...args)), bundle: spliced(attack) }),
    });
    const client = network.newClient(tamper);
    const error = await ask(client, 'never sent').then(
      () => null,
      (thrown: unknown) => thrown,
    );
    await client.close();
    expect(error).toBeInstanceOf(CodedError);
    expect((error as CodedError).code).toBe('OFFER_REFUSED');
    expect(String((error as CodedError).facts.failed).split(' ')).toContain(attack.check);
  });

  test.each(attacks)('router: $title', async (attack) => {
    const refusals: (readonly string[])[] = [];
    const fleet = new Fleet(() => ({ policyDigest: new Uint8Array(32), collateral: 0 }));
    const control = {
      send: (message: { kind: string; failedChecks?: readonly string[] }) => {
        if (message.kind === 'refusal') refusals.push(message.failedChecks ?? []);
      },
      close: () => undefined,
    };
    const worker = new Worker(control as unknown as ConstructorParameters<typeof Worker>[0]);
    const unused = () => Promise.reject(new Error('not reached'));
    const admission = createAdmission({
      fleet,
      standings: new Standings(),
      devices: ownDevices(),
      evictions: { add: () => undefined, entryOf: async () => null, written: async () => undefined },
      tickets: createTickets(new Uint8Array(32)),
      isAlone: true,
      meter: { cameBack: () => undefined },
      log: { append: async () => ({ index: 0 }), proof: unused, checkpoint: unused, entry: unused } as never,
      appraise: async ({ bundle }, nonce) => {
        const { trust, collateralOf } = network.relying;
        const endorsements = await loadVendorEndorsements('tdx', collateralOf(bundle), trust.trustAnchors);
        const appraisal = await appraise({ ...trust, bundle, endorsements, now: Date.now(), expectedNonce: nonce });
        const result = earDigest(earOf(appraisal, trust.policy, Date.now()));
        return { appraisal, judgedAt: Date.now(), collateral: utf8('{}'), inputs: utf8('{}'), result };
      },
      beacon: async () => ({ beacon: parts.own.beacon, checkpoint: '', madeAt: Date.now() }),
      now: Date.now,
      randomness: (length) => new Uint8Array(length),
      source: 'test',
      policy: () => ({ number: 1, digest: new Uint8Array(32) }),
      collateral: async () => '{}',
      dispatchKey: new Uint8Array(32),
      priceSheetOf: () => new Uint8Array(0),
      onAdmitted: () => undefined,
      onEvicted: () => undefined,
    });
    await admission.challenge(worker);
    await admission.evidence(worker, {
      kind: 'evidence',
      bundle: spliced(attack),
      nonceProof: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1),
      epochCertificate: new Uint8Array(0),
      epochSignature: new Uint8Array(0),
      certificates: [],
    });
    await admission.close();
    expect(worker.admission).toBeNull();
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toContain(attack.check);
  });

  test.each(attacks)('auditor: $title', async (attack) => {
    const bundle = spliced(attack);
    const { trust, policyText, collateralOf } = network.relying;
    const judgedAt = Date.now();
    const digest = policyDigest(trust.policy);
    const nonce = { input: new Uint8Array(32), proof: { index: 0, size: 1, path: [] } };
    const inputs = encodeRecordedInputs({ judgedAt, policyDigest: digest, nonce, knownBlocks: [] });
    const material = { evidence: bundle, collateral: utf8(collateralOf(bundle)), inputs, policyText };
    // A router that lies: its entry says that this was admitted.
    const body = { verdict: 'affirming', judgedAt, policyDigest: `sha256:${toHex(digest)}` };
    const leaf = { type: 'worker-admitted', body } as unknown as ReappraisalJob['leaf'];
    const found = await createReappraiser(trust.trustAnchors)({ leaf, material });
    expect(found).toMatchObject({ outcome: 'differs' });
    const [difference] = found.outcome === 'differs' ? found.differences : [];
    expect(difference).toContain('verdict: logged affirming, found refused');
    expect(difference).toContain(attack.check);
  });
});

describe('one GPU in two workers is refused by router, client and auditor alike, by the same registry', () => {
  const startTwins = (name: string, blindToTwins: boolean) => {
    const gpu = nvidia.device(name, SIMULATED_H100);
    return startInProcess({ tees: ['tdx', 'tdx'], gpus: [gpu, gpu], engine: echoEngine(), blindToTwins });
  };
  /** Of a router that looks, and of one that looks away. */
  let honest: InProcess;
  let blind: InProcess;
  beforeAll(async () => {
    [honest, blind] = await Promise.all([startTwins('lent-0', false), startTwins('lent-1', true)]);
  });
  afterAll(() => Promise.all([honest.close(), blind.close()]));

  test('router: puts both out, and says why', async () => {
    const states = await eventually(() => {
      const refused = honest.events.filter((event) => event.event === 'refused');
      return refused.length >= 2 ? refused : undefined;
    });
    for (const { failedChecks } of states) expect(failedChecks).toEqual(['uniqueDevices']);
    const rows = honest.router.listWorkers().map(({ state }) => state);
    expect(rows.sort()).toEqual(['quarantined', 'refused']);
    await expect(ask(honest.client, 'anybody?')).rejects.toMatchObject({ code: 'NO_WORKER' });
  });

  test('client: puts both out too, where the router looks away', async () => {
    await expect(ask(blind.client, 'anybody?')).rejects.toMatchObject({
      code: 'OFFER_REFUSED',
      facts: { failed: 'binding.uniqueDevices' },
    });
  });

  test('auditor: finds it in the log of the router that looked away, and nothing in that of the other', async () => {
    const leaves = await blind.entries();
    const admitted = leaves.flatMap(({ type, subject }, index) =>
      type === 'worker-admitted' ? [{ index, subject }] : [],
    );
    expect(admitted).toHaveLength(2);
    const [first, second] = admitted as [(typeof admitted)[0], (typeof admitted)[0]];
    expect(await blind.audit()).toEqual([
      {
        ...{ rule: 'M13', severity: 'error', index: second.index, subject: second.subject },
        message: `uniqueDevices: a device of this worker backs that of entry ${first.index} as well`,
      },
    ]);
    expect(await honest.audit()).toEqual([]);
  });
});
