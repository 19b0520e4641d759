import { sha256 } from '#crypto';
import {
  openSimulatedSnpMachine,
  openSimulatedTdxMachine,
  type SimulatedMachineState,
  type SimulatedSnpMachineState,
} from '../../attestation/simulate/index.ts';
import { fromHex, parseStrictJson, utf8 } from '../../core/index.ts';
import { attachToRouter } from '../../rpc/index.ts';
import {
  createWorker,
  loadOnnxEngine,
  type Machine,
  modelDigest,
  modelFolderOnDisk,
  type WorkerEvent,
} from '../../worker/index.ts';
import { readText, systemRandomness } from './files.ts';
import { collector } from './memory.ts';

export type WorkerRunOptions = Readonly<{
  name: string;
  router: string;
  model: string;
  simulatedMachine: string;
  concurrency: number;
  payee: string;
}>;

/** A simulated TD or SNP guest in this very process: its quotes, and nothing that protects memory. */
function simulatedMachine(path: string): Machine {
  const state = parseStrictJson(readText(path), 'machine') as unknown as
    | SimulatedMachineState
    | SimulatedSnpMachineState;
  if (state?.kind === 'chrysalis-simulated-snp-machine') {
    const machine = openSimulatedSnpMachine(state);
    return {
      tee: 'sev-snp',
      extendRtmr3: null,
      quote: async (reportData) => machine.report({ reportData }),
      certificates: () => machine.certificates,
    };
  }
  const machine = openSimulatedTdxMachine(state);
  return {
    tee: 'tdx',
    extendRtmr3: (event) => machine.extendRtmr3(event),
    quote: async (reportData) => machine.quote({ reportData }),
  };
}

/** A worker's parts put together. @throws CodedError MODEL_MISSING, MODEL_INVALID, CONFIG_INVALID */
export async function openWorker(options: WorkerRunOptions, report: (event: WorkerEvent) => void) {
  const engine = await loadOnnxEngine(modelFolderOnDisk(options.model), { randomness: systemRandomness });
  const machine = simulatedMachine(options.simulatedMachine);
  const [workchain = '0', account = ''] = options.payee.split(':');
  const worker = createWorker(
    {
      machine,
      engine,
      connect: () => attachToRouter(options.router),
      now: Date.now,
      monotonic: () => performance.now(),
      randomness: systemRandomness,
      releaseMemory: collector(),
      report,
    },
    {
      name: options.name,
      modelDigest: modelDigest(engine.manifest),
      concurrencyMax: options.concurrency,
      payee: { workchain: Number(workchain), account: account === '' ? new Uint8Array(32) : fromHex(account, 'payee') },
      // This worker serves through its router alone: it has no TLS endpoint of its own, and says so with a key nobody has.
      transportSpkiSha256: sha256(utf8('ais/1 no transport endpoint')),
    },
  );
  return { worker, tee: machine.tee, modelId: engine.modelId, close: () => engine.close() };
}
