import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadPolicy, policyDigest, trustUnder } from '../../src/attestation/index.ts';
import { type Client, createClient } from '../../src/client/index.ts';
import { type Bytes, CodedError, toHex } from '../../src/core/index.ts';
import { type Leaf, parseLeaf, parseLogPolicy } from '../../src/log/index.ts';
import type { RouterService, ServeLink } from '../../src/router/index.ts';
import { connectToRouter, paymentHandlers, serveRouter } from '../../src/rpc/index.ts';
import { auditOf } from './in-process/audit.ts';
import { chainTable } from './in-process/chain.ts';
import { simulatedHosts } from './in-process/hosts.ts';
import { openWitnessedLog } from './in-process/log.ts';
import type { InProcess, InProcessOptions } from './in-process/options.ts';
import { randomness } from './in-process/randomness.ts';
import { RouterKnowledge, routerOf } from './in-process/router.ts';
import { Workers } from './in-process/workers.ts';

export { ask } from './in-process/ask.ts';
export { echoEngine } from './in-process/engine.ts';
export type { InProcess, InProcessOptions } from './in-process/options.ts';
export { randomness } from './in-process/randomness.ts';

const POLICY = resolve(import.meta.dirname, '../../attestation-policies/development-simulated.json');

const away = (): string => {
  throw new CodedError('ENDORSEMENT_UNREACHABLE', 'the vendor’s service does not answer');
};

/**
 * A whole network in one process: real router, gRPC on loopback, log, ledger, workers on simulated TDX and SNP hosts and
 * the real verifier; only the chain is a table and the engine is scripted.
 */
export async function startInProcess(options: InProcessOptions = {}): Promise<InProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-network-'));
  const shipped = readFileSync(POLICY, 'utf8');
  const text = options.policy === undefined ? shipped : JSON.stringify(options.policy(JSON.parse(shipped)));
  const policy = loadPolicy(text);
  const hosts = await simulatedHosts(options.tees ?? ['tdx'], options);
  const trust = trustUnder(policy, hosts.trustAnchors);
  const witnessed = await openWitnessedLog(folder, text);
  const { log, block, logPolicyText } = witnessed;
  const chain = chainTable();
  const knows = new RouterKnowledge(text, options.collateralAway === true ? away : hosts.collateralOf);
  const { router, ledger, dispatchKey } = routerOf({ folder, options, hosts, log: witnessed, chain, knows });
  const { door } = options;
  const listening = { host: '127.0.0.1', port: 0, now: Date.now, ...door?.router };
  const park: RouterService['park'] = (lease, link) => {
    const begin: ServeLink['begin'] = (...request) => {
      options.onDispatch?.(workers.leases.get(toHex(lease)) as number);
      link.begin(...request);
    };
    const isOpen = () => link.isOpen();
    const [stop, pause, resume, cancel] = [
      () => link.stop(),
      () => link.pause(),
      () => link.resume(),
      () => link.cancel(),
    ];
    return router.park(lease, { begin, isOpen, stop, pause, resume, cancel });
  };
  const watched = options.onDispatch === undefined ? router : { ...router, park };
  const server = await serveRouter(watched, paymentHandlers, listening);
  const address = `127.0.0.1:${server.port}`;
  const workers = new Workers(address, hosts.machines, options);
  for (const i of hosts.machines.keys()) if (options.late?.includes(i) !== true) workers.start(i);
  const clients: Client[] = [];
  const newClient: InProcess['newClient'] = (tamper, pays = true, endorsementsFor = null) => {
    const transport = connectToRouter(address, Date.now, door?.client);
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
      payments: pays ? chain.payments() : null,
      ...(options.prefixCache === undefined ? {} : { prefixCache: options.prefixCache }),
    });
    clients.push(client);
    return client;
  };
  await workers.settled();
  return {
    client: newClient(options.tamper),
    address,
    events: workers.events,
    newClient,
    vendor: hosts.intel,
    changePolicy: (changes) => knows.change(changes),
    changeCollateral: (collateralOf) => {
      knows.learn(collateralOf);
    },
    entries: async () => (await log.entries(0, log.head().size)).map(({ entry }) => parseLeaf(entry).leaf as Leaf),
    blob: async (digest) => (await log.blobs.get(digest as `sha256:${string}`)) as Bytes,
    audit: () => auditOf(log, logPolicyText, hosts.trustAnchors),
    transport: () => connectToRouter(address, Date.now),
    relying: { policyText: text, trust, collateralOf: hosts.collateralOf },
    router,
    logKey: log.vkey,
    dispatchKey,
    serve: () => {
      if (workers.serving === undefined) throw new Error('no worker was admitted');
      return workers.serving;
    },
    logPolicyText,
    anchors: hosts.trustAnchors,
    payments: chain.payments,
    start: (number) => workers.start(number),
    ended: workers.ended,
    stopWorker: (workerId) => workers.stop(workerId),
    drain: server.drain,
    close: async () => {
      for (const client of clients) await client.close();
      workers.stopAll();
      await server.close(200);
      await Promise.race([workers.allEnded(), new Promise((done) => setTimeout(done, 1_000))]);
      await router.close();
      await ledger.close();
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
