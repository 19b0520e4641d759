import type { SigningKey } from '#crypto';
import type { Tee, Trust, TrustAnchor } from '../../../src/attestation/index.ts';
import type {
  MachineOptions,
  PlatformStatus,
  SimulatedIntel,
  SimulatedNvidiaDevice,
  SnpReportRequest,
} from '../../../src/attestation/simulate/index.ts';
import type { Finding } from '../../../src/audit/index.ts';
import type {
  Client,
  createClient,
  PaymentOptions,
  PrefixCacheOptions,
  RouterTransport,
} from '../../../src/client/index.ts';
import type { Bytes, Tracer } from '../../../src/core/index.ts';
import type { Leaf } from '../../../src/log/index.ts';
import type { AccountLimits, createRouter, Meter, ModelPrice } from '../../../src/router/index.ts';
import type { ClientTls, serveRouter } from '../../../src/rpc/index.ts';
import type { Ledger } from '../../../src/store/index.ts';
import type { Engine, RouterLink, WorkerEvent } from '../../../src/worker/index.ts';

export type Serve = Parameters<RouterLink['serve']>[2];

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
  /** The router's ledger, where it is to be another one than the file that it gets. */
  ledger?: (file: Ledger) => Ledger;
  /** Waited for before evidence is judged. */
  beforeAppraisal?: () => Promise<void>;
  /** The router begins a request at the worker of this number. */
  onDispatch?: (worker: number) => void;
  /** Counts what the router does. */
  meter?: Meter;
  /** Traces what it does. */
  tracer?: Tracer;
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

export type EndorsementsFor = Parameters<typeof createClient>[0]['endorsementsFor'];

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
  /** The router takes nothing new. */
  drain(): void;
  close(): Promise<void>;
}>;
