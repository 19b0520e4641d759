import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AdministrationCall,
  type DrainingServer,
  paymentHandlers,
  serveAdministration,
  serveRouter,
} from '../../rpc/index.ts';
import { aborted, announce, stopSignal } from '../child.ts';
import { type AdminDoorOptions, openAdminDoor } from '../compose/admin-door.ts';
import { createRouterMetrics, serveMetrics } from '../compose/metrics.ts';
import { type OpenedRouter, openRouter, type RouterOptions } from '../compose/router.ts';
import { openRouterTls } from '../compose/router-tls.ts';
import { openTraces } from '../compose/traces.ts';
import { openWebDoor, type WebDoorOptions } from '../compose/web-door.ts';
import { createLogger, type Logger } from '../logger.ts';
import { addressesOf, serveRelease } from '../release/serving.ts';

export type RunOptions = RouterOptions &
  AdminDoorOptions &
  WebDoorOptions &
  Readonly<{
    host: string;
    port: string;
    adminPort?: string;
    metricsPort?: string;
    releasePort: string;
    releaseAdminPort: string;
    /** How long running answers may go on after SIGTERM. */
    drainSeconds: number;
    /** Of a collector of traces; nobody traces where absent. */
    traces?: string;
    json?: boolean;
    supervised?: boolean;
  }>;

const READS: ReadonlySet<AdministrationCall['method']> = new Set([
  'ListWorkers',
  'GetStatus',
  'GetPolicy',
  'GetProposal',
]);

const DRAIN_LOOK_MS = 50;
const LAST_WORDS_MS = 250;

/** Runs a router until it is told to stop; then it takes nothing new and lets what runs end. */
export async function runRouter(options: RunOptions): Promise<void> {
  const stop = stopSignal(options);
  const metrics = createRouterMetrics();
  const say = createLogger({
    json: options.json === true,
    write: (line) => void process.stderr.write(line),
    now: Date.now,
  });
  const report = (message: string) => say('error', 'file-not-taken', { message });
  const door = await openRouterTls(options, report);
  const adminDoor = await openAdminDoor(options, report);
  const traces = options.traces === undefined ? null : openTraces(options.traces, 'chrysalis-router', say);
  const opened = await openRouter(options, say, { meter: metrics.meter, tracer: traces?.tracer ?? null });
  const { host, adminPort, metricsPort } = options;
  const listening = { host, port: Number(options.port), now: Date.now, ...door };
  const server = await serveRouter(opened.router, paymentHandlers, listening);
  const released =
    opened.release === null
      ? null
      : await serveRelease(opened.release, { host, port: options.releasePort, adminPort: options.releaseAdminPort });
  const administration =
    adminPort === undefined
      ? null
      : await serveAdministration(opened.router, {
          ...adminDoor,
          policies: opened.policies,
          port: Number(adminPort),
          now: Date.now,
          called: (call) => {
            sayCalled(say, call);
            opened.router.accessed(call.method, call.code);
          },
        });
  const scraped =
    metricsPort === undefined ? null : await serveMetrics(metrics, opened.router.snapshot, Number(metricsPort));
  const web = await openWebDoor(opened.router, options);
  sayReady(options, opened, {
    port: server.port,
    release: released === null ? null : addressesOf(released),
    admin: administration === null ? null : `${adminDoor.host}:${administration.port}`,
    metrics: scraped === null ? null : `127.0.0.1:${scraped.port}`,
  });
  await aborted(stop);
  say('info', 'stopping');
  scraped?.drain(); // a balancer that asks sends nobody here any more
  await web?.close();
  await released?.close();
  await drained(server, opened.router, 1000 * options.drainSeconds);
  await administration?.close(0);
  await scraped?.close();
  door.close();
  adminDoor.close();
  await opened.close();
  await traces?.close();
  if (options.json === true) announce({ event: 'stopped' });
}

/** Takes nothing new, lets every request end and be read, and cuts what is left when the time is over. */
async function drained(server: DrainingServer, router: OpenedRouter['router'], graceMs: number): Promise<void> {
  const until = performance.now() + graceMs;
  server.drain();
  while (router.snapshot().underWay > 0 && performance.now() < until) await sleep(DRAIN_LOOK_MS);
  // What is left are streams of workers, which never end by themselves, and ends of answers that are not read yet.
  router.dismissWorkers();
  await server.close(Math.max(LAST_WORDS_MS, until - performance.now()));
}

type Listening = Readonly<{
  port: number;
  release: ReturnType<typeof addressesOf> | null;
  admin: string | null;
  metrics: string | null;
}>;

function sayReady(
  { host, json }: RunOptions,
  opened: OpenedRouter,
  { port, release, admin, metrics }: Listening,
): void {
  if (json === true) {
    announce({
      event: 'ready',
      url: `${host}:${port}`,
      port,
      policy: opened.policy,
      simulated: opened.simulated,
      contracts: opened.contracts,
      ...(release === null ? {} : { release }),
      ...(admin === null ? {} : { admin }),
      ...(metrics === null ? {} : { metrics }),
    });
    return;
  }
  console.log(`router   ${host}:${port}   policy ${opened.policy}`);
  if (release !== null) console.log(`key release   ${release.url}   for owners ${release.admin}`);
  if (admin !== null) console.log(`administration   ${admin}`);
  if (opened.simulated)
    console.log('Accepts a SIMULATED vendor (--dangerously-allow-simulated-vendor): for development only.');
}

/** Who changed something, and who was refused; that somebody looked is not worth a line. */
function sayCalled(say: Logger, { account, method, code }: AdministrationCall): void {
  if (code !== null) say('warn', 'administration-refused', { account, method, code });
  else if (!READS.has(method)) say('info', 'administration', { account, method });
}
