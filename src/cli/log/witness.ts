import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../../core/index.ts';
import { parseVkey, type VerifierKey, type WitnessedLog } from '../../log/index.ts';
import { createWitness, openWitnessStore, startWitnessServer, type WitnessEvent } from '../../log/witness/index.ts';
import { aborted, announce, stopSignal } from '../child.ts';
import { cosignersIn, WITNESS_DATABASE } from './keys.ts';

export type WitnessOptions = Readonly<{
  host: string;
  port: number;
  data: string;
  name: string;
  log: readonly string[];
  postQuantum?: boolean;
  json?: boolean;
  supervised?: boolean;
}>;

/** Logs by origin; a log that changed keys is given with each. */
function logsOf(vkeys: readonly string[]): WitnessedLog[] {
  const logs = new Map<string, VerifierKey[]>();
  for (const key of vkeys.map(parseVkey)) logs.set(key.name, [...(logs.get(key.name) ?? []), key]);
  if (logs.size === 0) throw new CodedError('USAGE_INVALID', 'name the logs to witness with --log VKEY');
  return [...logs].map(([origin, keys]) => ({ origin, keys }));
}

/** For whoever runs it: what was refused and what is proof of a lie; what was cosigned is not worth a line. */
function report({ event, origin, size, why }: WitnessEvent): void {
  if (event === 'equivocation') console.error(`EQUIVOCATION of ${origin} at size ${size}: ${why}; evidence is kept`);
  if (event === 'refused') console.error(`refused a head of ${origin === '' ? 'an unknown log' : origin}: ${why}`);
}

/** `chrysalis log witness`. */
export async function runWitness(options: WitnessOptions): Promise<void> {
  const stop = stopSignal(options);
  const logs = logsOf(options.log);
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const cosigners = await cosignersIn(options.data, options.name, options.postQuantum === true);
  const store = openWitnessStore(join(options.data, WITNESS_DATABASE));
  try {
    const witness = createWitness({ logs, store, cosigners, clock: Date.now, report });
    const server = await startWitnessServer(witness, { host: options.host, port: options.port });
    if (options.json === true) announce({ event: 'ready', url: server.url, vkeys: witness.vkeys });
    else {
      console.log(`witness ${options.name}   ${server.url}   watches ${logs.map(({ origin }) => origin).join(', ')}`);
      for (const vkey of witness.vkeys) console.log(`witness key   ${vkey}`);
    }
    await aborted(stop);
    await server.close();
  } finally {
    store.close();
  }
  if (options.json === true) announce({ event: 'stopped' });
}
