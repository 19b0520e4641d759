import { z } from 'zod';

/**
 * What a worker's guest is told, in two halves. The measured half is on the kernel's command line: firmware extends that
 * into RTMR2 (TDX) or it is in the launch digest (SEV-SNP) before anything of the image runs, so other values are another
 * image. The unmeasured half is a file that the host hands over (fw_cfg) and that nobody attests: with it the host chooses
 * whom the worker serves and who is paid, which is the host's to choose, and nothing else.
 *
 * This module runs in the initial RAM disk as well: it imports zod alone.
 */
const Verity = z.strictObject({
  /** Root of the hash tree, SHA-256. */
  rootHash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Blocks of 4096 bytes before the tree. */
  dataBlocks: z
    .int()
    .min(2)
    .max(2 ** 30),
});

export const MeasuredConfiguration = z.strictObject({
  /** `debug` takes a simulated machine from the host: its evidence is worth nothing, and its measurements say so. */
  variant: z.enum(['production', 'debug']),
  root: Verity,
  /** With the name that requests call it by. */
  model: Verity.extend({ id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/) }),
  /** Requests at the same time. */
  concurrency: z.int().min(1).max(1024),
});
export type MeasuredConfiguration = z.infer<typeof MeasuredConfiguration>;

const Ipv4 = z.ipv4();
const Address = z.string().regex(/^[A-Za-z0-9.-]{1,253}:[1-9][0-9]{0,4}$/);

export const HostConfiguration = z.strictObject({
  version: z.literal(1),
  /** What the operator calls this worker. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  /** host:port of the router that it serves through. */
  router: Address,
  /** TON account that is paid for its receipts, workchain:hex. */
  payee: z
    .string()
    .regex(/^(0|-1):[0-9a-f]{64}$/)
    .optional(),
  /** host:port of the service that releases the key of a sealed model. */
  release: Address.optional(),
  /** Of its one network card. Where absent, as QEMU's user network has it. */
  network: z
    .strictObject({ address: Ipv4, prefixBits: z.int().min(1).max(30), gateway: Ipv4, nameServer: Ipv4 })
    .default({ address: '10.0.2.15', prefixBits: 24, gateway: '10.0.2.2', nameServer: '10.0.2.3' }),
  /** State of a simulated host; refused by all variants but `debug`. */
  simulatedMachine: z.record(z.string(), z.unknown()).optional(),
});
export type HostConfiguration = z.infer<typeof HostConfiguration>;

/** What the file of the host may have at most, in bytes. */
export const HOST_CONFIGURATION_BYTES_MAX = 64 * 1024;
/** Under which name QEMU hands it over: `-fw_cfg name=…,file=…`. */
export const HOST_CONFIGURATION_NAME = 'opt/org.chrysalis/configuration';
/** Names of the disks, as `-device virtio-blk-pci,serial=…` gives them. */
export const DISK_SERIAL = { root: 'root', model: 'model' } as const;

const PREFIX = 'chrysalis.';
const verityWord = ({ rootHash, dataBlocks }: z.infer<typeof Verity>) => `${rootHash}:${dataBlocks}`;

/** The words of the command line that carry the measured half, in this order. */
export function measuredWords(measured: MeasuredConfiguration): readonly string[] {
  return [
    `${PREFIX}variant=${measured.variant}`,
    `${PREFIX}root=${verityWord(measured.root)}`,
    `${PREFIX}model=${verityWord(measured.model)}`,
    `${PREFIX}model-id=${measured.model.id}`,
    `${PREFIX}concurrency=${measured.concurrency}`,
  ];
}

function verityOf(word: string | undefined) {
  const [rootHash, blocks = ''] = (word ?? '').split(':');
  return { rootHash, dataBlocks: /^[1-9][0-9]*$/.test(blocks) ? Number(blocks) : Number.NaN };
}

/**
 * The measured half of a command line; words of the kernel's own are left aside.
 * @throws Error for a word of ours that is unknown, there twice, missing or not as {@link measuredWords} writes it
 */
export function parseMeasuredWords(commandLine: string): MeasuredConfiguration {
  const words = new Map<string, string>();
  for (const word of commandLine.trim().split(/\s+/)) {
    if (!word.startsWith(PREFIX)) continue;
    const equals = word.indexOf('=');
    const name = word.slice(PREFIX.length, equals < 0 ? undefined : equals);
    if (words.has(name)) throw new Error(`${PREFIX}${name} is on the command line twice`);
    words.set(name, equals < 0 ? '' : word.slice(equals + 1));
  }
  const measured = MeasuredConfiguration.parse({
    variant: words.get('variant'),
    root: verityOf(words.get('root')),
    model: { id: words.get('model-id'), ...verityOf(words.get('model')) },
    concurrency: Number(words.get('concurrency')),
  });
  const written = measuredWords(measured).join(' ');
  const read = [...words].map(([name, value]) => `${PREFIX}${name}=${value}`).join(' ');
  if (written !== read) throw new Error('the command line holds the measured configuration in another form');
  return measured;
}

/** @throws Error for a file that is not one, or that holds what this variant does not take */
export function parseHostConfiguration(text: string, variant: MeasuredConfiguration['variant']): HostConfiguration {
  const host = HostConfiguration.parse(JSON.parse(text));
  if (host.simulatedMachine !== undefined && variant !== 'debug') {
    throw new Error('a simulated machine is taken by the debug variant alone');
  }
  return host;
}
