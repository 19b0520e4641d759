import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ed25519Key } from '#crypto';
import { DEVELOPMENT_NETWORK, walletAddress } from '../../chain/index.ts';
import { type Clock, CodedError, fromHex, type Randomness, toHex } from '../../core/index.ts';
import { formatVkey } from '../../log/index.ts';
import type { SettlementContracts } from '../compose/settlement.ts';
import { codedFromSystem, counted } from '../output.ts';
import type { Ports } from './ports.ts';
import { readSettlement, type SettlementReader, type SettlementSources } from './settled.ts';
import { type Layout, readOrMake, writeLogAnchor, writeLogPolicy } from './state.ts';
import { Child, type Event } from './supervisor.ts';
import { prepareVendors, type SimulatedWorker } from './vendors.ts';

export const WORKERS: readonly SimulatedWorker[] = [
  { name: 'alder', tee: 'tdx', gpus: 1 },
  { name: 'birch', tee: 'sev-snp', gpus: 1 },
];
const TEE_NAME = { tdx: 'TDX', 'sev-snp': 'SEV-SNP' } as const;
const LOG_ORIGIN = 'local.chrysalis/log';
const WITNESS_NAME = 'local.chrysalis/witness';

/** For the slowest machine that is still useful, in milliseconds. */
const READY_TIMEOUT_MS = 60_000;
const ADMITTED_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const RESTART_AFTER_MS = [500, 1_000, 2_000];

/** What is started, and how patiently; tests put other parts in its place. */
export type Parts = Readonly<{
  /** How a part is called: the runtime and the file with the command line. */
  runtime: string;
  main: string;
  stopGraceMs?: number;
  restartAfterMs?: readonly number[];
  /** Where what was settled is read; from the chain itself where absent. */
  readSettlement?: (sources: SettlementSources) => Promise<SettlementReader>;
}>;

export type NetworkPlan = Parts &
  Readonly<{
    layout: Layout;
    ports: Ports;
    /** The folder of the model that both workers serve; the worker's own default where null. */
    model: string | null;
    policy: string;
    env: Readonly<Record<string, string | undefined>>;
    randomness: Randomness;
    now: Clock;
  }>;

export type Urls = Readonly<{ gateway: string; router: string; log: string; chain: string }>;

export type StepResult = Readonly<{ where: string; what: string }>;
export type Step = Readonly<{ title: string; run: () => Promise<StepResult> }>;

function text(event: Event, field: string, part: string): string {
  const value = event[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new CodedError('PROCESS_FAILED', `${part} did not say its ${field} when it was ready`, { part, field });
}

function optional(event: Event, field: string): string {
  const value = event[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** The parts of a local network, each a process of its own, started in order and stopped in the reverse order. */
export class Network {
  readonly #plan: NetworkPlan;
  readonly #children: Child[] = [];
  readonly #lost = Promise.withResolvers<never>();
  #log: Event = {};
  #chain: Event = {};
  #router: Event = {};
  onNotice: (text: string) => void = () => {};

  constructor(plan: NetworkPlan) {
    this.#plan = plan;
    this.#lost.promise.catch(() => {}); // whoever waits for it hears of it
  }

  /** Rejects when a part is gone for good. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  get urls(): Urls {
    const { gateway, router } = this.#plan.ports;
    return {
      gateway: `http://127.0.0.1:${gateway}`,
      router: `127.0.0.1:${router}`,
      log: text(this.#log, 'url', 'transparency log'),
      chain: text(this.#chain, 'url', 'development chain'),
    };
  }

  /** Reads what the router's contracts show on chain. */
  settlement(): Promise<SettlementReader> {
    const { readSettlement: read = readSettlement, randomness } = this.#plan;
    const { contracts } = this.#router;
    if (typeof contracts !== 'object' || contracts === null) {
      throw new CodedError('PROCESS_FAILED', 'the router did not say which contracts it settles with');
    }
    const { chain, log } = this.urls;
    const logVkey = text(this.#log, 'vkey', 'transparency log');
    const payees = Object.fromEntries(WORKERS.map(({ name }) => [name, this.#payee(name)]));
    return read({ contracts: contracts as SettlementContracts, chain, log, logVkey, payees, randomness });
  }

  get pids(): Readonly<Record<string, number | undefined>> {
    return Object.fromEntries(this.#children.map((child) => [child.spec.name, child.pid]));
  }

  /** Steps in groups; a group's steps may run side by side, groups go one after the other. */
  steps(): readonly (readonly Step[])[] {
    return [
      [
        { title: 'simulated vendors', run: () => this.#prepareVendors() },
        { title: 'development chain', run: () => this.#startChain() },
        { title: 'log witness', run: () => this.#startWitness() },
      ],
      [{ title: 'transparency log', run: () => this.#startLog() }],
      [{ title: 'router', run: () => this.#startRouter() }],
      WORKERS.map(({ name, tee }) => ({
        title: `worker ${name} (${TEE_NAME[tee]} and H100, simulated)`,
        run: () => this.#startWorker(name),
      })),
      [{ title: 'gateway', run: () => this.#startGateway() }],
    ];
  }

  /** Stops what was started, last first; the workers at the same time. */
  async stop(): Promise<void> {
    const reversed = [...this.#children].reverse();
    while (reversed.length > 0) {
      const child = reversed.shift() as Child;
      const together = [child];
      while (isWorker(child) && reversed[0] !== undefined && isWorker(reversed[0])) {
        together.push(reversed.shift() as Child);
      }
      await Promise.all(together.map((one) => one.stop()));
    }
  }

  async #prepareVendors(): Promise<StepResult> {
    const { layout, randomness, now } = this.#plan;
    const keys = await prepareVendors(layout, WORKERS, { now: Math.floor(now() / 1000), randomness });
    return { where: '', what: `Intel, AMD and NVIDIA, keys ${keys}, collateral of today` };
  }

  async #startChain(): Promise<StepResult> {
    const { layout, ports } = this.#plan;
    const args = ['chain', 'dev', '--port', String(ports.chain), '--data', layout.part('chain')];
    this.#chain = await this.#child('development chain', 'chain', args).start();
    return {
      where: `127.0.0.1:${ports.chain}`,
      what: `network ${optional(this.#chain, 'network')}, its money is worth nothing`,
    };
  }

  /** Before the log: a log signs nothing before it has asked its witness what it holds. */
  async #startWitness(): Promise<StepResult> {
    const { layout, ports } = this.#plan;
    const { logVkeyIn, cosignersIn } = await import('../log/keys.ts');
    const log = await logVkeyIn(layout.part('log'), LOG_ORIGIN);
    const [cosigner] = await cosignersIn(layout.part('witness'), WITNESS_NAME, false);
    const url = `http://127.0.0.1:${ports.witness}`;
    writeLogPolicy(layout, log, { vkey: formatVkey((cosigner as NonNullable<typeof cosigner>).key), url });
    const args = ['log', 'witness', '--port', String(ports.witness), '--data', layout.part('witness')];
    await this.#child('log witness', 'witness', [...args, '--name', WITNESS_NAME, '--log', log], true).start();
    return { where: `127.0.0.1:${ports.witness}`, what: `${WITNESS_NAME}, its cosignature is required` };
  }

  async #startLog(): Promise<StepResult> {
    const { layout, ports } = this.#plan;
    const args = ['log', 'serve', '--port', String(ports.log), '--data', layout.part('log'), '--origin', LOG_ORIGIN];
    args.push('--policy', layout.logPolicy);
    this.#log = await this.#child('transparency log', 'log', [...args, '--token-file', this.#token()]).start();
    const size = optional(this.#log, 'size');
    const origin = text(this.#log, 'origin', 'transparency log');
    return {
      where: `127.0.0.1:${ports.log}`,
      what: `origin ${origin}${size === '' ? '' : `, ${counted(Number(size), 'entry', 'entries')}`}`,
    };
  }

  async #startRouter(): Promise<StepResult> {
    const { layout, ports, policy } = this.#plan;
    const { chain, log } = this.urls;
    const args = ['router', '--port', String(ports.router), '--data', layout.part('router'), '--chain', chain];
    args.push('--log', log, '--log-token-file', this.#token(), '--policy', policy, '--collateral', layout.collateral);
    args.push('--dangerously-allow-simulated-vendor', layout.trustAnchors, '--admin-port', '0');
    // In production an hour lies between a root and its payments; here somebody is looking on.
    args.push('--pool-post-delay', '1', '--pay-above', '1', '--settle-every', '1');
    this.#router = await this.#child('router', 'router', args).start();
    const { anchor } = (this.#router.contracts ?? {}) as Partial<SettlementContracts>;
    if (anchor !== undefined) writeLogAnchor(layout, anchor);
    return { where: this.urls.router, what: `policy ${optional(this.#router, 'policy') || 'development-simulated'}` };
  }

  async #startWorker(name: string): Promise<StepResult> {
    const { layout, model } = this.#plan;
    const args = ['worker', 'run', '--name', name, '--router', this.urls.router, '--payee', this.#payee(name)];
    args.push('--vouchers', layout.vouchers(name));
    args.push('--simulated-machine', layout.machine(name), '--simulated-devices', layout.devices(name));
    args.push(...(model === null ? [] : ['--model', model]));
    const child = this.#child(`worker ${name}`, `worker-${name}`, args, true);
    await child.start();
    const verdict = await child.waitFor(['admitted', 'refused'], ADMITTED_TIMEOUT_MS);
    if (verdict.event === 'admitted') {
      return { where: '', what: `admitted, log entry ${optional(verdict, 'logIndex') || 'not known yet'}` };
    }
    const failed = Array.isArray(verdict.failedChecks) ? verdict.failedChecks.join(', ') : '';
    const why = [optional(verdict, 'message'), optional(verdict, 'code'), failed]
      .filter((one) => one !== '')
      .join('; ');
    throw new CodedError('ADMISSION_REFUSED', `the router refused worker ${name}${why === '' ? '' : `: ${why}`}`, {
      part: name,
      todo: `read ${child.spec.logFile} and ${layout.logFile('router')}`,
    });
  }

  async #startGateway(): Promise<StepResult> {
    const { layout, ports, policy } = this.#plan;
    this.#remember();
    const args = ['gateway', '--port', String(ports.gateway), '--data', layout.part('gateway')];
    args.push('--router', this.urls.router, '--chain', this.urls.chain, '--log-policy', layout.logPolicy);
    args.push('--policy', policy);
    args.push('--dangerously-allow-simulated-vendor', layout.trustAnchors);
    await this.#child('gateway', 'gateway', args, true).start();
    return { where: `127.0.0.1:${ports.gateway}`, what: 'OpenAI-compatible' };
  }

  #child(name: string, file: string, args: readonly string[], restart = false): Child {
    const child = new Child({
      name,
      command: this.#plan.runtime,
      args: [this.#plan.main, ...args, '--json', '--supervised'],
      env: this.#plan.env,
      logFile: this.#plan.layout.logFile(file),
      readyTimeoutMs: READY_TIMEOUT_MS,
      restartAfterMs: restart ? (this.#plan.restartAfterMs ?? RESTART_AFTER_MS) : [],
      stopGraceMs: this.#plan.stopGraceMs ?? STOP_GRACE_MS,
    });
    child.on('restarting', (notice) => this.onNotice(notice));
    child.on('lost', (error) => this.#lost.reject(error));
    this.#children.push(child);
    return child;
  }

  /** The address that a worker's pay goes to; the key stays here. */
  #payee(worker: string): string {
    const seed = readOrMake(this.#plan.layout.payout(worker), () => toHex(this.#plan.randomness(32)));
    const { publicKey } = ed25519Key(fromHex(seed, 'payout seed'));
    return walletAddress(publicKey, DEVELOPMENT_NETWORK).toRawString();
  }

  /** The secret with which the router writes to the log; made once. */
  #token(): string {
    const path = join(this.#plan.layout.part('log'), 'write-token');
    readOrMake(path, () => toHex(this.#plan.randomness(32)));
    return path;
  }

  /** What `chrysalis chat` and `chrysalis top` need to find this network. */
  #remember(): void {
    const { layout, policy } = this.#plan;
    const { router, chain } = this.urls;
    const admin = optional(this.#router, 'admin');
    const found = { router, admin, chain, logPolicy: layout.logPolicy, policy, simulatedVendor: layout.trustAnchors };
    try {
      writeFileSync(layout.network, `${JSON.stringify(found, null, 2)}\n`, { mode: 0o600 });
    } catch (thrown) {
      throw codedFromSystem(thrown);
    }
  }
}

function isWorker(child: Child): boolean {
  return child.spec.name.startsWith('worker ');
}
