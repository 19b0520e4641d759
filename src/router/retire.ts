import type { UnixMs } from '../core/index.ts';
import { LEASE_MS_MAX } from './admission.ts';
import { createEvictions } from './evictions.ts';
import { leftOver } from './left-over.ts';
import type { LogPort } from './ports.ts';

/**
 * Enters into the log that the workers which a router's last run left in are gone: for a router that will not start again
 * as it was. @throws CodedError where the log is away
 */
export async function retireRouter(of: Readonly<{ log: LogPort; source: string; now: UnixMs }>): Promise<void> {
  const evictions = createEvictions({ ...of, leftOver: () => leftOver(of, LEASE_MS_MAX) });
  try {
    await evictions.written();
  } finally {
    await evictions.close();
  }
}
