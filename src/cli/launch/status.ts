import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { asCodedError, fromHex, toHex } from '../../core/index.ts';
import type { Standing } from '../../router/index.ts';
import { askStanding } from '../../rpc/index.ts';
import { readIfThere } from '../compose/files.ts';
import { EXIT, type ExitCode, labelled, type Paint, painter, printable, ton, wantsColour } from '../output.ts';
import { consoleTail, type GuestNews, newsOf } from './console.ts';
import { parseLaunchFile } from './plan.ts';
import { guestStatus } from './qmp.ts';
import { placesOf } from './shape.ts';

export type StatusFlags = Readonly<{ state: string; json?: boolean }>;

/** One guest as its host sees it: what QEMU says, what the guest says, what its router says. */
export type GuestReport = Readonly<{
  name: string;
  tee: string;
  router: string;
  gpus: readonly string[];
  /** QEMU's word; null where nobody answers on its socket. */
  guest: string | null;
  news: GuestNews;
  /** The router's word; null where it could not be asked, and `why` says why not. */
  standing: Standing | null;
  unasked: string | null;
  healthy: boolean;
  todo: string;
}>;

const GUESTS_MAX = 256;

/** `chrysalis host status`: exit code 0 where every guest runs and is admitted, 1 where one is not, 3 unknown. */
export async function status(flags: StatusFlags): Promise<void> {
  const guests = await Promise.all(
    guestNames(resolve(flags.state)).map((name) => reportOf(name, resolve(flags.state))),
  );
  const width = Math.min(process.stdout.columns ?? 100, 110);
  const paint = painter(wantsColour(process.stdout, process.env, !process.argv.includes('--no-color')));
  const json = JSON.stringify({ guests }, plain);
  process.stdout.write(flags.json === true ? `${json}\n` : formatStatus(guests, paint, width));
  process.exitCode = exitCodeOf(guests);
}

/** Digests in hexadecimal, amounts in decimal. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  return typeof value === 'bigint' ? value.toString() : value;
}

function exitCodeOf(guests: readonly GuestReport[]): ExitCode {
  if (guests.every(({ healthy }) => healthy)) return EXIT.accepted;
  return guests.some(({ healthy, unasked }) => !healthy && unasked === null) ? EXIT.refused : EXIT.unavailable;
}

function guestNames(state: string): string[] {
  try {
    return readdirSync(state).sort().slice(0, GUESTS_MAX);
  } catch {
    return [];
  }
}

async function reportOf(name: string, state: string): Promise<GuestReport> {
  const places = placesOf(name, state);
  const launched = parseLaunchFile(readIfThere(places.launch) ?? '');
  const news = newsOf(consoleTail(places.console));
  const guest = await guestStatus(places.qmp);
  const router = launched?.router ?? '';
  const { standing, unasked } = await standingOf(router, news.workerId);
  const healthy = guest === 'running' && standing?.state === 'admitted';
  const { tee = 'unknown', gpus = [] } = launched ?? {};
  return {
    name,
    tee,
    gpus,
    router,
    guest,
    news,
    standing,
    unasked,
    healthy,
    todo: todoOf(name, guest, news, standing),
  };
}

async function standingOf(router: string, workerId: string | null): Promise<Pick<GuestReport, 'standing' | 'unasked'>> {
  if (workerId === null) return { standing: null, unasked: 'its worker has not said its id yet' };
  try {
    return {
      standing: await askStanding(router.split(',')[0] as string, fromHex(workerId, 'worker'), Date.now()),
      unasked: null,
    };
  } catch (error) {
    return { standing: null, unasked: asCodedError(error).message };
  }
}

function todoOf(
  name: string,
  guest: string | null,
  { last, failure, workerId }: GuestNews,
  standing: Standing | null,
): string {
  if (guest === null) return `journalctl -u chrysalis-worker-${name}: its guest does not run`;
  if (guest !== 'running') return `systemctl restart chrysalis-worker-${name}: QEMU says ${guest}`;
  if (last === 'failed') return `read its console: ${failure}`;
  if (standing?.state === 'admitted') return '';
  if (workerId !== null) return `chrysalis worker why ${workerId}`;
  return 'wait: it boots; if it takes longer than two minutes, read its console';
}

export function formatStatus(guests: readonly GuestReport[], paint: Paint, width: number): string {
  if (guests.length === 0) return 'no guest was launched on this host: chrysalis host launch\n';
  const lines: string[] = [];
  for (const { name, tee, gpus, router, guest, news, standing, unasked, healthy, todo } of guests) {
    const style = healthy ? paint.good : paint.bad;
    lines.push(`${style(healthy ? '✓' : '✗')} ${paint.strong(printable(name))}   ${tee}, ${gpus.length} GPUs`);
    const line = (label: string, text: string) => lines.push(labelled(label, printable(text), width, 2, 11));
    line('guest', guest ?? 'not running');
    line(
      'worker',
      news.last === null ? 'nothing heard' : `${news.last}${news.failure === null ? '' : `: ${news.failure}`}`,
    );
    line('router', standing === null ? `${router}: ${unasked}` : `${router}: ${standing.state}${leaseWords(standing)}`);
    if (standing !== null && standing.logIndex > 0) line('evidence', `admitted by log entry ${standing.logIndex}`);
    if (standing?.earned != null) line('earned', `${ton(standing.earned)} TON by the router’s books`);
    if (todo !== '') line('do', todo);
  }
  return `${lines.join('\n')}\n`;
}

function leaseWords({ leaseExpiresAt }: Standing): string {
  return leaseExpiresAt === 0 ? '' : `, lease until ${new Date(leaseExpiresAt).toISOString()}`;
}
