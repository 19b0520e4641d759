import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ed25519Key } from '#crypto';
import { createClientFromOptions } from '../../src/cli/compose/client.ts';
import { DEVELOPMENT_POLICY } from '../../src/cli/paths.ts';
import { freePorts } from '../../src/cli/up/ports.ts';
import { layoutOf, makeFolders } from '../../src/cli/up/state.ts';
import { prepareVendors } from '../../src/cli/up/vendors.ts';
import type { Client } from '../../src/client/index.ts';
import { toHex } from '../../src/core/index.ts';
import { type Cluster, startCable, startCluster } from '../store/postgres.ts';
import { type Part, startPart } from './processes.ts';
import { keepSharedAmd } from './shared-vendor.ts';

type Cable = Awaited<ReturnType<typeof startCable>>;
/** @property policy its own file */
export type Replica = Readonly<{ address: string; policy: string; cable: Cable; start(): Promise<Part> }>;

const randomness = (length: number) => Uint8Array.from(randomBytes(length));
const WORKERS = ['alder', 'birch'] as const;
/** Who may sign policies there. */
export const PEOPLE = ['paul', 'anna'].map((name, i) => ({ name, key: ed25519Key(new Uint8Array(32).fill(i + 1)) }));

/** The keys of one replica are those of all. */
function copyKeys(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (/\.secret$|^log\.key$/.test(name)) copyFileSync(join(from, name), join(to, name));
  }
}

/** Two routers and two processes for one log over PostgreSQL, two workers that keep to both routers; real processes all. */
export async function startReplicas(folder: string) {
  const layout = layoutOf(folder);
  makeFolders(layout);
  keepSharedAmd(folder);
  const hosts = WORKERS.map((name) => ({ name, tee: 'tdx' as const, gpus: 1 }));
  await prepareVendors(layout, hosts, { now: Math.floor(Date.now() / 1000), randomness });
  const token = join(folder, 'write-token');
  writeFileSync(token, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const cluster: Cluster = await startCluster();
  const database = await cluster.database();
  const parts: Part[] = [];
  const part = async (name: string, args: readonly string[]) => {
    const started = await startPart(name, args, layout.logFile(name));
    parts.push(started);
    return started;
  };
  const chain = await part('chain', ['chain', 'dev', '--port', '0', '--data', layout.part('chain')]);

  const logPorts = await freePorts(2);
  const logUrls = logPorts.map((port) => `http://127.0.0.1:${port}`).join();
  const startLog = (which: 0 | 1) => {
    const place = ['--port', String(logPorts[which]), '--data', join(folder, `log-${which}`)];
    return part(`log-${which}`, ['log', 'serve', ...place, '--database', database, '--token-file', token]);
  };
  const log = await startLog(0);
  copyKeys(join(folder, 'log-0'), join(folder, 'log-1'));

  const people = join(folder, 'people.json');
  writeFileSync(
    people,
    JSON.stringify(Object.fromEntries(PEOPLE.map(({ name, key }) => [name, toHex(key.publicKey)]))),
  );
  const vendor = ['--dangerously-allow-simulated-vendor', layout.trustAnchors];
  const replicaOf = async (name: string): Promise<Replica> => {
    const [port] = await freePorts(1);
    const policy = join(folder, `${name}.policy.json`);
    copyFileSync(DEVELOPMENT_POLICY, policy);
    const cable = await startCable(database);
    const start = () =>
      part(name, [
        ...['router', '--port', String(port), '--data', join(folder, name), '--name', name, '--database', cable.url],
        ...['--chain', String(chain.ready.url), '--log', logUrls, '--log-token-file', token],
        ...['--policy', policy, '--policy-approvers', people, '--admin-port', '0'],
        ...['--collateral', layout.collateral, ...vendor],
      ]);
    return { address: `127.0.0.1:${port}`, policy, cable, start };
  };
  const replicas = [await replicaOf('router-a'), await replicaOf('router-b')] as const;
  const routerA = await replicas[0].start();
  copyKeys(join(folder, 'router-a'), join(folder, 'router-b'));
  const routerB = await replicas[1].start();
  const addresses = replicas.map(({ address }) => address).join();
  for (const name of WORKERS) {
    const machine = ['--simulated-machine', layout.machine(name), '--simulated-devices', layout.devices(name)];
    await part(name, ['worker', 'run', '--name', name, '--router', addresses, ...machine]);
  }
  return {
    database,
    log,
    startLog,
    /** Who stands in for one that was killed takes its place here. */
    routers: [routerA, routerB] as [Part, Part],
    replicas,
    logVkey: String(log.ready.vkey),
    logUrls,
    /** @param order of the routers: whom it asks first is drawn */
    newClient: (name: string): Promise<Client> =>
      createClientFromOptions({
        policy: DEVELOPMENT_POLICY,
        dangerouslyAllowSimulatedVendor: layout.trustAnchors,
        router: addresses,
        chain: String(chain.ready.url),
        dangerouslyAllowUnwitnessedLog: String(log.ready.vkey),
        data: join(folder, name),
      }),
    async stop(): Promise<void> {
      for (const one of parts.reverse()) await one.stop();
      for (const { cable } of replicas) cable.close();
      await cluster.stop();
    },
  };
}
