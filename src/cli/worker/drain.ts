import { CodedError, fromHex } from '../../core/index.ts';
import { connectToAdministration } from '../../rpc/index.ts';
import { clientTls, type RouterDoorOptions } from '../compose/client-tls.ts';

export type DrainOptions = RouterDoorOptions & Readonly<{ admin: string; reason: string; json?: boolean }>;

/** `chrysalis worker drain`. @throws CodedError USAGE_INVALID, NOT_FOUND, ROUTER_UNREACHABLE */
export async function drain(worker: string, { admin, reason, json, ...door }: DrainOptions): Promise<void> {
  if (!/^[0-9a-f]{64}$/.test(worker)) throw new CodedError('USAGE_INVALID', 'a worker’s id has 64 hex digits');
  const administration = connectToAdministration(admin, Date.now, clientTls(door));
  try {
    await administration.drainWorker(fromHex(worker, 'worker'), reason);
  } finally {
    administration.close();
  }
  const text = `${worker.slice(0, 16)}… gets nothing new; it ends by itself when what it has has ended`;
  process.stdout.write(json === true ? `${JSON.stringify({ worker, draining: true })}\n` : `${text}\n`);
}
