import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMonitor, createReappraiser, type Finding, httpSource, type OtherView } from '../../audit/index.ts';
import { asCodedError, type Bytes, fromUtf8, KIND_OF_CODE, rfc3339, utf8 } from '../../core/index.ts';
import { encodeEquivocation, type LogPolicy, NOTE_BYTES_MAX } from '../../log/index.ts';
import { createWitnessClient } from '../../log/witness/index.ts';
import { type AnchorOptions, anchorReader } from '../audit/anchor.ts';
import { loadAuditTrust, type TrustOptions } from '../audit/trust.ts';
import { announce, stopSignal } from '../child.ts';
import { openCollateral } from '../compose/collateral.ts';
import { readIfThere, writeDurably } from '../compose/files.ts';
import { counted, EXIT, type ExitCode, printable, processSink } from '../output.ts';
import { sleepUntil } from './waiting.ts';

export type MonitorOptions = TrustOptions &
  AnchorOptions &
  Readonly<{
    log: string;
    data: string;
    mirror?: readonly string[];
    gossip?: string;
    collateral?: string;
    collateralUrl?: string;
    interval: number;
    webhook?: string;
    once?: boolean;
    json?: boolean;
    supervised?: boolean;
  }>;

const GOSSIP_FILES_MAX = 10_000;
const WEBHOOK_MS = 10_000;
const WEBHOOK_ATTEMPTS = 3;

/** `chrysalis log monitor`: findings on stdout; with --once exits 0 for none, 1 for an error, 3 where it could not ask. */
export async function runMonitor(options: MonitorOptions): Promise<ExitCode> {
  const stop = stopSignal(options);
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const trust = loadAuditTrust(options);
  const seenFile = join(options.data, 'seen-checkpoint.txt');
  const collateral =
    options.collateral === undefined && options.collateralUrl === undefined
      ? null
      : await openCollateral(options, trust.anchors);
  const anchored = anchorReader(options);
  const monitor = createMonitor({
    ...(anchored === undefined ? {} : { anchored }),
    source: httpSource(options.log, fetch),
    trust,
    reappraise: createReappraiser(trust.anchors),
    others: othersOf(options, trust.policy),
    clock: Date.now,
    seen: {
      load: async () => noteIn(readIfThere(seenFile)),
      store: async (note) => writeDurably(seenFile, fromUtf8(note, 'checkpoint')),
    },
    equivocation: async (evidence) =>
      writeDurably(join(options.data, 'equivocation.json'), encodeEquivocation(evidence)),
    ...(collateral === null
      ? {}
      : {
          collateralToday: async (evidence: Bytes) => {
            await collateral.endorsementsFor(evidence);
            return utf8(await collateral.textFor(evidence));
          },
        }),
  });
  if (options.json === true && options.once !== true) announce({ event: 'ready' });
  try {
    return await watch(monitor, options, stop);
  } finally {
    await collateral?.close();
  }
}

async function watch(
  monitor: ReturnType<typeof createMonitor>,
  options: MonitorOptions,
  stop: AbortSignal,
): Promise<ExitCode> {
  for (;;) {
    try {
      const findings = await monitor.poll();
      for (const one of findings) await tell(one, options);
      if (options.once === true) {
        if (options.json !== true && findings.length === 0)
          console.log(`no finding in ${counted(monitor.size(), 'entry', 'entries')}`);
        return findings.some(({ severity }) => severity !== 'warning') ? EXIT.refused : EXIT.accepted;
      }
    } catch (thrown) {
      const error = asCodedError(thrown);
      if (options.once === true || KIND_OF_CODE[error.code] !== 'unavailable') throw error;
      console.error(`monitor: ${error.message} [${error.code}]`);
    }
    await sleepUntil(options.interval * 1000, stop);
    if (stop.aborted) return EXIT.accepted;
  }
}

async function tell(one: Finding, options: MonitorOptions): Promise<void> {
  const document = { at: rfc3339(Math.floor(Date.now() / 1000)), log: options.log, ...one };
  if (options.json === true) process.stdout.write(`${JSON.stringify(document)}\n`);
  else {
    const { paint } = processSink();
    const style = one.severity === 'warning' ? paint.warn : paint.bad;
    const where = one.index === null ? '' : ` entry ${one.index}`;
    console.log(`${style(`${one.severity} ${one.rule}`)}${where}  ${printable(one.message)}`);
  }
  if (options.webhook !== undefined) await post(options.webhook, document);
}

/** A receiver that is away must not stop the monitor; that it was away is said. */
async function post(url: string, document: object): Promise<void> {
  const body = JSON.stringify(document);
  const headers = { 'content-type': 'application/json' };
  for (let attempt = 1; ; attempt++) {
    try {
      const signal = AbortSignal.timeout(WEBHOOK_MS);
      const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' });
      if (answer.ok) return;
    } catch {
      // tried again below
    }
    if (attempt === WEBHOOK_ATTEMPTS) {
      console.error('monitor: the webhook does not take findings; they are on stdout');
      return;
    }
  }
}

function othersOf({ mirror = [], gossip }: MonitorOptions, policy: LogPolicy): OtherView[] {
  const origins = policy.logs.map(({ key }) => key.name);
  const witnesses = [...policy.witnesses].flatMap(([name, { url }]): OtherView[] => {
    if (url === null) return [];
    const client = createWitnessClient(url, fetch);
    return [
      {
        name: `witness ${name}`,
        heads: async () =>
          (await Promise.all(origins.map((origin) => client.checkpoint(origin)))).filter((note) => note !== null),
        evidence: async () => {
          const [evidence = null] = (await Promise.all(origins.map((origin) => client.equivocation(origin)))).filter(
            (one) => one !== null,
          );
          return evidence === null ? null : fromUtf8(evidence, 'evidence');
        },
      },
    ];
  });
  const mirrors = mirror.map((url): OtherView => {
    const source = httpSource(url, fetch);
    return { name: `mirror ${url}`, heads: async () => [await source.checkpoint()], evidence: async () => null };
  });
  if (gossip === undefined) return [...witnesses, ...mirrors];
  return [
    ...witnesses,
    ...mirrors,
    { name: `a client (${gossip})`, heads: async () => notesIn(gossip), evidence: async () => null },
  ];
}

/** Checkpoints that clients gave away, one a file. */
function notesIn(folder: string): Bytes[] {
  return readdirSync(folder)
    .slice(0, GOSSIP_FILES_MAX)
    .map((name) => Uint8Array.from(readFileSync(join(folder, name))))
    .filter(({ length }) => length <= NOTE_BYTES_MAX);
}

function noteIn(text: string | null): Bytes | null {
  return text === null ? null : utf8(text);
}
