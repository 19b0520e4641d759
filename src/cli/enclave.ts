/**
 * The worker as it runs in an enclave image, in place of the command line: no argument but what its init made of the
 * measured and the host's configuration, JSON lines on the console. It ends only by failing.
 */
import { announce, announceFailure } from './child.ts';
import { openWorker, type WorkerRunOptions } from './compose/worker.ts';

async function run(options: WorkerRunOptions): Promise<void> {
  const opened = await openWorker(
    options,
    (event) => {
      if (event.event === 'disconnected') console.error(`disconnected (${event.code}); again in ${event.retryInMs} ms`);
      // The router keeps a worker's vouchers too; there is no disk in here to keep them on.
      else if (event.event !== 'voucher') announce(event);
    },
    ({ code, retryInMs }) => console.error(`the model's key is not released yet (${code}); again in ${retryInMs} ms`),
  );
  const simulated = options.simulatedMachine !== undefined;
  announce({ event: 'ready', name: options.name, model: opened.modelId, tee: opened.tee, simulated });
  await opened.worker.run();
}

await run(JSON.parse(process.argv[2] ?? '{}') as WorkerRunOptions).catch((thrown: unknown) => {
  process.exitCode = announceFailure(thrown);
});
