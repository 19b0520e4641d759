import { createInterface } from 'node:readline/promises';
import { type ChatMessage, type Client, checkCounts, type VerifiedWorker } from '../../client/index.ts';
import { asCodedError, toHex } from '../../core/index.ts';
import {
  counted,
  EXIT,
  type ExitCode,
  labelled,
  painter,
  printable,
  printError,
  processSink,
  ton,
  wantsColour,
} from '../output.ts';

/** What is sent along of a conversation: the newest messages; a small model's context is short. */
const MESSAGES_MAX = 16;

type Options = Readonly<{ message?: string; json?: boolean; color: boolean }>;

type Turn = { answer: string; worker: VerifiedWorker | null; status: string };

/** One question with --message, else a conversation until /quit or the end of input. */
export async function runChat(client: Client, options: Options): Promise<ExitCode> {
  const say = (text: string) => void process.stdout.write(text);
  if (options.message !== undefined) {
    const turn = await ask(
      client,
      [{ role: 'user', content: options.message }],
      options.json === true ? () => {} : say,
    );
    const receipt = client.receipts().at(-1);
    if (options.json === true) {
      const { worker, answer } = turn;
      const facts = receipt && { id: receipt.id, digest: toHex(receipt.digest), amount: receipt.amount.toString() };
      say(`${JSON.stringify({ answer, worker, receipt: facts })}\n`);
    } else say(`\n${turn.status}\n`);
    return EXIT.accepted;
  }
  return converse(client, options, say);
}

async function converse(client: Client, options: Options, say: (text: string) => void): Promise<ExitCode> {
  const paint = painter(wantsColour(process.stdout, process.env, options.color));
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  const messages: ChatMessage[] = [];
  say('/why explains the last verification, /receipt shows the last receipt, /quit leaves.\n');
  let open = true;
  lines.once('close', () => {
    open = false; // lines that came before the end are still answered
  });
  lines.prompt();
  for await (const line of lines) {
    const text = line.trim();
    if (text === '/quit') break;
    if (text === '/why') say(`${why(client)}\n`);
    else if (text === '/receipt') say(`${receipt(client)}\n`);
    else if (text !== '') {
      messages.push({ role: 'user', content: text });
      messages.splice(0, messages.length - MESSAGES_MAX);
      try {
        const turn = await ask(client, messages, say);
        messages.push({ role: 'assistant', content: turn.answer });
        say(`\n${paint.dim(turn.status)}\n`);
      } catch (thrown) {
        messages.pop();
        printError(asCodedError(thrown), processSink(options.color), {});
      }
    }
    if (open) lines.prompt();
  }
  lines.close();
  return EXIT.accepted;
}

/** Asks and prints; the status line says who answered, how it was verified, and what it cost. */
async function ask(client: Client, messages: readonly ChatMessage[], say: (text: string) => void): Promise<Turn> {
  const turn: Turn = { answer: '', worker: null, status: '' };
  let cost = '';
  let left = '';
  for await (const event of client.chat({ messages: [...messages] })) {
    if (event.kind === 'worker') turn.worker = event.worker;
    else if (event.kind === 'text') {
      turn.answer += event.text;
      say(printable(event.text));
    } else if (event.kind === 'done') {
      cost = `${counted(event.usage.tokensIn, 'token')} in, ${event.usage.tokensOut} out · ${ton(event.receipt.amount)} TON`;
    } else if (event.kind === 'paid') left = ` · ${ton(event.payment.deposited - event.payment.vouchered)} TON left`;
  }
  const worker = turn.worker;
  const who = worker === null ? '' : `${printable(worker.name)} verified ✓${worker.simulated ? ' (simulated)' : ''}`;
  turn.status = `[${who} · mode ${worker?.mode ?? '?'} · ${cost}${left}]`;
  return turn;
}

function why(client: Client): string {
  const worker = client.verified().at(-1);
  if (worker === undefined) return 'Nothing was verified yet: ask something first.';
  const counts = Object.entries(checkCounts(worker.checks)).map(([group, count]) => `${group} ${count}`);
  const rest = Object.values(worker.checks)
    .flat()
    .filter((check) => check.outcome !== 'passed');
  return [
    labelled('worker', `${worker.name} (${worker.tee}${worker.simulated ? ', simulated' : ''})`, 100),
    labelled('verified', counts.join(' · '), 100),
    ...rest.map((check) =>
      labelled(check.outcome === 'failed' ? 'failed' : 'not run', `${check.name}: ${check.reason}`, 100),
    ),
    labelled(
      'admission',
      `entry ${worker.admission.index} of ${worker.admission.size}, ${worker.admission.origin}`,
      100,
    ),
  ]
    .map(printable)
    .join('\n');
}

function receipt(client: Client): string {
  const last = client.receipts().at(-1);
  if (last === undefined) return 'No receipt yet: ask something first.';
  return [
    labelled('receipt', last.id, 100),
    labelled('billed', `${counted(last.tokensIn, 'token')} in, ${last.tokensOut} out, ${ton(last.amount)} TON`, 100),
    labelled('frames', `${last.frames} sealed frames`, 100),
    labelled('checks', last.checks.map((check) => `${check.name} ${check.outcome}`).join(', '), 100),
  ].join('\n');
}
