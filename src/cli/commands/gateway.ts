import { randomBytes } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BudgetAlert } from '../../client/index.ts';
import { aborted, announce, stopSignal, supervisedAction } from '../child.ts';
import { secretOf } from '../compose/files.ts';
import { openKeyRing } from '../compose/gateway-keys.ts';
import type { OpenedTraces } from '../compose/traces.ts';
import { ton } from '../output.ts';
import { VERSION } from '../version.ts';
import { addClientOptions, type ClientOptions, policyName } from './client-options.ts';
import { registerGatewayKey } from './gateway-key.ts';

type GatewayOptions = ClientOptions & {
  port: number;
  keys?: string;
  candidates?: 1 | 2 | 3;
  padding?: 'off' | 'bucket' | 'tick';
  quote?: boolean;
  traces?: string;
  json?: boolean;
  supervised?: boolean;
};

function candidateCount(text: string): number {
  if (!/^[123]$/.test(text)) throw new InvalidArgumentError('1, 2 or 3.');
  return Number(text);
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

/** `chrysalis gateway`: an OpenAI-compatible endpoint on 127.0.0.1 that verifies before it sends. */
export function registerGateway(program: Command): void {
  const command = program
    .command('gateway')
    .summary('an OpenAI-compatible endpoint that verifies workers before it sends')
    .description(
      'Listens on 127.0.0.1 for any OpenAI client. Before a prompt leaves this process it verifies the worker’s evidence under your policy, then encrypts to the key that the evidence attests. Keeps a receipt for every answer.',
    )
    .option('--port <number>', 'port on 127.0.0.1, 0 for any free one', portNumber, 8080)
    .option(
      '--keys <file>',
      'API keys with budgets and limits (made by `gateway key`); without it anyone who reaches it may ask',
    )
    .option(
      '--candidates <number>',
      'workers (1 to 3) that each request is sealed to, and that can all read it',
      candidateCount,
    )
    .addOption(
      new Option('--padding <kind>', 'of answers: tick also hides when tokens came').choices(['bucket', 'tick', 'off']),
    )
    .option(
      '--traces <url>',
      'OTLP/HTTP collector that gets a span for each request, without its content; none without it',
    )
    .option('--quote', 'ask each worker for evidence made for this very session (mode 2)')
    .option('--data <folder>', 'where its keys, vouchers and receipts are kept', '.chrysalis/gateway');
  registerGatewayKey(command);
  addClientOptions(command)
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      '\nExample:\n  $ npx chrysalis gateway --port 8080 --router router.example:8443 --log-policy log-policy.txt',
    )
    .action(supervisedAction(runGateway));
}

async function runGateway(options: GatewayOptions): Promise<void> {
  const stop = stopSignal(options);
  const { createClientFromOptions } = await import('../compose/client.ts');
  const { createGateway, GATEWAY_LIMITS, tracedClient } = await import('../../client/index.ts');
  const { createEarSigner } = await import('../../attestation/index.ts');
  const { serveHttp } = await import('../compose/gateway-http.ts');
  const policy = policyName(options.policy);
  const simulated = options.dangerouslyAllowSimulatedVendor !== undefined;
  const traces = await openTracesOf(options);
  const made = await createClientFromOptions(options);
  const client = traces === null ? made : tracedClient(made, traces.tracer);
  try {
    const app = createGateway(
      {
        client,
        now: Date.now,
        randomId: () => randomBytes(12).toString('hex'),
        version: VERSION,
        policy,
        simulated,
        carry: carryOf(options),
        results: await createEarSigner(secretOf(options.data, 'results')),
        ...(options.keys === undefined ? {} : { keys: openKeyRing(options.keys, options.data, budgetAlert(options)) }),
      },
      GATEWAY_LIMITS,
    );
    const { port, close } = await serveHttp(app, options.port);
    const url = `http://127.0.0.1:${port}`;
    if (options.json === true) announce({ event: 'ready', url, port, policy, simulated });
    else {
      console.log(`gateway   ${url}   OpenAI-compatible, policy ${policy}`);
      if (simulated) console.log('Simulated enclaves are accepted: fine for development, they prove nothing.');
    }
    await aborted(stop);
    await close();
  } finally {
    await client.close();
    await traces?.close();
  }
  if (options.json === true) announce({ event: 'stopped' });
}

async function openTracesOf({ traces: url, json }: GatewayOptions): Promise<OpenedTraces | null> {
  if (url === undefined) return null;
  const [{ openTraces }, { createLogger }] = await Promise.all([
    import('../compose/traces.ts'),
    import('../logger.ts'),
  ]);
  const write = (line: string) => void process.stderr.write(line);
  return openTraces(url, 'chrysalis-gateway', createLogger({ json: json === true, write, now: Date.now }));
}

/** Said once when a key's budget is nearly used up, and once when it is. */
function budgetAlert({ json }: GatewayOptions): (passed: BudgetAlert) => void {
  return ({ id, percent, spent, budget }) => {
    if (json === true) announce({ event: 'budget', key: id, percent, spent, budget });
    else console.error(`budget: key ${id} has spent ${percent} % or more: ${ton(spent)} of ${ton(budget)} TON`);
  };
}

function carryOf({ candidates, padding, quote }: GatewayOptions) {
  return {
    ...(candidates === undefined ? {} : { candidates }),
    ...(padding === undefined ? {} : { padding }),
    ...(quote === true ? { mode: 2 as const } : {}),
  };
}
