import { parseNvidiaReport, reportOfHexText } from '../../attestation/index.ts';
import {
  type Bytes,
  CodedError,
  equalBytes,
  fromBase64,
  fromHex,
  fromUtf8,
  type Json,
  parseCertificate,
  parsePem,
  parseStrictJson,
  type Randomness,
  toHex,
} from '../../core/index.ts';
import type { Device } from '../devices.ts';

/**
 * Runs a program of the image's own, without a shell.
 * @returns what it wrote on stdout, at most `bytesMax`
 * @throws CodedError PLATFORM_UNSUPPORTED where it is not there, DEADLINE_EXCEEDED, PROCESS_FAILED
 */
export type RunProgram = (
  program: string,
  args: readonly string[],
  limits: Readonly<{ timeoutMs: number; bytesMax: number }>,
) => Promise<Uint8Array>;

export type NvidiaDeps = Readonly<{
  run: RunProgram;
  randomness: Randomness;
  /** Whether the machine has NVSwitches that the guest sees. */
  switches: boolean;
}>;

/** NVIDIA's collector, in the image. */
export const COLLECTOR = '/usr/bin/nvattest';
/** Eight GPUs take seconds; dstack waits five minutes at a boot. */
const COLLECT = { timeoutMs: 120_000, bytesMax: 8 * 1024 * 1024 };
const ATTEMPTS = 2;
const DEVICES_MAX = 32;
const CERTIFICATES_MAX = 8;
const KINDS = { gpu: 1, nvswitch: 2 } as const;
type Kind = keyof typeof KINDS;

type Collected = Readonly<{ kind: 1 | 2; id: Bytes; chain: readonly Bytes[]; report: Bytes }>;

const refused = (why: string) => new CodedError('DEVICES_REFUSED', `NVIDIA's collector: ${why}`);

/**
 * The GPUs and switches of this guest, through NVIDIA's collector: its driver speaks SPDM with them, and nothing else in
 * the guest is asked. One run answers for all devices of a kind; those that were there at the start must be there again.
 * @throws CodedError DEVICES_REFUSED, PLATFORM_UNSUPPORTED, DEADLINE_EXCEEDED, PROCESS_FAILED
 */
export async function openNvidiaDevices(deps: NvidiaDeps): Promise<readonly Device[]> {
  const kinds: readonly Kind[] = deps.switches ? ['gpu', 'nvswitch'] : ['gpu'];
  const collectAll = async (nonce: Bytes): Promise<readonly Collected[]> => {
    const all: Collected[] = [];
    for (const kind of kinds) all.push(...(await collect(deps.run, kind, nonce)));
    return all;
  };
  /** The last nonce that was asked for: every device of a machine is asked with the same one, one after the other. */
  let last: Readonly<{ nonce: Bytes; answers: Promise<readonly Collected[]> }> | null = null;
  const answersFor = (nonce: Bytes): Promise<readonly Collected[]> => {
    if (last !== null && equalBytes(last.nonce, nonce)) return last.answers;
    // One run at a time: the driver is asked by one process, and what one run says is of one moment.
    const before = last?.answers.catch(() => undefined) ?? Promise.resolve();
    const answers = before.then(() => collectAll(nonce));
    last = { nonce, answers };
    answers.catch(() => {
      if (last?.answers === answers) last = null;
    });
    return answers;
  };
  const found = await answersFor(deps.randomness(32));
  if (found.length === 0 || found.length > DEVICES_MAX) throw refused(`${found.length} devices`);
  const ids = new Set(found.map(({ id }) => toHex(id)));
  if (ids.size !== found.length) throw refused('one device twice');
  return found.map(
    ({ kind, id, chain }): Device => ({
      kind,
      id,
      chain,
      report: async (nonce) => {
        const answers = await answersFor(nonce);
        if (answers.length !== found.length) throw refused(`${answers.length} devices, and there were ${found.length}`);
        const own = answers.find((one) => equalBytes(one.id, id));
        if (own === undefined) throw refused('a device is gone, or has another key');
        return own.report;
      },
    }),
  );
}

async function collect(run: RunProgram, kind: Kind, nonce: Bytes): Promise<readonly Collected[]> {
  const args = ['collect-evidence', '--device', kind, '--nonce', toHex(nonce), '--format', 'json'];
  for (let attempt = 1; ; attempt++) {
    try {
      return parseCollected(await run(COLLECTOR, args, COLLECT), KINDS[kind], nonce);
    } catch (error) {
      const again =
        error instanceof CodedError && (error.code === 'PROCESS_FAILED' || error.code === 'DEADLINE_EXCEEDED');
      if (!again || attempt >= ATTEMPTS) throw error;
    }
  }
}

/**
 * `{"evidences":[{arch, nonce, evidence, certificate}], "result_code": 0, …}`; other members are not read.
 * @throws CodedError DEVICES_REFUSED, and what the parsers throw
 */
function parseCollected(stdout: Uint8Array, kind: 1 | 2, nonce: Bytes): Collected[] {
  const document = recordOf(parseStrictJson(fromUtf8(stdout, 'collector'), 'collector'));
  if (document.result_code !== 0)
    throw refused(`result code ${JSON.stringify(document.result_code ?? null).slice(0, 32)}`);
  const { evidences } = document;
  if (!Array.isArray(evidences) || evidences.length > DEVICES_MAX) throw refused('no list of evidences');
  return evidences.map((item: Json) => {
    const { evidence, certificate } = recordOf(item);
    const report = Uint8Array.from(reportOfHexText(fromBase64(textOf(evidence), 'evidence')));
    // A binding of NVIDIA's once left the nonce out: what answers another question is none of ours.
    if (!equalBytes(parseNvidiaReport(report).requestNonce, nonce)) throw refused('a report over another nonce');
    const pem = fromUtf8(fromBase64(textOf(certificate), 'certificate'), 'certificate');
    const chain = parsePem(pem, 'CERTIFICATE', CERTIFICATES_MAX, 'certificate');
    const [leaf] = chain;
    if (leaf === undefined) throw refused('a device without certificates');
    return { kind, id: fromHex(parseCertificate(leaf).serial, 'serial'), chain, report };
  });
}

function recordOf(value: Json | undefined): { readonly [name: string]: Json | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('not a document of its own');
  return value as { readonly [name: string]: Json | undefined };
}

function textOf(value: Json | undefined): string {
  if (typeof value !== 'string') throw refused('evidence or certificate is missing');
  return value;
}

/** After the devices were checked: without it a GPU in confidential mode takes no work. */
export async function setGpusReady(run: RunProgram): Promise<void> {
  await run('/usr/bin/nvidia-smi', ['conf-compute', '-srs', '1'], { timeoutMs: 60_000, bytesMax: 64 * 1024 });
}
