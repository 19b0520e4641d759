import { join } from 'node:path';
import type { Command } from 'commander';
import { aborted, announce, stopSignal, supervisedAction } from '../child.ts';
import { DEFAULT_MODEL, DEVELOPMENT_POLICY, MODELS } from '../paths.ts';
import type { DrainOptions } from '../worker/drain.ts';
import type { WhyOptions } from '../worker/why.ts';
import { addDoorOptions } from './client-options.ts';
import { registerWorkerChallenge } from './worker-challenge.ts';

type Options = Readonly<{
  name: string;
  router: string;
  routerCa?: string;
  model: string;
  simulatedMachine?: string;
  simulatedDevices?: string;
  nvidiaManifests?: string;
  nvswitches?: boolean;
  concurrency: string;
  payee: string;
  vouchers?: string;
  engineUrl?: string;
  engineModel?: string;
  engineContext?: number;
  release?: string;
  keepEvidence?: string;
  json?: boolean;
  supervised?: boolean;
}>;

const TEE_NAME = { tdx: 'TDX', 'sev-snp': 'SEV-SNP' } as const;

async function run(options: Options): Promise<void> {
  const [{ openWorker }, { voucherKeeper }, { asCodedError }] = await Promise.all([
    import('../compose/worker.ts'),
    import('../compose/worker-vouchers.ts'),
    import('../../core/index.ts'),
  ]);
  const stop = stopSignal(options);
  const json = options.json === true;
  const keep = options.vouchers === undefined ? null : voucherKeeper(options.vouchers, options.payee);
  const simulated = options.simulatedMachine !== undefined;
  const opened = await openWorker(
    { ...options, concurrency: Number(options.concurrency) },
    (event) => {
      if (event.event === 'voucher') {
        keep?.(event).catch((error: unknown) =>
          console.error(`a voucher of the router was not kept: ${asCodedError(error).message}`),
        );
      } else if (json) {
        if (event.event !== 'disconnected') announce(event as Parameters<typeof announce>[0]);
        else console.error(`disconnected from the router (${event.code}); trying again in ${event.retryInMs} ms`);
      } else if (event.event === 'admitted') console.log(`admitted, log entry ${event.logIndex}`);
      else if (event.event === 'refused')
        console.error(
          `refused: ${event.message} (${event.code}) ${event.failedChecks.join(', ')}\n  chrysalis worker why ${event.workerId} --router ${options.router}`,
        );
      else if (event.event === 'attesting') console.error(`attesting anew: ${event.because}`);
      else if (event.event === 'disconnected')
        console.error(`disconnected (${event.code}); again in ${event.retryInMs} ms`);
      else console.log(`draining: ${event.reason}`);
    },
    ({ code, message, retryInMs }) =>
      console.error(`the model's key is not released yet: ${message} (${code}); again in ${retryInMs} ms`),
  );
  if (json) announce({ event: 'ready', name: options.name, model: opened.modelId, tee: opened.tee, simulated });
  else
    console.log(
      `worker ${options.name}, ${simulated ? 'SIMULATED ' : ''}${TEE_NAME[opened.tee]}, model ${opened.modelId}, router ${options.router}`,
    );
  const running = opened.worker.run();
  await Promise.race([aborted(stop), running]); // a worker that is drained ends by itself
  opened.worker.stop();
  await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
  await opened.close();
  if (json) announce({ event: 'stopped' });
  // A lost connection keeps gRPC's timers; everything that matters is closed.
  process.exit();
}

/** `chrysalis worker run`. */
export function registerWorker(program: Command): void {
  const worker = program.command('worker').description('what runs inside the enclave');
  worker
    .command('run')
    .description('load a model, attach to a router, prove what this machine is, serve')
    .option('--name <label>', 'what the operator calls it', 'worker')
    .option('--router <address,address…>', 'host:port of the router; it keeps to each of several', '127.0.0.1:8443')
    .option('--router-ca <file>', 'meet it by TLS: the CA that its certificate is of (PEM)')
    .option(
      '--model <folder>',
      'model.onnx, tokenizer.json, config.json; or the networks of PP-OCR',
      join(MODELS, DEFAULT_MODEL),
    )
    .option('--simulated-machine <file>', 'a simulated TDX or SEV-SNP host, in place of the guest that it runs in')
    .option('--simulated-devices <file>', 'state of simulated GPUs in that host, with what its image checks them by')
    .option(
      '--nvidia-manifests <folder>',
      'GPUs of this guest, through nvattest; manifests of its driver and VBIOS, ID.xml',
    )
    .option('--nvswitches', 'and its NVSwitches')
    .option('--engine-url <url>', 'an OpenAI-compatible server on this machine (vLLM, SGLang, TGI) that serves --model')
    .option('--engine-model <name>', 'how requests name the model; the folder’s name, or the server’s first model')
    .option('--engine-context <tokens>', 'prompt and answer together, where that server does not say', Number)
    .option('--release <address>', 'host:port of the service that releases the key of a sealed --model')
    .option('--concurrency <number>', 'requests at the same time', '16')
    .option('--payee <address>', 'TON account that is paid for its receipts, workchain:hex', '')
    .option('--vouchers <file>', 'where what the router’s pool owes that account is kept, signed by the router')
    .option('--keep-evidence <file>', 'keep the newest evidence there, for `worker why --evidence`')
    .option('--json', 'print events as JSON, one a line')
    .option('--supervised', 'stop when stdin ends')
    .addHelpText(
      'after',
      `
Without --simulated-machine it proves the TD or SEV-SNP guest it runs in: Linux 6.7 or later with configfs mounted, for
TDX 6.16 or later.

Example:
  $ npx chrysalis worker run --name alder --router router.example:8443
  $ npx chrysalis worker run --name alder --simulated-machine .chrysalis/machines/alder.json`,
    )
    .action(supervisedAction(run));
  worker
    .command('why [worker]')
    .description('why a worker is not admitted, in words, and what to do next: by its id, or from recorded evidence')
    .option('--router <address>', 'host:port of the router to ask', '127.0.0.1:8443')
    .option('--router-ca <file>', 'meet it by TLS: the CA that its certificate is of (PEM)')
    .option('--key <hex>', 'its identity key instead of its id')
    .option('--evidence <file>', 'or its evidence bundle (worker run --keep-evidence), judged here')
    .option('--policy <file>', 'with --evidence: the policy to judge under', DEVELOPMENT_POLICY)
    .option('--collateral <file>', 'with --evidence: the vendor’s collateral')
    .option('--at <time>', 'with --evidence: when it was made (RFC 3339; default: now)')
    .option('--dangerously-allow-simulated-vendor <file>', 'with --evidence: roots of a simulated vendor')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 admitted, 1 refused, 2 usage, 3 could not find out.

Example:
  $ npx chrysalis worker why 3f1c… --router router.example:8443
  $ npx chrysalis worker why --evidence evidence.bin --policy production.json --collateral bundle.json`,
    )
    .action(async (id: string | undefined, options: WhyOptions) => (await import('../worker/why.ts')).why(id, options));
  registerWorkerChallenge(worker);
  addDoorOptions(worker.command('drain <worker>'))
    .description('a router gives this worker nothing new; it ends by itself when what it has has ended')
    .requiredOption('--admin <address>', 'host:port of the router’s administration (router --admin-port)')
    .option('--reason <words>', 'for the worker’s owner', 'drained by the operator')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis worker drain 3f1c… --admin 127.0.0.1:8446 --reason upgrade')
    .action(async (id: string, options: DrainOptions) => (await import('../worker/drain.ts')).drain(id, options));
}
