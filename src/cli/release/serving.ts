import type { KeyRelease } from '../../router/index.ts';
import { serveKeyRelease, serveKeyReleaseAdministration } from '../../rpc/index.ts';

export type ServedRelease = Readonly<{ host: string; port: number; adminPort: number; close(): Promise<void> }>;

const GRACE_MS = 2_000;

/** Opens both listeners of a release service. @throws CodedError PORT_IN_USE */
export async function serveRelease(
  release: KeyRelease,
  { host, port, adminPort }: Readonly<{ host: string; port: string; adminPort: string }>,
): Promise<ServedRelease> {
  const workers = await serveKeyRelease(release, { host, port: Number(port), now: Date.now });
  const owners = await serveKeyReleaseAdministration(release, { port: Number(adminPort), now: Date.now });
  const close = async () => {
    await owners.close(GRACE_MS);
    await workers.close(GRACE_MS);
  };
  return { host, port: workers.port, adminPort: owners.port, close };
}

/** Where it listens, for a supervisor's `ready` and for people. */
export function addressesOf({ host, port, adminPort }: ServedRelease): Readonly<{ url: string; admin: string }> {
  return { url: `${host}:${port}`, admin: `127.0.0.1:${adminPort}` };
}
