import { writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { sha256 } from '#crypto';
import {
  openSimulatedSnpMachine,
  openSimulatedTdxMachine,
  type SimulatedMachineState,
  type SimulatedSnpMachineState,
} from '../../attestation/simulate/index.ts';
import { CodedError, equalBytes, fromHex, parseStrictJson, utf8 } from '../../core/index.ts';
import { attachToRouter, connectToKeyRelease } from '../../rpc/enclave/index.ts';
import {
  type Boot,
  type BootOptions,
  type CheckedDevices,
  createWorker,
  type Engine,
  fetchReleasedSecret,
  holdsDocumentModel,
  loadDocumentEngine,
  loadOnnxEngine,
  loadUpstreamEngine,
  type Machine,
  type ModelFolder,
  modelDigest,
  modelFolderOnDisk,
  openLinuxGuest,
  openSealedFolder,
  type ReleaseDeps,
  type SealedHeader,
  sealedHeaderOnDisk,
  startBoot,
  type WorkerEvent,
  watchedModelOnDisk,
} from '../../worker/index.ts';
import { codedFromSystem } from '../output.ts';
import { clientTls } from './client-tls.ts';
import { nvidiaDevices, simulatedDevices } from './devices.ts';
import { readText, systemRandomness } from './files.ts';
import { guestFiles } from './guest-files.ts';
import { collector } from './memory.ts';

export type WorkerRunOptions = Readonly<{
  name: string;
  /** `host:port`, several with commas between. */
  router: string;
  /** PEM of the CA that the router's certificate is of; in clear where absent. */
  routerCa?: string;
  model: string;
  /** Absent: the TD or SEV-SNP guest that this process runs in. */
  simulatedMachine?: string;
  /** File with the simulated devices of that machine, and what they are checked by. */
  simulatedDevices?: string;
  /** Folder with the manifests of this image's driver and VBIOS: its GPUs are NVIDIA's own, and are asked through `nvattest`. */
  nvidiaManifests?: string;
  nvswitches?: boolean;
  concurrency: number;
  payee: string;
  /** An OpenAI-compatible server on this machine that serves the model, instead of the engine within. */
  engineUrl?: string;
  engineModel?: string;
  engineContext?: number;
  /** The service that releases the key of a sealed model, `host:port`. */
  release?: string;
  /** Where the newest evidence is kept, for its owner to look at. */
  keepEvidence?: string;
}>;

/** A simulated TD or SNP guest in this very process: its quotes, and nothing that protects memory. */
function simulatedMachine(path: string, devices: CheckedDevices): Machine {
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
      devices,
    };
  }
  const machine = openSimulatedTdxMachine(state);
  return {
    tee: 'tdx',
    extendRtmr3: (event) => machine.extendRtmr3(event),
    quote: async (reportData) => machine.quote({ reportData }),
    devices,
  };
}

/** The engine of ours that reads this kind of model. */
export async function engineWithin(folder: ModelFolder, modelId?: string): Promise<Engine> {
  const named = modelId === undefined ? {} : { modelId };
  if (await holdsDocumentModel(folder)) return loadDocumentEngine(folder, named);
  return loadOnnxEngine(folder, { ...named, randomness: systemRandomness });
}

async function openEngine(options: WorkerRunOptions): Promise<Engine> {
  const { engineUrl: url, engineModel: modelId, engineContext: contextTokensMax } = options;
  if (url === undefined) return engineWithin(modelFolderOnDisk(options.model), modelId);
  return loadUpstreamEngine({
    url,
    model: await watchedModelOnDisk(options.model),
    ...(modelId === undefined ? {} : { modelId }),
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    fetch,
    every: (ms, run) => {
      const timer = setInterval(run, ms).unref();
      return () => clearInterval(timer);
    },
  });
}

/** Keys of this boot over a plain model, whose digest the engine knows. */
async function bootPlain(options: WorkerRunOptions, machine: Machine): Promise<Opened> {
  const engine = await openEngine(options);
  return {
    engine,
    boot: startBoot(machine, deps, { ...bootOptions(options), modelDigest: modelDigest(engine.manifest) }),
  };
}

/**
 * A sealed model: what its header says is inside is measured, the key is asked for with that, and what was opened must be
 * that. @throws CodedError RELEASE_REFUSED, MODEL_INVALID, USAGE_INVALID
 */
async function bootSealed(
  options: WorkerRunOptions,
  machine: Machine,
  header: SealedHeader,
  waiting: ReleaseDeps['waiting'],
): Promise<Opened> {
  const { release, engineUrl, model } = options;
  if (release === undefined) {
    throw new CodedError('USAGE_INVALID', 'this model is sealed: name the service that releases its key, --release');
  }
  if (engineUrl !== undefined) {
    const why =
      'a server beside the worker reads its files itself, and these are sealed: serve them from the engine within';
    throw new CodedError('USAGE_INVALID', why, { field: 'engineUrl' });
  }
  const boot = startBoot(machine, deps, { ...bootOptions(options), modelDigest: header.modelDigest });
  const link = connectToKeyRelease(release, Date.now);
  const delay = (ms: number) => setTimeout(ms);
  const key = await fetchReleasedSecret(boot, header.secret, {
    link,
    randomness: systemRandomness,
    waiting,
    delay,
  }).finally(() => link.close());
  const opened = openSealedFolder(model, header, key);
  const engine = await engineWithin(opened, options.engineModel).finally(() => key.fill(0));
  if (equalBytes(modelDigest(engine.manifest), header.modelDigest)) return { engine, boot };
  await engine.close();
  throw new CodedError(
    'MODEL_INVALID',
    'the sealed model is not the one that its header names, or was sealed for another engine',
  );
}

/** The same boot, whose newest evidence lies in a file too. Nothing of it is secret, and nothing depends on the file. */
function keepingEvidence(boot: Boot, path: string): Boot {
  const evidence: Boot['attester']['evidence'] = async (...asked) => {
    const made = await boot.attester.evidence(...asked);
    await writeFile(path, made.bundle).catch((error: unknown) => {
      process.stderr.write(`${path}: ${codedFromSystem(error).message}\n`);
    });
    return made;
  };
  return { ...boot, attester: { evidence } };
}

type Opened = Readonly<{ engine: Engine; boot: Boot }>;
const deps = { now: Date.now, randomness: systemRandomness };

function bootOptions({ payee }: WorkerRunOptions): Omit<BootOptions, 'modelDigest'> {
  const [workchain = '0', account = ''] = payee.split(':');
  return {
    payee: { workchain: Number(workchain), account: account === '' ? new Uint8Array(32) : fromHex(account, 'payee') },
    // This worker serves through its router alone: it has no TLS endpoint of its own, and says so with a key nobody has.
    transportSpkiSha256: sha256(utf8('ais/1 no transport endpoint')),
  };
}

async function openMachine(options: WorkerRunOptions): Promise<Machine> {
  const { simulatedMachine: state, simulatedDevices: devices } = options;
  if (state !== undefined) {
    if (options.nvidiaManifests !== undefined) {
      throw new CodedError('USAGE_INVALID', 'a simulated machine has no GPUs of NVIDIA’s: --simulated-devices', {
        field: 'nvidiaManifests',
      });
    }
    return simulatedMachine(state, await simulatedDevices(devices));
  }
  if (devices !== undefined) {
    throw new CodedError('USAGE_INVALID', '--simulated-devices go with --simulated-machine alone');
  }
  return openLinuxGuest(
    {
      files: guestFiles,
      delay: (ms, signal) => setTimeout(ms, undefined, signal === undefined ? {} : { signal }),
      instance: String(process.pid),
    },
    await nvidiaDevices(options.nvidiaManifests, options.nvswitches === true),
  );
}

/**
 * A worker's parts put together.
 * @param waiting told while the key of a sealed model is not released yet
 * @throws CodedError MODEL_MISSING, MODEL_INVALID, CONFIG_INVALID, PLATFORM_UNSUPPORTED, RELEASE_REFUSED
 */
export async function openWorker(
  options: WorkerRunOptions,
  report: (event: WorkerEvent) => void,
  waiting: ReleaseDeps['waiting'],
) {
  const door = clientTls(options);
  const machine = await openMachine(options);
  const header = await sealedHeaderOnDisk(options.model);
  const { engine, boot } =
    header === null ? await bootPlain(options, machine) : await bootSealed(options, machine, header, waiting);
  const worker = createWorker(
    {
      boot: options.keepEvidence === undefined ? boot : keepingEvidence(boot, options.keepEvidence),
      engine,
      routers: options.router.split(',').map((address) => () => attachToRouter(address, Date.now, door)),
      ...deps,
      monotonic: () => performance.now(),
      releaseMemory: collector(),
      report,
    },
    { name: options.name, concurrencyMax: options.concurrency },
  );
  return {
    worker,
    tee: machine.tee,
    modelId: engine.modelId,
    sealed: header !== null,
    close: () => engine.close(),
  };
}
