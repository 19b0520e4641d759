import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ed25519Key, sha256 } from '#crypto';
import { encodeApprovals, loadPolicy, policyDigest, signApproval } from '../../src/attestation/index.ts';
import {
  createSimulatedIntel,
  type MachineOptions,
  openSimulatedIntel,
  type PlatformStatus,
} from '../../src/attestation/simulate/index.ts';
import { appraiserOf, ownersAppraiserOf } from '../../src/cli/compose/appraising.ts';
import { beaconOf } from '../../src/cli/compose/beacon.ts';
import type { Collateral } from '../../src/cli/compose/collateral.ts';
import { systemRandomness } from '../../src/cli/compose/files.ts';
import { createJudge } from '../../src/cli/compose/judging.ts';
import { type Bytes, CodedError, fromUtf8, utf8 } from '../../src/core/index.ts';
import { openLog } from '../../src/log/writer/index.ts';
import { createKeyRelease, type KeyRelease, type LogPort, type ReleaseLimits } from '../../src/router/index.ts';
import { connectToKeyRelease, serveKeyRelease } from '../../src/rpc/index.ts';
import { openReleaseStore } from '../../src/store/index.ts';
import {
  type Boot,
  fetchReleasedSecret,
  type Machine,
  NO_DEVICES,
  type ReleaseLink,
  startBoot,
} from '../../src/worker/index.ts';

const POLICY = new URL('../../attestation-policies/development-simulated.json', import.meta.url);
export const policyDocument = JSON.parse(readFileSync(POLICY, 'utf8')) as Record<string, unknown>;
/** The owner's policy, the shipped one for development with these fields changed. */
export const ownersPolicy = (changes: Readonly<Record<string, unknown>> = {}) =>
  JSON.stringify({ ...policyDocument, id: 'acme-models', ...changes });

type Person = ReturnType<typeof ed25519Key>;
export const people: Readonly<Record<'alice' | 'bob' | 'mallory', Person>> = {
  alice: ed25519Key(systemRandomness(32)),
  bob: ed25519Key(systemRandomness(32)),
  mallory: ed25519Key(systemRandomness(32)),
};
export const OWNERS = new Map([
  [
    'acme',
    new Map([
      ['alice', people.alice.publicKey],
      ['bob', people.bob.publicKey],
    ]),
  ],
  [
    'evil',
    new Map([
      ['mallory', people.mallory.publicKey],
      ['eve', ed25519Key(systemRandomness(32)).publicKey],
    ]),
  ],
]);

export async function approvalsOf(
  policyText: string,
  author: Person = people.alice,
  approver: Person | null = people.bob,
  effectiveFromIndex: number | null = null,
): Promise<string> {
  const policy = loadPolicy(policyText);
  const statement = { policyDigest: policyDigest(policy), number: policy.number, effectiveFromIndex };
  const signatures = [await signApproval(author, 'author', statement)];
  if (approver !== null) signatures.push(await signApproval(approver, 'approver', statement));
  return fromUtf8(encodeApprovals({ statement, signatures }), 'approvals');
}

export type SceneOptions = Readonly<{ limits?: ReleaseLimits }>;
export type WorkerTraits = Readonly<{ machine?: MachineOptions & { platformStatus?: PlatformStatus }; model?: Bytes }>;
export type Scene = Awaited<ReturnType<typeof releaseScene>>;

/** A release service over a real log, store, verifier and gRPC listener; simulated hosts on the other side. */
export async function releaseScene({ limits }: SceneOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-release-'));
  const intel = openSimulatedIntel(createSimulatedIntel(systemRandomness));
  const log = await openLog({
    directory: join(folder, 'log'),
    origin: 'test.chrysalis/log',
    randomness: systemRandomness,
    clock: Date.now,
  });
  const isAway = { log: false };
  /** Runs before an entry is written: what happens meanwhile. */
  const meanwhile: { run: (() => Promise<unknown>) | null } = { run: null };
  const logPort: LogPort = {
    append: async (...given) => {
      if (isAway.log) throw new CodedError('LOG_UNREACHABLE', 'the log is away');
      const { run } = meanwhile;
      meanwhile.run = null;
      await run?.();
      return log.append(...given);
    },
    proof: (index) => log.proof(index),
    checkpoint: async () => fromUtf8(log.checkpoint(), 'checkpoint'),
    entry: async (index) => (await log.entries(index, index + 1))[0]!.entry,
  };
  const knows = { collateral: JSON.stringify(intel.collateral(Math.floor(Date.now() / 1000))) };
  const collateral: Collateral = {
    endorsementsFor: async () => ({}),
    textFor: async () => knows.collateral,
    changes: () => 0,
    endsAt: () => null,
    close: async () => undefined,
  };
  const head = async () => ({ network: -1000, seqno: 7, rootHash: sha256(utf8('block 7')) });
  const opened: Readonly<{ close(): Promise<void> }>[] = [];
  const newService = (name: string, vaultKey: Bytes): KeyRelease => {
    const store = openReleaseStore(join(folder, `${name}.sqlite`));
    try {
      const service = createKeyRelease(
        {
          store,
          log: logPort,
          source: name,
          vaultKey,
          owners: OWNERS,
          appraise: ownersAppraiserOf(appraiserOf(collateral, createJudge()), [intel.trustAnchor]),
          beacon: beaconOf(head, logPort),
          now: Date.now,
          randomness: systemRandomness,
        },
        limits,
      );
      opened.push({ close: () => service.close().then(() => store.close()) });
      return service;
    } catch (error) {
      store.close();
      throw error;
    }
  };
  const vaultKey = systemRandomness(32);
  const service = newService('release-test', vaultKey);
  const server = await serveKeyRelease(service, { host: '127.0.0.1', port: 0, now: Date.now });
  const link = connectToKeyRelease(`127.0.0.1:${server.port}`, Date.now);
  let hosts = 0;

  /** A boot on a simulated host of its own. */
  const newWorker = ({
    machine: { platformStatus, ...machine } = {},
    model = sha256(utf8('model')),
  }: WorkerTraits = {}): Boot => {
    hosts += 1;
    const td = intel.machine({
      name: `host-${hosts}`,
      ...(platformStatus === undefined ? {} : { platformStatus }),
      ...machine,
    });
    const guest: Machine = {
      tee: 'tdx',
      extendRtmr3: td.extendRtmr3,
      quote: async (reportData) => td.quote({ reportData }),
      devices: NO_DEVICES,
    };
    const keys = { modelDigest: model, payee: { workchain: 0, account: new Uint8Array(32) } };
    return startBoot(
      guest,
      { now: Date.now, randomness: systemRandomness },
      { ...keys, transportSpkiSha256: new Uint8Array(32) },
    );
  };

  return {
    folder,
    intel,
    log,
    isAway,
    meanwhile,
    knows,
    service,
    vaultKey,
    newService,
    link,
    newWorker,
    /** Registers a secret as its owner does. */
    async register(name = 'model-key', secret: Bytes = systemRandomness(32), policyText = ownersPolicy()) {
      const approvals = await approvalsOf(policyText);
      return service.register({ name, owner: 'acme', secret, policyText, approvals });
    },
    /** As a worker asks; without patience for what is refused for now. */
    fetch: (boot: Boot, name = 'model-key', over: ReleaseLink = link) =>
      fetchReleasedSecret(boot, name, {
        link: over,
        randomness: systemRandomness,
        waiting: ({ code, message }) => {
          throw new CodedError('RELEASE_REFUSED', `for now: ${message}`, { service: code });
        },
        delay: async () => undefined,
      }),
    entries: async () => (await log.entries(0, log.head().size)).map(({ entry }) => fromUtf8(entry, 'entry')),
    async close() {
      link.close();
      await server.close(200);
      for (const one of opened) await one.close();
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a promise was refused with. */
export const failure = (of: Promise<unknown>): Promise<CodedError> =>
  of.then(
    () => expect.unreachable('nothing was refused'),
    (error: unknown) => {
      expect(error).toBeInstanceOf(CodedError);
      return error as CodedError;
    },
  );
export const failedChecks = async (of: Promise<unknown>) => String((await failure(of)).facts.check);
