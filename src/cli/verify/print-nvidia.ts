import type { Json } from '../../core/index.ts';
import { labelled, printable, table } from '../output.ts';
import type { VerifyResponse } from './response.ts';

const LABEL_WIDTH = 13;
type Claims = { readonly [name: string]: Json | undefined };
type Mismatch = Readonly<{ index: number; source: string; likelyCause: string }>;

const recordOf = (value: Json | undefined): Claims | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : null;

/** The devices of an answer: of one, or of a set. */
function devicesOf({ claims }: VerifyResponse): Claims[] {
  const { devices } = claims;
  const list = Array.isArray(devices) ? (devices as readonly Json[]) : [claims as Json];
  return list.map(recordOf).filter((one) => one !== null);
}

/** `VERIFIED  genuine GPU, …`: what held, and what was not looked at. */
export function nvidiaHeadline(response: VerifyResponse): string {
  const { checks } = response;
  const isOpen = (name: string) =>
    Object.entries(checks).some(([check, { outcome }]) => check.endsWith(name) && outcome !== 'passed');
  const subject = devicesOf(response).length === 1 ? 'genuine device' : `${devicesOf(response).length} genuine devices`;
  const state = isOpen('measurements') ? 'its state not checked' : 'measurements as released';
  return `VERIFIED  ${subject}, ${state}${isOpen('NotRevoked') ? ', revocation not checked' : ''}`;
}

/** Who the devices are, what differs in them, and which manifests judge them. */
export function nvidiaLines(response: VerifyResponse, width: number): string[] {
  return devicesOf(response).flatMap((claims) => {
    const golden = recordOf(claims.golden);
    const lines: string[] = [];
    const said = (label: string, words: string) =>
      lines.push(labelled(`  ${label}`, printable(words), width, 2, LABEL_WIDTH));
    if (typeof claims.chip === 'string') {
      const firmware =
        claims.kind === 'switch'
          ? `BIOS ${claims.biosVersion}`
          : `driver ${claims.driverVersion}, VBIOS ${claims.vbiosVersion}`;
      said('device', `${claims.chip} (${claims.architecture}), ${firmware}, serial ${claims.bromSerial}`);
    }
    if (golden !== null) said('measured', `${golden.matched} of ${golden.compared} as the manifests say`);
    const mismatched = (golden?.mismatched ?? []) as unknown as readonly Mismatch[];
    const rows = mismatched.map(({ index, source, likelyCause }) => [`index ${index}`, source, likelyCause]);
    if (rows.length > 0) lines.push(printable(table(rows, width)));
    const manifests = (claims.manifests ?? []) as unknown as readonly { id: string }[];
    for (const { id } of manifests) said('manifest', id);
    if (claims.gpuBinding === 'guest-asserted') {
      said('note', 'nothing in a report says which machine the device is in');
    }
    return lines;
  });
}
