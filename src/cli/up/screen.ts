import { type CheckGroups, checkCounts } from '../../client/index.ts';
import { counted, labelled, type Paint, printable, seconds, table, ton, wrap } from '../output.ts';
import type { Step, StepResult, Urls } from './network.ts';
import type { TourDocument, TourScreen } from './tour.ts';

export type Screen = TourScreen &
  Readonly<{
    header(version: string): void;
    /** Runs steps side by side and shows each as it ends; throws what the first failing one threw. */
    steps(group: readonly Step[]): Promise<void>;
    notice(text: string): void;
    tourBegins(): void;
    /** With --once: nothing is left to go on with. */
    finished(totalMs: number): void;
    next(urls: Urls, tour: TourDocument | null, totalMs: number): void;
  }>;

export type ScreenDeps = Readonly<{
  write: (text: string) => void;
  width: number;
  paint: Paint;
  /** Live progress needs a terminal that can move its cursor. */
  live: boolean;
  clock: () => number;
}>;

const TITLE_WIDTH = 35;
const WHERE_WIDTH = 17;
const LABEL_WIDTH = 10;

/** The first-run screen: progress, one request end to end, what to do next. */
export function createScreen(deps: ScreenDeps): Screen {
  const { write, width, paint } = deps;
  const line = (text = '') => write(`${text}\n`);
  const fact = (label: string, text: string) => line(labelled(label, printable(text), width, 2, LABEL_WIDTH));
  const answer = streamWrapper(write, width, 2 + LABEL_WIDTH);
  return {
    header(version) {
      line(paint.strong(`Chrysalis ${version} · local network`));
      for (const text of wrap('simulated enclaves: fine for development, refused by production policies', width)) {
        line(paint.warn(text));
      }
      line();
    },
    steps: (group) => runSteps(group, deps),
    notice: (text) => line(`${paint.warn('!')} ${printable(text)}`),
    tourBegins: () => {
      line();
      line(paint.strong('A first request, end to end'));
    },
    asked: (question) => fact('asked', `"${question}"`),
    verified(workers) {
      for (const [index, worker] of workers.entries()) {
        const counts = Object.entries(checkCounts(worker.checks)).map(([group, count]) => `${group} ${count}`);
        const who = `${worker.name} (${worker.tee}${worker.simulated ? ', simulated' : ''})`;
        const among = `${worker.mode} proof, from ${worker.candidates} that passed your policy`;
        if (index === 0) fact('worker', `${who}, ${among}`);
        else fact('beside', `${who}, verified as well; it gets nothing of this request`);
        fact('verified', counts.join(' · '));
        line(table(checkRows(worker.checks), width, 4));
      }
      write(`  ${'answer'.padEnd(LABEL_WIDTH)}`);
    },
    text: (piece) => answer.push(printable(piece)),
    answered(receipt) {
      answer.end();
      const { tokens, frames } = receipt;
      const cost = receipt.currency.toLowerCase().includes('ton')
        ? `${ton(BigInt(receipt.amount))} TON`
        : receipt.amount;
      fact(
        'receipt',
        `${receipt.id}  billed ${counted(tokens.in, 'token')} in, ${tokens.out} out (rounded up), ${cost}`,
      );
      fact('', `signed by the worker, its chain of ${counted(frames, 'sealed frame')} matches what arrived`);
    },
    proved: (proof) =>
      fact(
        'proof',
        `entry ${proof.index} is in the log of ${counted(proof.size, 'entry', 'entries')} (${proof.origin})`,
      ),
    paid(payment) {
      const [claimed, deposited] = [ton(BigInt(payment.claimed)), ton(BigInt(payment.deposited))];
      fact('paid', `${claimed} of ${deposited} TON claimed on chain, channel ${payment.channel}`);
    },
    settled(payout, anchor) {
      const worker = `${ton(BigInt(payout.paid))} TON to ${payout.payee}, root ${payout.epoch} of pool ${payout.pool}`;
      fact('worker', `paid ${worker}`);
      fact(
        'anchor',
        `entry is under the log's head of ${counted(anchor.size, 'entry', 'entries')} on chain, block ${anchor.block}`,
      );
    },
    finished: (totalMs) => line(`\n${paint.dim(`every step held, ${seconds(totalMs)} in all; stopping`)}`),
    next: (urls, tour, totalMs) => printNext(line, urls, tour, totalMs, paint),
  };
}

/** A group's passed checks in one row; each that failed or was not run in a row of its own, with its reason. */
function checkRows(groups: CheckGroups): string[][] {
  return Object.entries(groups).flatMap(([group, checks]) => {
    const passed = checks.filter((check) => check.outcome === 'passed').map((check) => check.name);
    const rows = passed.length === 0 ? [] : [[group, 'passed', printable(passed.join(', '))]];
    for (const { name, outcome, reason } of checks) {
      if (outcome === 'passed') continue;
      rows.push([group, outcome === 'failed' ? 'failed' : 'not run', printable(`${name}: ${reason}`)]);
    }
    return rows;
  });
}

function printNext(
  line: (text?: string) => void,
  urls: Urls,
  tour: TourDocument | null,
  totalMs: number,
  paint: Paint,
): void {
  const body = JSON.stringify({
    ...(tour === null ? {} : { model: tour.model }),
    messages: [{ role: 'user', content: 'Tell me of a ship.' }],
  });
  line();
  line(paint.strong('Next'));
  line(`  curl ${urls.gateway}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`);
  line('  npx chrysalis chat                        talk to it');
  line('  npx chrysalis top                         workers, queues and rates, live');
  line(`  ${urls.gateway.padEnd(40)}  what was verified, receipts, payment, in the browser`);
  line(`  ${`${urls.gateway}/v1/attestation`.padEnd(40)}  every check by name, as JSON`);
  line(`  ${urls.log.padEnd(40)}  the transparency log`);
  line(`  ${new URL('/', urls.chain).href.padEnd(40)}  accounts, messages and contracts of the development chain`);
  line(`  ${'Ctrl-C'.padEnd(40)}  stop; the next start finds its state again`);
  line();
  line(paint.dim(`ready after ${seconds(totalMs)}`));
}

function stepLine(step: Step, result: StepResult, ms: number): string {
  return `${step.title.padEnd(TITLE_WIDTH)} ${result.where.padEnd(WHERE_WIDTH)} ${result.what}  ${seconds(ms)}`;
}

async function runSteps(group: readonly Step[], deps: ScreenDeps): Promise<void> {
  const timed = async (step: Step) => {
    const started = deps.clock();
    const result = await step.run();
    return stepLine(step, result, deps.clock() - started);
  };
  if (!deps.live) {
    const done = await Promise.allSettled(
      group.map(async (step) => {
        deps.write(`  ${deps.paint.good('✓')} ${printable(await timed(step))}\n`);
      }),
    );
    const bad = done.find((one) => one.status === 'rejected');
    if (bad !== undefined) throw bad.reason;
    return;
  }
  const { Listr } = await import('listr2');
  const tasks = group.map((step) => ({
    title: step.title,
    task: async (_: unknown, task: { title: string }) => {
      task.title = printable(await timed(step));
    },
  }));
  await new Listr(tasks, {
    concurrent: true,
    // How it failed is said once, below, with what to do about it.
    rendererOptions: { showErrorMessage: false, collapseErrors: false },
  }).run();
}

/** Prints words as they come, breaking lines at white space and keeping the indent. */
function streamWrapper(write: (text: string) => void, width: number, indent: number) {
  let column = indent;
  let word = '';
  const flush = () => {
    if (column > indent && column + word.length > width) {
      write(`\n${' '.repeat(indent)}`);
      column = indent;
    }
    write(word);
    column += word.length;
    word = '';
  };
  return {
    push(piece: string): void {
      for (const character of piece) {
        if (character === ' ' || character === '\n') {
          flush();
          if (character === ' ' && column > indent && column < width) {
            write(' ');
            column++;
          } else if (character === '\n') {
            write(`\n${' '.repeat(indent)}`);
            column = indent;
          }
        } else word += character;
      }
    },
    end(): void {
      flush();
      write('\n');
    },
  };
}
