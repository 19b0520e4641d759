import { setTimeout as sleep } from 'node:timers/promises';
import { asCodedError, CodedError } from '../../core/index.ts';
import { type AdministrationLink, type ClientTls, connectToAdministration } from '../../rpc/index.ts';
import { aborted, stopSignal } from '../child.ts';
import { EXIT, type ExitCode, painter, wantsColour } from '../output.ts';
import { documentOf } from './document.ts';
import { History } from './history.ts';
import { AT_FIRST, type Choices, pressed } from './keys.ts';
import { openTerminal } from './terminal.ts';
import { drawn, type Screen, type Shown } from './view.ts';

export type TopOptions = Readonly<{
  /** Of the router's administration. */
  address: string;
  tls: ClientTls | undefined;
  intervalMs: number;
  once: boolean;
  json: boolean;
  color: boolean;
}>;

/** Of output that is no terminal's. */
const WIDTH_OF_TEXT = 120;
const ANSWER_MS = 5_000;

/**
 * `chrysalis top`: on a terminal until somebody quits, else what a second shows, once.
 * @throws CodedError ROUTER_UNREACHABLE where no router answers at the start
 */
export async function runTop(options: TopOptions): Promise<ExitCode> {
  const link = connectToAdministration(options.address, Date.now, options.tls);
  try {
    const history = new History();
    history.push(await firstStatus(link, options.address));
    const policy = await policyName(link);
    if (!options.once && !options.json && process.stdout.isTTY === true && process.env.TERM !== 'dumb') {
      await watch(link, history, policy, options);
    } else {
      await sleep(options.intervalMs);
      history.push(await link.status());
      print(history, policy, options);
    }
    return EXIT.accepted;
  } finally {
    link.close();
  }
}

async function firstStatus(link: AdministrationLink, address: string) {
  try {
    return await link.status(ANSWER_MS);
  } catch (thrown) {
    const { code, message } = asCodedError(thrown);
    if (code !== 'ROUTER_UNREACHABLE' && code !== 'DEADLINE_EXCEEDED') throw thrown;
    throw new CodedError(
      'ROUTER_UNREACHABLE',
      `no router's administration answers at ${address}`,
      {
        why: message,
        todo: 'start the local network (npx chrysalis up), or give the router --admin-port and this command --admin HOST:PORT; where it has roles, also --router-ca and a certificate',
      },
      { cause: thrown },
    );
  }
}

/** `production #7`. */
async function policyName(link: AdministrationLink): Promise<string> {
  const { id, number } = JSON.parse(await link.policy()) as { id?: unknown; number?: unknown };
  return `${String(id)} #${String(number)}`;
}

function print(history: History, policy: string, { address, json, color }: TopOptions): void {
  const { stdout } = process;
  if (json) {
    stdout.write(`${JSON.stringify(documentOf(history, { address, policy }))}\n`);
    return;
  }
  const width = stdout.isTTY === true ? stdout.columns || WIDTH_OF_TEXT : WIDTH_OF_TEXT;
  const screen: Screen = { width, height: null, paint: painter(wantsColour(stdout, process.env, color)) };
  stdout.write(`${drawn({ address, policy, history, choices: AT_FIRST, lost: null }, screen).join('\n')}\n`);
}

/** Asks and draws until a key or a signal ends it. */
async function watch(link: AdministrationLink, history: History, policy: string, options: TopOptions): Promise<void> {
  const { address, intervalMs, color } = options;
  const paint = painter(wantsColour(process.stdout, process.env, color));
  const stop = stopSignal({});
  const quit = new AbortController();
  const ended = AbortSignal.any([stop, quit.signal]);
  let choices: Choices = AT_FIRST;
  let named = policy;
  let lost: { why: string; since: number } | null = null;
  const show = () => {
    const since = lost === null ? null : { why: lost.why, sinceMs: Date.now() - lost.since };
    const shown: Shown = { address, policy: named, history, choices, lost: since };
    terminal.draw(drawn(shown, { ...terminal.size(), paint }));
  };
  const terminal = openTerminal((key) => {
    const next = pressed(choices, key);
    if (next === 'quit') quit.abort();
    else choices = next;
    show();
  }, show);
  process.once('SIGHUP', () => quit.abort());
  try {
    show();
    while (!ended.aborted) {
      await Promise.race([sleep(intervalMs, undefined, { signal: ended }).catch(() => undefined), aborted(ended)]);
      if (ended.aborted || choices.paused) continue;
      try {
        const before = history.newest?.policyNumber;
        history.push(await Promise.race([link.status(ANSWER_MS), ending(ended)]));
        if (history.newest?.policyNumber !== before) named = await policyName(link);
        lost = null;
      } catch (thrown) {
        if (ended.aborted) break;
        lost ??= { why: '', since: Date.now() };
        lost.why = asCodedError(thrown).code;
      }
      show();
    }
  } finally {
    terminal.close();
  }
}

async function ending(signal: AbortSignal): Promise<never> {
  await aborted(signal);
  throw new CodedError('REQUEST_CANCELLED', 'stopped');
}
