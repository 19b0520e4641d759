import * as grpc from '@grpc/grpc-js';
import type { UnixMs } from '../core/index.ts';
import { ask } from './client-transport.ts';
import { CHANNEL_OPTIONS, v1 } from './package.ts';

const DEADLINE_MS = 15_000;

/** Has a router drain a worker. @param address of the router's administration @throws CodedError NOT_FOUND, ROUTER_UNREACHABLE */
export async function askToDrain(address: string, workerId: Uint8Array, reason: string, now: UnixMs): Promise<void> {
  const stub = new v1.Administration(address, grpc.credentials.createInsecure(), CHANNEL_OPTIONS);
  try {
    const request = { workerId: Buffer.from(workerId), reason };
    await ask(stub, v1.Administration.service.DrainWorker, request, { deadline: now + DEADLINE_MS });
  } finally {
    stub.close();
  }
}
