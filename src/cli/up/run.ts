import { CodedError } from '../../core/index.ts';
import { aborted, stopSignal } from '../child.ts';
import type { UpOptions } from '../commands/up.ts';
import { systemRandomness } from '../compose/files.ts';
import { codedFromSystem, EXIT, type ExitCode, painter, wantsColour } from '../output.ts';
import { DEVELOPMENT_POLICY, MAIN } from '../paths.ts';
import { VERSION } from '../version.ts';
import { Network, type Parts, WORKERS } from './network.ts';
import { choosePorts, DEFAULT_PORTS, parsePorts } from './ports.ts';
import { createScreen, type Screen } from './screen.ts';
import { type Layout, layoutOf, lockFolder, makeFolders } from './state.ts';
import { runTour, type TourDocument } from './tour.ts';
import { issueCollateral } from './vendors.ts';

/** What `up --json` prints; the fields of the tour are there where it ran. */
export type UpDocument = Partial<TourDocument> &
  Readonly<{
    simulated: true;
    urls: Network['urls'];
    startMs: Readonly<Record<string, number>>;
    totalMs: number;
  }>;

/** Answers on certificates live a day. */
const REISSUE_MS = 6 * 3_600_000;
const OWN_PARTS: Parts = { runtime: process.execPath, main: MAIN };

/** `chrysalis up`. @throws CodedError after everything that was started has been stopped */
export async function runUp(options: UpOptions, parts: Parts = OWN_PARTS): Promise<ExitCode> {
  const began = performance.now();
  const screen = screenFor(options);
  const stop = stopSignal({});
  const layout = layoutOf(options.data);
  screen.header(VERSION);
  makeFolders(layout);
  const unlock = lockFolder(layout);
  const network = await planNetwork(options, layout, parts).catch((thrown: unknown) => {
    unlock();
    throw thrown;
  });
  network.onNotice = (text) => screen.notice(text);
  const reissue = setInterval(() => reissueCollateral(layout, screen), REISSUE_MS);
  try {
    const startMs = await start(network, screen, stop);
    const tour = options.tour ? await tourOf(network, screen, stop) : null;
    const totalMs = Math.round(performance.now() - began);
    if (options.once === true) screen.finished(totalMs);
    else screen.next(network.urls, tour, totalMs);
    if (options.json === true) {
      const document: UpDocument = { ...(tour ?? {}), simulated: true, urls: network.urls, startMs, totalMs };
      process.stdout.write(`${JSON.stringify(document)}\n`);
    }
    if (options.once !== true) await Promise.race([aborted(stop), network.lost]);
    return EXIT.accepted;
  } catch (thrown) {
    if (!stop.aborted) throw thrown;
    screen.notice('stopped before it was ready');
    return EXIT.unavailable;
  } finally {
    clearInterval(reissue);
    if (stop.aborted) screen.notice('stopping');
    await network.stop();
    unlock();
  }
}

/** A disk that fails now has most of a day to be looked after: the network goes on. */
function reissueCollateral(layout: Layout, screen: Screen): void {
  try {
    issueCollateral(layout, WORKERS, Math.floor(Date.now() / 1000));
  } catch (thrown) {
    screen.notice(`the simulated vendors’ collateral was not issued anew: ${codedFromSystem(thrown).message}`);
  }
}

function screenFor(options: UpOptions): Screen {
  // With --json stdout carries the document alone.
  const stream = options.json === true ? process.stderr : process.stdout;
  return createScreen({
    write: (text) => void stream.write(text),
    width: Math.min(stream.columns ?? 120, 140),
    paint: painter(wantsColour(stream, process.env, options.color)),
    live: stream.isTTY === true && !process.env.CI && process.env.TERM !== 'dumb',
    clock: () => performance.now(),
  });
}

async function planNetwork(options: UpOptions, layout: Layout, parts: Parts): Promise<Network> {
  const scripted = options.once === true && options.json === true;
  const asked = options.ports === undefined ? (scripted ? 'auto' : DEFAULT_PORTS) : parsePorts(options.ports);
  const ports = await choosePorts(asked);
  return new Network({
    layout,
    ports,
    model: options.model ?? null,
    policy: DEVELOPMENT_POLICY,
    ...parts,
    env: process.env,
    randomness: systemRandomness,
    now: Date.now,
  });
}

/** @returns how long each step took, in milliseconds */
async function start(network: Network, screen: Screen, stop: AbortSignal): Promise<Record<string, number>> {
  const took: Record<string, number> = {};
  for (const group of network.steps()) {
    const timed = group.map((step) => ({
      ...step,
      run: async () => {
        const began = performance.now();
        const result = await step.run();
        took[step.title] = Math.round(performance.now() - began);
        return result;
      },
    }));
    await Promise.race([screen.steps(timed), network.lost, stopped(stop)]);
  }
  return took;
}

async function stopped(stop: AbortSignal): Promise<never> {
  await aborted(stop);
  throw new CodedError('DEADLINE_EXCEEDED', 'stopped');
}

async function tourOf(network: Network, screen: Screen, stop: AbortSignal): Promise<TourDocument> {
  screen.tourBegins();
  const clock = () => performance.now();
  const settlement = await network.settlement();
  const workers = WORKERS.map(({ name }) => name);
  const tour = runTour({ gateway: network.urls.gateway, settlement, workers, fetch, clock, screen, signal: stop });
  try {
    return await Promise.race([tour, network.lost]);
  } catch (thrown) {
    tour.catch(() => {}); // the part that was lost is the reason, what followed from it is not
    throw codedFromSystem(thrown);
  }
}
