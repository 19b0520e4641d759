import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ed25519Key, type SigningKey, sha256 } from '#crypto';
import {
  type Appraisal,
  appraise,
  earDigest,
  earOf,
  encodeRecordedInputs,
  joinCollateral,
  type KnownBlock,
  loadPolicy,
  loadVendorEndorsements,
  parseEvidenceBundle,
  parseSnpReport,
  policyDigest,
  type Tee,
  type Trust,
  type TrustAnchor,
  trustUnder,
} from '../../src/attestation/index.ts';
import {
  createSimulatedIntel,
  type MachineOptions,
  openSimulatedIntel,
  type PlatformStatus,
  SIMULATED_H100,
  type SimulatedIntel,
  type SimulatedNvidiaDevice,
  type SnpReportRequest,
} from '../../src/attestation/simulate/index.ts';
import { createReappraiser, EntriesWalk, type Finding, type LogSource, newTallies } from '../../src/audit/index.ts';
import { type ChannelTerms, DEVELOPMENT_NETWORK } from '../../src/chain/index.ts';
import { registerImages } from '../../src/cli/compose/policy-in-force.ts';
import {
  type Client,
  createClient,
  type PaymentOptions,
  type PrefixCacheOptions,
  type RouterTransport,
  type VoucherBook,
} from '../../src/client/index.ts';
import {
  type Beacon,
  type Bytes,
  CodedError,
  fromUtf8,
  type Randomness,
  toBase64,
  toHex,
  utf8,
} from '../../src/core/index.ts';
import {
  ed25519Cosigner,
  formatVkey,
  type Leaf,
  parseCheckpoint,
  parseLeaf,
  parseLogPolicy,
  parseLogProof,
  parseNote,
} from '../../src/log/index.ts';
import { openLog } from '../../src/log/writer/index.ts';
import {
  type AccountLimits,
  type BeaconSource,
  createRouter,
  type LogPort,
  type Meter,
  type ModelPrice,
} from '../../src/router/index.ts';
import { attachToRouter, type ClientTls, connectToRouter, paymentHandlers, serveRouter } from '../../src/rpc/index.ts';
import { encodePriceSheet } from '../../src/session/index.ts';
import { openSqliteLedger } from '../../src/store/index.ts';
import {
  type CheckedDevices,
  checkDevices,
  createWorker,
  type Device,
  type Engine,
  type Machine,
  modelDigest,
  NO_DEVICES,
  type RouterLink,
  startBoot,
  type WorkerEvent,
} from '../../src/worker/index.ts';
import { vendor as nvidiaVendor } from '../attestation/nvidia/scene.ts';

const POLICY = resolve(import.meta.dirname, '../../attestation-policies/development-simulated.json');
export const randomness: Randomness = (length) => Uint8Array.from(randomBytes(length));

/** An engine whose answer is known: the words of the last message, one token each, after `delayMs` a token. */
export function echoEngine(
  options: Readonly<{ delayMs?: number; tokens?: number }> = {},
): Engine & { generated: number; stoppedAt: number } {
  const engine = {
    modelId: 'echo',
    manifest: { files: [] } as unknown as Engine['manifest'],
    contextTokensMax: 4096,
    generated: 0,
    stoppedAt: 0,
    async *generate(request: Parameters<Engine['generate']>[0], signal: AbortSignal) {
      const words = String(request.messages.at(-1)?.content ?? request.prompt ?? '').split(' ');
      const whole = options.tokens ?? words.length;
      // An answer that another worker began is gone on with.
      const begun = (request.prefix ?? '').split(' ').length - 1;
      const count = Math.min(whole - begun, request.maxTokens);
      for (let i = 0; i < count; i++) {
        if (options.delayMs !== undefined) await new Promise((done) => setTimeout(done, options.delayMs));
        if (signal.aborted) {
          engine.stoppedAt = performance.now();
          yield { kind: 'done', finish: 'cancelled', tokensIn: words.length, tokensCached: 0, tokensOut: i } as const;
          return;
        }
        engine.generated += 1;
        yield { kind: 'token', text: `${words[(begun + i) % words.length]} `, tokenId: begun + i } as const;
      }
      yield { kind: 'done', finish: 'stop', tokensIn: words.length, tokensCached: 0, tokensOut: count } as const;
    },
    embed: async () => Promise.reject(new Error('no embeddings')),
    close: async () => undefined,
  };
  return engine;
}

/** What evidence names; an echo has no files. */
const modelOf = ({ manifest }: Engine): Bytes =>
  manifest.files.length === 0 ? sha256(utf8('echo')) : modelDigest(manifest);

type Serve = Parameters<RouterLink['serve']>[2];

export type InProcessOptions = Readonly<{
  /** Stands between the router and what the worker of this number answers: a worker that misbehaves. */
  misbehave?: (serve: Serve, worker: number) => Serve;
  /** How the router meets its peers, and how they meet it. */
  door?: Readonly<{
    router: Pick<Parameters<typeof serveRouter>[2], 'tls' | 'identities'>;
    worker: ClientTls;
    client: ClientTls;
  }>;
  /** Of every client; none where absent. */
  prefixCache?: PrefixCacheOptions;
  /** Takes over what a worker's idle streams are for: whoever plays the worker parks streams of its own. */
  park?: (worker: number) => RouterLink['serve'] | null;
  /** What each channel may ask for; the router's own limits where absent. */
  accountLimits?: AccountLimits;
  modelPrices?: readonly ModelPrice[];
  /** Counts what the router does. */
  meter?: Meter;
  /** Requests that each worker runs at the same time. */
  slots?: number;
  /** Of every worker, or of each its own. */
  engine?: Engine | readonly Engine[];
  /** Of TDX workers. */
  machine?: MachineOptions & { platformStatus?: PlatformStatus };
  /** Of each TDX worker its own, over `machine`. */
  machines?: readonly MachineOptions[];
  /** The policy of everybody, where it is not the shipped one for development. */
  policy?: (shipped: Record<string, unknown>) => Readonly<Record<string, unknown>>;
  /** Workers that are started later, by their numbers. */
  late?: readonly number[];
  /** The router cannot have any collateral, from the start on. */
  collateralAway?: boolean;
  /** Laid over each report of SNP workers, before it is signed. */
  report?: Partial<SnpReportRequest>;
  /** What the hosts of SNP workers hand over with each report. */
  certificates?: readonly Bytes[];
  /** Stands between client and router: what it changes, the client must notice. */
  tamper?: (transport: RouterTransport) => RouterTransport;
  /** The workers, by the TEE of their hosts; one on TDX where absent. */
  tees?: readonly Tee[];
  /** The GPU of each worker, of `nvidiaVendor`; none where absent. */
  gpus?: readonly (SimulatedNvidiaDevice | undefined)[];
  /** A router that does not look which devices back its workers. */
  blindToTwins?: boolean;
}>;

type EndorsementsFor = Parameters<typeof createClient>[0]['endorsementsFor'];

export type InProcess = Readonly<{
  client: Client;
  address: string;
  events: readonly WorkerEvent[];
  /** @param pays whether it pays its receipts; one that does not is served only past the router */
  newClient(tamper?: InProcessOptions['tamper'], pays?: boolean, endorsementsFor?: EndorsementsFor): Client;
  /** Intel. */
  vendor: SimulatedIntel;
  transport(): RouterTransport;
  /** What router, client and auditor each bring themselves. */
  relying: Readonly<{ policyText: string; trust: Trust; collateralOf: (bundle: Bytes) => string }>;
  router: ReturnType<typeof createRouter>;
  /** Puts another policy in force at the router, the one before with these fields changed. */
  changePolicy(changes: Readonly<Record<string, unknown>>): void;
  /** The router learns of other collateral. */
  changeCollateral(collateralOf: (bundle: Bytes) => string): void;
  /** Everything that stands in the log. */
  entries(): Promise<readonly Leaf[]>;
  /** A file that an entry names. */
  blob(digest: string): Promise<Bytes>;
  /** What an auditor who reads all of it finds. */
  audit(): Promise<readonly Finding[]>;
  logKey: string;
  /** Signs dispatches; a benchmark that goes to the worker directly needs it. */
  dispatchKey: SigningKey;
  /** What the first worker runs for each request, once it is admitted. */
  serve: () => Serve;
  /** Starts a worker of `late`. */
  start(worker: number): void;
  /** Workers that ended by themselves. */
  ended: ReadonlySet<number>;
  /** Ends one worker's boot, at once: by its id, hex. */
  stopWorker(workerId: string): void;
  /** C2SP tlog-policy of this network's log. */
  logPolicyText: string;
  /** Of the simulated vendors. */
  anchors: readonly TrustAnchor[];
  payments(): PaymentOptions;
  close(): Promise<void>;
}>;

/** One simulated host for each TEE, and what its vendor says of it. */
async function simulatedHosts(tees: readonly Tee[], options: InProcessOptions) {
  const now = Math.floor(Date.now() / 1000);
  const intel = openSimulatedIntel(createSimulatedIntel(randomness));
  // AMD's RSA keys are read, or made, only where they are needed.
  const amd = tees.includes('sev-snp') ? (await import('../attestation/simulate/shared-amd.ts')).sharedAmd : null;
  const intelCollateral = JSON.stringify(intel.collateral(now));
  const byChip = new Map<string, string>();
  const devices = await Promise.all(tees.map((_, i) => devicesOf(options.gpus?.[i], now)));
  const machines = tees.map((tee, i): Machine => {
    const name = `host-${i}`;
    const own = { devices: devices[i] ?? NO_DEVICES };
    if (tee === 'tdx' || amd === null) {
      const td = intel.machine({ name, ...options.machine, ...options.machines?.[i] });
      return { tee: 'tdx', extendRtmr3: td.extendRtmr3, quote: async (reportData) => td.quote({ reportData }), ...own };
    }
    const host = { name, line: 'Genoa' } as const;
    const guest = amd.machine(host);
    byChip.set(toHex(guest.chipId), JSON.stringify(amd.collateral(host, now)));
    const quote: Machine['quote'] = async (reportData) => guest.report({ ...options.report, reportData });
    return { tee, extendRtmr3: null, quote, certificates: () => options.certificates ?? [], ...own };
  });
  return {
    intel,
    machines,
    trustAnchors: [
      intel.trustAnchor,
      ...(amd?.trustAnchors ?? []),
      ...(options.gpus === undefined ? [] : [nvidiaVendor.deviceAnchor, nvidiaVendor.rimAnchor]),
    ],
    collateralOf: (bundle: Bytes): string => {
      const { tee, quote, devices: asked } = parseEvidenceBundle(bundle);
      const cpu = tee === 'tdx' ? intelCollateral : (byChip.get(toHex(parseSnpReport(quote).chipId)) ?? '{}');
      if (asked.length === 0) return cpu;
      const gpus = (options.gpus ?? []).filter((gpu) => gpu !== undefined);
      const rims = nvidiaVendor.manifests(SIMULATED_H100).map(({ id, manifest }) => [id, toBase64(manifest)]);
      const ocsp = gpus.flatMap((gpu) => nvidiaVendor.ocspOf(gpu, now)).map(toBase64);
      return joinCollateral(cpu, { rims: Object.fromEntries(rims), ocsp });
    },
  };
}

/** Devices that a router takes for others each time it sees them. */
function withOtherSerials(appraisal: Appraisal): Appraisal {
  return { ...appraisal, devices: appraisal.devices.map((one) => ({ ...one, serial: toHex(randomness(19)) })) };
}

/** What the enclave checks before it boots on them. */
function devicesOf(gpu: SimulatedNvidiaDevice | undefined, now: number): Promise<CheckedDevices> {
  const manifests = nvidiaVendor.manifests(SIMULATED_H100).map(({ id, manifest }): [string, Bytes] => [id, manifest]);
  const trust = {
    deviceAnchors: [nvidiaVendor.deviceAnchor],
    manifestAnchors: [nvidiaVendor.rimAnchor],
    manifests: new Map(manifests),
  };
  const own = gpu === undefined ? [] : [gpu];
  const doors = own.map(({ id, chain, report }): Device => {
    return { kind: 1, id, chain, report: async (nonce) => report(nonce, randomness(32)) };
  });
  return checkDevices(doors, trust, now, randomness);
}

/**
 * A whole network in one process: real router, gRPC on loopback, log, ledger, workers on simulated TDX and SNP hosts and
 * the real verifier; only the chain is a table and the engine is scripted.
 */
export async function startInProcess(options: InProcessOptions = {}): Promise<InProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-network-'));
  const shipped = readFileSync(POLICY, 'utf8');
  const text = options.policy === undefined ? shipped : JSON.stringify(options.policy(JSON.parse(shipped)));
  const policy = loadPolicy(text);
  const tees = options.tees ?? ['tdx'];
  const hosts = await simulatedHosts(tees, options);
  const trust = trustUnder(policy, hosts.trustAnchors);
  const log = await openLog({
    directory: join(folder, 'log'),
    origin: 'test.chrysalis/log',
    randomness,
    clock: Date.now,
  });
  const policyBlob = utf8(text);
  const published = { number: policy.number, replaces: null, effectiveFromIndex: null, reason: 'tests' };
  const { index: policyIndex } = await log.append(
    {
      type: 'policy-published',
      src: 'router-test',
      subject: `policy:${policy.id}`,
      blobs: [`sha256:${toHex(sha256(policyBlob))}`],
      body: { policyDigest: `sha256:${toHex(policyDigest(policy))}`, ...published },
    },
    { blobs: [policyBlob] },
  );
  await registerImages(log, 'router-test', policy, policyIndex);
  const witness = ed25519Cosigner('witness.test/w', ed25519Key(randomness(32)));
  const logPort: LogPort = {
    append: log.append,
    proof: async (index) => {
      const proof = await log.proof(index);
      const { checkpoint } = parseLogProof(proof);
      return `${proof}${await witness.cosign(parseNote(checkpoint).text, Math.floor(Date.now() / 1000))}`;
    },
    checkpoint: async () => fromUtf8(log.checkpoint(), 'checkpoint'),
    entry: async (index) => (await log.entries(index, index + 1))[0]!.entry,
  };
  const block: KnownBlock = {
    network: DEVELOPMENT_NETWORK,
    seqno: 7,
    rootHash: sha256(utf8('block 7')),
    at: Date.now(),
  };
  const beacon = async (): Promise<BeaconSource> => {
    const { origin, size, root } = parseCheckpoint(parseNote(log.checkpoint()).text);
    const made: Beacon = {
      network: block.network,
      seqno: block.seqno,
      blockRootHash: block.rootHash as Bytes,
      logOriginSha256: sha256(utf8(origin)),
      logSize: BigInt(size),
      logRoot: root,
    };
    return { beacon: made, checkpoint: fromUtf8(log.checkpoint(), 'checkpoint'), madeAt: block.at };
  };
  const payee = `0:${'bb'.repeat(32)}`;
  /** One channel a client, as in production: two processes never sign for one client key. */
  const channels = new Map<string, { state: string; deposited: bigint; claimed: bigint; closeAt: number }>();
  const channelOf = ({ clientKey }: ChannelTerms) => {
    const known = channels.get(toHex(clientKey)) ?? { state: 'open', deposited: 10n ** 12n, claimed: 0n, closeAt: 0 };
    channels.set(toHex(clientKey), known);
    return known;
  };
  const ledger = openSqliteLedger(join(folder, 'ledger.sqlite'));
  const dispatchKey = ed25519Key(randomness(32));
  /** What the router goes by; a test may change it while the network runs. Clients keep their own policy. */
  const away = (): string => {
    throw new CodedError('ENDORSEMENT_UNREACHABLE', 'the vendor’s service does not answer');
  };
  const routerKnows = { text, policy, collateralOf: options.collateralAway === true ? away : hosts.collateralOf };
  const router = createRouter({
    log: logPort,
    chain: {
      head: async () => ({ network: block.network, seqno: block.seqno, rootHash: block.rootHash as Bytes }),
      channel: async (of) => channelOf(of),
      claim: async (of, voucher) => Object.assign(channelOf(of), { claimed: voucher.cumulative }),
    },
    ledger,
    appraise: async ({ bundle }, nonce) => {
      const judgedAt = Date.now();
      const knownBlocks = [block];
      const collateral = routerKnows.collateralOf(bundle);
      const { tee } = parseEvidenceBundle(bundle);
      const routerTrusts = trustUnder(routerKnows.policy, hosts.trustAnchors);
      const endorsements = await loadVendorEndorsements(tee, collateral, routerTrusts.trustAnchors);
      const given = { ...routerTrusts, bundle, endorsements, now: judgedAt, expectedNonce: nonce, knownBlocks };
      const appraisal = await appraise(given);
      return {
        appraisal: options.blindToTwins === true ? withOtherSerials(appraisal) : appraisal,
        judgedAt,
        collateral: utf8(collateral),
        inputs: encodeRecordedInputs({ judgedAt, policyDigest: policyDigest(routerKnows.policy), nonce, knownBlocks }),
        result: earDigest(earOf(appraisal, routerKnows.policy, judgedAt)),
      };
    },
    beacon,
    collateral: async (bundle) => routerKnows.collateralOf(bundle),
    policy: () => ({
      text: routerKnows.text,
      number: routerKnows.policy.number,
      digest: policyDigest(routerKnows.policy),
    }),
    failed: (what, error) => {
      throw new Error(what, { cause: error });
    },
    dispatchKey,
    priceSheet: encodePriceSheet({
      currency: `TON/${DEVELOPMENT_NETWORK}`,
      perMillionIn: 50_000_000n,
      perMillionCached: 10_000_000n,
      perMillionOut: 200_000_000n,
      unitIn: 128,
      unitOut: 64,
      notAfter: Date.now() + 86_400_000,
    }),
    network: DEVELOPMENT_NETWORK,
    payee,
    feeBps: 0,
    voucherKey: dispatchKey,
    sessionSecret: new Uint8Array(32).fill(77),
    source: 'router-test',
    now: Date.now,
    monotonic: () => performance.now(),
    ...(options.accountLimits === undefined ? {} : { accountLimits: options.accountLimits }),
    ...(options.modelPrices === undefined ? {} : { modelPrices: options.modelPrices }),
    ...(options.meter === undefined ? {} : { meter: options.meter }),
    randomness,
  });
  const { door } = options;
  const listening = { host: '127.0.0.1', port: 0, now: Date.now, ...door?.router };
  const server = await serveRouter(router, paymentHandlers, listening);
  const address = `127.0.0.1:${server.port}`;
  const events: WorkerEvent[] = [];
  let serving: Serve | undefined;
  const engineOf = (i: number): Engine => {
    const { engine = echoEngine() } = options;
    return 'length' in engine ? (engine[i] as Engine) : engine;
  };
  const workers: ReturnType<typeof createWorker>[] = [];
  const running: Promise<void>[] = [];
  const start = (i: number): void => {
    const machine = hosts.machines[i] as Machine;
    const worker = createWorker(
      {
        boot: startBoot(
          machine,
          { now: Date.now, randomness },
          {
            modelDigest: modelOf(engineOf(i)),
            payee: { workchain: 0, account: new Uint8Array(32) },
            transportSpkiSha256: new Uint8Array(32),
          },
        ),
        engine: engineOf(i),
        routers: [
          () => {
            const link = attachToRouter(address, door?.worker);
            return {
              ...link,
              serve: (lease, spare, serve) => {
                serving ??= serve;
                const park = options.park?.(i) ?? link.serve;
                park(lease, spare, options.misbehave?.(serve, i) ?? serve);
              },
            };
          },
        ],
        now: Date.now,
        monotonic: () => performance.now(),
        randomness,
        releaseMemory: () => undefined,
        report: (event) => events.push(event),
      },
      {
        name: `worker-${i}`,
        concurrencyMax: options.slots ?? 64,
      },
    );
    workers.push(worker);
    running.push(worker.run().finally(() => ended.add(i)));
  };
  const ended = new Set<number>();
  for (const i of hosts.machines.keys()) if (options.late?.includes(i) !== true) start(i);
  const clients: Client[] = [];
  const logPolicyText = `log ${log.vkey}\nwitness w ${formatVkey(witness.key)}\nquorum w\n`;
  /** A channel of its own, as each client has one. */
  const payments = (): PaymentOptions => {
    const clientSeed = randomness(32);
    const terms: ChannelTerms = {
      network: DEVELOPMENT_NETWORK,
      clientKey: ed25519Key(clientSeed).publicKey,
      closeDelaySeconds: 86_400,
      salt: 1n,
      client: `0:${'aa'.repeat(32)}`,
      payee,
    };
    let book: VoucherBook = { cumulative: 0n, leaves: [] };
    return {
      terms,
      clientSeed,
      store: {
        load: async () => book,
        save: async (next) => {
          book = next;
        },
      },
      onChain: async () => channelOf(terms),
    };
  };
  const newClient = (
    tamper?: InProcessOptions['tamper'],
    pays = true,
    endorsementsFor: EndorsementsFor = null,
  ): Client => {
    const transport = connectToRouter(address, door?.client);
    const client = createClient({
      transport: tamper === undefined ? transport : tamper(transport),
      policy,
      policyDigest: policyDigest(policy),
      trust,
      endorsementsFor,
      logPolicy: parseLogPolicy(logPolicyText),
      blockAt: async (seqno) => (seqno === block.seqno ? block : null),
      now: Date.now,
      randomness,
      payments: pays ? payments() : null,
      ...(options.prefixCache === undefined ? {} : { prefixCache: options.prefixCache }),
    });
    clients.push(client);
    return client;
  };
  const expected = workers.length; // those of `late` come later
  for (
    let waited = 0;
    events.filter(({ event }) => event === 'admitted' || event === 'refused').length < expected;
    waited += 20
  ) {
    if (waited > 10_000) throw new Error('the workers were neither admitted nor refused in 10 s');
    await new Promise((done) => setTimeout(done, 20));
  }
  return {
    client: newClient(options.tamper),
    address,
    events,
    newClient,
    vendor: hosts.intel,
    changePolicy: (changes) => {
      const next = JSON.stringify({
        ...JSON.parse(routerKnows.text),
        number: routerKnows.policy.number + 1,
        ...changes,
      });
      Object.assign(routerKnows, { text: next, policy: loadPolicy(next) });
    },
    changeCollateral: (collateralOf) => Object.assign(routerKnows, { collateralOf }),
    entries: async () => (await log.entries(0, log.head().size)).map(({ entry }) => parseLeaf(entry).leaf as Leaf),
    blob: async (digest) => (await log.blobs.get(digest as `sha256:${string}`)) as Bytes,
    audit: async () => {
      const to = log.head().size;
      const source = { blob: (digest) => log.blobs.get(digest) } as LogSource;
      const given = {
        policy: parseLogPolicy(logPolicyText),
        anchors: hosts.trustAnchors,
        approvers: null,
        signers: null,
      };
      const deps = { reappraise: createReappraiser(hosts.trustAnchors) };
      const walk = new EntriesWalk(
        { source, manifest: { from: 0, to, absent: [] }, seen: [], trust: given, deps },
        newTallies(),
      );
      for (const [index, { entry }] of (await log.entries(0, to)).entries()) await walk.entry(index, entry);
      await walk.end();
      return walk.findings;
    },
    transport: () => connectToRouter(address),
    relying: { policyText: text, trust, collateralOf: hosts.collateralOf },
    router,
    logKey: log.vkey,
    dispatchKey,
    serve: () => {
      if (serving === undefined) throw new Error('no worker was admitted');
      return serving;
    },
    logPolicyText,
    anchors: hosts.trustAnchors,
    payments,
    start,
    ended,
    stopWorker: (workerId) => workers.find((worker) => toHex(worker.workerId) === workerId)?.stop(),
    close: async () => {
      for (const client of clients) await client.close();
      for (const worker of workers) worker.stop();
      await server.close(200);
      await Promise.race([Promise.all(running), new Promise((done) => setTimeout(done, 1_000))]);
      await router.close();
      await ledger.close();
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The whole answer of a request, and what the client said of it. */
export async function ask(
  client: Client,
  content: string,
  options: Parameters<Client['chat']>[1] = {},
  maxTokens = 64,
) {
  const events = await collect(client.chat({ messages: [{ role: 'user', content }], maxTokens }, options));
  const answer = events.map((event) => (event.kind === 'text' ? event.text : '')).join('');
  return { answer, done: events.find((event) => event.kind === 'done'), events };
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
