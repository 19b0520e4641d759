import { CodedError, type UnixMs } from '../core/index.ts';
import type { Standing, StandingState } from '../router/index.ts';
import { ask, openChannel } from './ask.ts';
import { bytesOf } from './bytes.ts';
import { v1 } from './package.ts';
import { amountFromWire } from './payments-server.ts';
import { type ClientTls, clientDoor } from './tls.ts';

const DEADLINE_MS = 15_000;
const STATES: ReadonlySet<string> = new Set<StandingState>([
  'admitted',
  'draining',
  'refused',
  'unavailable',
  'quarantined',
  'gone',
]);

/** How a worker stands with a router. @throws CodedError NOT_FOUND, ROUTER_UNREACHABLE */
export async function askStanding(
  address: string,
  workerId: Uint8Array,
  now: UnixMs,
  tls?: ClientTls,
): Promise<Standing> {
  const router = openChannel(clientDoor(address, tls), () => now);
  try {
    const request = { workerId: Buffer.from(workerId) };
    const wire = await ask(router, v1.WorkerAttachment.service.GetStanding, request, {
      deadline: now + DEADLINE_MS,
    });
    if (!STATES.has(wire.state)) throw new CodedError('ROUTER_UNREACHABLE', 'the router broke the protocol');
    const { refused } = wire;
    return {
      state: wire.state as StandingState,
      resumed: wire.resumed,
      refused:
        refused === null
          ? null
          : {
              ...refused,
              at: Number(refused.at),
              policyDigest: bytesOf(refused.policyDigest),
            },
      leaseExpiresAt: Number(wire.leaseExpiresAt),
      logIndex: Number(wire.logIndex),
      earned: wire.earned === '' ? null : amountFromWire(wire.earned, 'earned'),
    };
  } finally {
    router.close();
  }
}
