import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as ask, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startCentre, startPart } from '../../tests/network/processes.ts';
import { type BenchLine, quantile } from '../report.ts';
import { stageLines } from './stages.ts';

const ROUNDS = 300;
/** By then the compilers of all processes have done with what is measured: the times fall until some thousand answers. */
const WARM = 2500;
/** Before each request, so that what the one before left to do (receipt, payment, log) is not the next one's delay. */
const PAUSE_MS = 25;
const WARM_PAUSE_MS = 2;
const BODY = JSON.stringify({
  messages: [{ role: 'user', content: 'Once upon a time there was a little fox who' }],
  max_tokens: 12,
  temperature: 0,
  stream: true,
});

const BARE_SERVER = join(import.meta.dirname, 'bare-server.ts');
/** Times of what each process hears and says are kept, and printed as a table: at the price of a little time themselves. */
const MARKED = process.env.BENCH_GATEWAY_STAGES === '1';
const MARKS = join(import.meta.dirname, 'marks.ts');

type Answered = Readonly<{ began: number; firstMs: number; text: string; firstText: string }>;

/** One request on a connection that is open already; the answer is read to its end. */
async function answered(agent: Agent, port: number): Promise<Answered> {
  const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
  const began = clock();
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    ask({ agent, port, method: 'POST', path: '/v1/chat/completions', headers }, resolve).on('error', reject).end(BODY);
  });
  let firstMs = 0;
  let body = '';
  for await (const piece of answer) {
    body += piece;
    if (firstMs === 0 && /"content":"[^"]/.test(body)) firstMs = clock() - began;
  }
  const texts = body
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => (JSON.parse(line.slice(6)) as Chunk).choices?.[0]?.delta?.content ?? '')
    .filter((text) => text !== '');
  if (firstMs === 0) throw new Error(`no answer (HTTP ${answer.statusCode}): ${body.slice(0, 300)}`);
  return { began, firstMs, text: texts.join(''), firstText: texts[0] as string };
}
type Chunk = { choices?: { delta?: { content?: string } }[] };

/** CLOCK_MONOTONIC, which all processes share; milliseconds. */
const clock = () => Number(process.hrtime.bigint()) / 1e6;

/**
 * What the way through the gateway adds to the time to the first token: each part the process that users have, against
 * the same engine with the same model in a process of its own behind a bare HTTP server. Asked in turns (ABBA), the same
 * question, each after a rest; a session is open, and the engine keeps nothing of a prompt for the next. Fails where the
 * two answer differently.
 */
export async function benchGateway(): Promise<readonly BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bench-gateway-'));
  if (MARKED) Object.assign(process.env, { NODE_OPTIONS: `--import ${MARKS}`, BENCH_GATEWAY_MARKS: folder });
  const { parts, ports } = await startSides(folder);
  const agent = new Agent({ keepAlive: true });
  const all = { bare: [] as Answered[], gateway: [] as Answered[] };
  try {
    for (let round = 0; round < WARM + ROUNDS; round++) {
      const turns = ['bare', 'gateway'] as const;
      for (const side of round % 2 === 0 ? turns : turns.toReversed()) {
        await pause(round < WARM ? WARM_PAUSE_MS : PAUSE_MS);
        const one = await answered(agent, ports[side]);
        if (round >= WARM) all[side].push(one);
      }
    }
  } finally {
    agent.destroy();
    for (const part of parts) await part.stop();
  }
  const said = new Set([...all.bare, ...all.gateway].map(({ firstText, text }) => `${firstText}|${text}`));
  if (said.size !== 1) throw new Error('gateway and engine answer differently');
  const lines = [...addedLines(all), ...(MARKED ? stageLines(folder, all) : [])];
  rmSync(folder, { recursive: true });
  return lines;
}

/** Both sides, by the real commands where there is one. @returns parts in the order in which they are stopped */
async function startSides(folder: string) {
  const bare = await startPart('bare', [], join(folder, 'bare.log'), BARE_SERVER);
  const centre = await startCentre(folder);
  const { layout, chain, log, router, startWorker, clientOptions } = centre;
  const worker = await startWorker(Number(router.ready.port));
  const options = Object.entries(clientOptions(Number(router.ready.port))).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    value,
  ]);
  const gateway = await startPart('gateway', ['gateway', '--port', '0', ...options], layout.logFile('gateway'));
  return {
    parts: [gateway, worker, router, log, chain, bare],
    ports: { bare: Number(bare.ready.port), gateway: Number(gateway.ready.port) },
  };
}

function addedLines(all: Readonly<Record<'bare' | 'gateway', readonly Answered[]>>): BenchLine[] {
  const times = (of: readonly Answered[]) => of.map(({ firstMs }) => firstMs);
  const [bare, gateway] = [times(all.bare), times(all.gateway)];
  const pairs = gateway.map((time, round) => time - (bare[round] as number));
  const lines = [0.5, 0.1].flatMap((share): BenchLine[] => {
    const of = `p${100 * share}`;
    const [direct, through] = [quantile(bare, share), quantile(gateway, share)];
    return [
      { name: `first token, the engine asked directly, ${of}`, value: direct, unit: 'ms' },
      { name: `first token, through the gateway, ${of}`, value: through, unit: 'ms' },
      { name: `added, difference of ${of}`, value: through - direct, unit: 'ms' },
    ];
  });
  return [...lines, { name: 'added, median of the pairs', value: quantile(pairs, 0.5), unit: 'ms' }];
}
