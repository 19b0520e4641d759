import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SimulatedNvidiaDevice } from '../../src/attestation/simulate/index.ts';
import { type Bytes, CodedError } from '../../src/core/index.ts';
import { type Leaf, parseLeaf, parseLogPolicy } from '../../src/log/index.ts';
import { type Meter, NO_METER } from '../../src/router/meter.ts';
import type { RouterDeps } from '../../src/router/router.ts';
import type {
  EvidenceMessage,
  ResumeMessage,
  RouterToWorker,
  WorkerJoin,
  WorkerToRouter,
} from '../../src/session/index.ts';
import { createWorker, type RouterLink, startBoot, type WorkerEvent } from '../../src/worker/index.ts';
import { auditOf } from './in-process/audit.ts';
import { chainTable } from './in-process/chain.ts';
import { echoEngine, modelOf } from './in-process/engine.ts';
import { simulatedHosts } from './in-process/hosts.ts';
import { openWitnessedLog } from './in-process/log.ts';
import { randomness } from './in-process/randomness.ts';
import { RouterKnowledge, routerOf } from './in-process/router.ts';

const POLICY = resolve(import.meta.dirname, '../../attestation-policies/development-simulated.json');
const WITHIN_MS = 60_000;

/** Until it holds, on a machine that may be busy. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !holds(); waited += 10) {
    if (waited > WITHIN_MS) throw new Error(`not within a minute: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

type Router = ReturnType<typeof routerOf> & Readonly<{ run: { isKilled: boolean } }>;
/** @param nonce of the last challenge */
type Between = (message: WorkerToRouter, nonce: Bytes) => WorkerToRouter | Promise<WorkerToRouter>;

/** Messages to one end, until the line is cut. */
function line<Message>() {
  const waiting: Message[] = [];
  let wake: () => void = () => undefined;
  let isCut = false;
  return {
    push(message: Message): void {
      waiting.push(message);
      wake();
    },
    cut(): void {
      isCut = true;
      wake();
    },
    async *messages(): AsyncGenerator<Message> {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else if (isCut) throw new CodedError('ROUTER_UNREACHABLE', 'cut');
        else
          await new Promise<void>((done) => {
            wake = done;
          });
      }
    },
  };
}

/**
 * Routers that start again over one log and workers that keep to whichever of them runs, without the wire between them:
 * what workers say can be kept, changed and said again.
 */
export async function startScene({
  gpus,
  count = 2,
}: Readonly<{ gpus?: readonly SimulatedNvidiaDevice[]; count?: number }> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-resumption-'));
  const text = readFileSync(POLICY, 'utf8');
  const options = gpus === undefined ? {} : { gpus };
  const hosts = await simulatedHosts(
    Array.from({ length: count }, () => 'tdx' as const),
    options,
  );
  const log = await openWitnessedLog(folder, text);
  const knows = new RouterKnowledge(text, hosts.collateralOf);
  const chain = chainTable();
  const outcomes: string[] = [];
  const meter: Meter = { ...NO_METER, cameBack: (outcome) => outcomes.push(outcome) };
  const all: Router[] = [];
  let running: Router | null = null;
  const cuts = new Set<(isCrash: boolean) => void>();
  const workers: ReturnType<typeof createWorker>[] = [];

  const start = (own: Partial<RouterDeps> = {}): Router['router'] => {
    const place = join(folder, `router-${all.length}`);
    mkdirSync(place);
    const { port } = log;
    const run = { isKilled: false };
    const append: typeof port.append = (...asked) =>
      run.isKilled ? Promise.reject(new CodedError('LOG_UNREACHABLE', 'killed')) : port.append(...asked);
    const parts = { folder: place, options, hosts, log, chain, knows };
    const failed = () => undefined;
    running = { ...routerOf(parts, { meter, failed, log: { ...port, append }, ...own }), run };
    all.push(running);
    return running.router;
  };
  /** What connections are between workers and the running router. */
  const cut = (isCrash: boolean): void => {
    for (const one of [...cuts]) one(isCrash);
  };

  /** @param between what a worker says goes through it */
  const startWorker = (number: number, between: Between = (message) => message) => {
    const machine = hosts.machines[number]!;
    const engine = echoEngine();
    const events: WorkerEvent[] = [];
    const seen = { quotes: 0, ticket: new Uint8Array(0) as Bytes, evidence: null as EvidenceMessage | null };
    const counted = {
      ...machine,
      quote: (reportData: Parameters<typeof machine.quote>[0]) => {
        seen.quotes += 1;
        return machine.quote(reportData);
      },
    };
    const link = (): RouterLink => {
      if (running === null) throw new CodedError('ROUTER_UNREACHABLE', 'no router runs');
      const { push, cut: end, messages } = line<RouterToWorker>();
      let nonce: Bytes = new Uint8Array(0);
      let last: Promise<void> = Promise.resolve();
      const attached = running.router.attach({
        send: (message) => {
          if (message.kind === 'challenge') nonce = message.nonce;
          if (message.kind === 'lease') seen.ticket = message.ticket;
          push(message);
        },
        close: () => cutOne(false),
      });
      const cutOne = (isCrash: boolean): void => {
        if (!cuts.delete(cutOne)) return;
        end();
        if (!isCrash) queueMicrotask(() => attached.gone());
      };
      cuts.add(cutOne);
      return {
        send: (message) => {
          if (message.kind === 'evidence') seen.evidence = message;
          last = last.then(async () => {
            const changed = await between(message, nonce);
            if (cuts.has(cutOne)) attached.receive(changed);
          });
        },
        messages: messages(),
        serve: () => undefined,
        close: () => cutOne(false),
      };
    };
    const boot = startBoot(
      counted,
      { now: Date.now, randomness },
      {
        modelDigest: modelOf(engine),
        payee: { workchain: 0, account: new Uint8Array(32) },
        transportSpkiSha256: new Uint8Array(32),
      },
    );
    const worker = createWorker(
      {
        boot,
        engine,
        routers: [link],
        now: Date.now,
        monotonic: () => performance.now(),
        randomness,
        releaseMemory: () => undefined,
        report: (event) => events.push(event),
      },
      { name: `worker-${number}`, concurrencyMax: 4 },
    );
    workers.push(worker);
    void worker.run();
    const admitted = () => events.filter(({ event }) => event === 'admitted').length;
    return { id: worker.workerId, boot, events, seen, admitted, stop: () => worker.stop() };
  };

  /** Another connection to the running router, for whoever plays a worker by hand. */
  const connect = (join: WorkerJoin) => {
    const heard: RouterToWorker[] = [];
    const attached = (running as Router).router.attach({
      send: (message) => heard.push(message),
      close: () => undefined,
    });
    attached.receive({ kind: 'join', join });
    const next = async <Kind extends RouterToWorker['kind']>(kind: Kind) => {
      await until(() => heard.some((message) => message.kind === kind), kind);
      const [message] = heard.splice(
        heard.findIndex((one) => one.kind === kind),
        1,
      );
      return message as Extract<RouterToWorker, { kind: Kind }>;
    };
    return { heard, next, say: attached.receive, leave: attached.gone };
  };

  return {
    connect,
    log,
    knows,
    logPolicy: parseLogPolicy(log.logPolicyText),
    outcomes,
    start,
    startWorker,
    vendor: hosts.intel,
    /** The router is killed: it says nothing to anybody any more. */
    crash(): void {
      if (running !== null) running.run.isKilled = true;
      running = null;
      cut(true);
    },
    /** Connections are lost, and the router goes on. */
    disconnect: () => cut(false),
    /** The router ends as it does on SIGTERM. */
    async stop(): Promise<void> {
      const last = running;
      running = null;
      last?.router.dismissWorkers();
      cut(false);
      await new Promise((done) => setTimeout(done, 20));
      await last?.router.close();
    },
    row: (number: number) => running?.router.listWorkers().find(({ name }) => name === `worker-${number}`),
    entries: async () =>
      (await log.log.entries(0, log.log.head().size)).map(({ entry }) => parseLeaf(entry).leaf as Leaf),
    audit: () => auditOf(log.log, log.logPolicyText, hosts.trustAnchors),
    async close(): Promise<void> {
      running = null;
      for (const worker of workers) worker.stop();
      cut(true);
      for (const { router, ledger } of all) {
        await router.close();
        await ledger.close();
      }
      await log.log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type Scene = Awaited<ReturnType<typeof startScene>>;
export type SceneWorker = ReturnType<Scene['startWorker']>;

/** A scene whose router has admitted one worker. */
export async function startAdmitted(between?: Between): Promise<Readonly<{ scene: Scene; worker: SceneWorker }>> {
  const scene = await startScene();
  scene.start();
  const worker = scene.startWorker(0, between);
  await until(() => worker.admitted() === 1, 'the first admission');
  return { scene, worker };
}

export const isResume = (message: WorkerToRouter): message is ResumeMessage => message.kind === 'resume';
export const flipped = (bytes: Bytes, at: number): Bytes => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
