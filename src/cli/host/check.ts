/** What one look at the host came to. `notApplicable` says that this host has no use for it. */
export type HostOutcome = 'passed' | 'failed' | 'unknown' | 'notApplicable';
export type HostGroup = 'CPU' | 'firmware' | 'kernel' | 'GPU' | 'tools';

export type HostCheck = Readonly<{
  id: string;
  group: HostGroup;
  outcome: HostOutcome;
  /** In words: what was found, what is needed, what to do; no remedy where nothing is to be done. */
  found: string;
  needed: string;
  remedy: string | null;
  /** Whether a worker with a GPU needs it, or any worker. */
  of: 'tee' | 'gpu';
}>;

/** What the doctor may do to a host: read it. Every answer is null where the host does not have it, or does not show it. */
export type HostView = Readonly<{
  /** Text of a file, cut at a bound. */
  read(path: string): string | null;
  list(path: string): readonly string[] | null;
  exists(path: string): boolean;
  /** What a command that only shows things prints. @param argument comes last: an address to ask */
  show(command: HostCommand, argument?: string): string | null;
}>;

/** All that is ever run. */
export const HOST_COMMANDS = {
  'kernel-log': ['dmesg'],
  'qemu-version': ['qemu-system-x86_64', '--version'],
  // The caching service's own certificate is often signed by nobody; only whether it answers is asked.
  'pccs-answer': [
    ...(['curl', '--silent', '--insecure', '--max-time', '5', '--output', '/dev/null'] as const),
    ...(['--write-out', '%{http_code}'] as const),
  ],
  clock: ['timedatectl', 'show', '--property=NTPSynchronized'],
  'disk-free': ['df', '--output=avail', '--block-size=G', '/var/lib'],
  'gpu-cc-mode': ['nvidia-smi', 'conf-compute', '-f'],
  'gpu-list': ['nvidia-smi', '--query-gpu=name,driver_version,vbios_version', '--format=csv,noheader'],
} as const satisfies Readonly<Record<string, readonly [program: string, ...args: string[]]>>;
export type HostCommand = keyof typeof HOST_COMMANDS;

type Words = Readonly<{ found: string; needed: string; remedy: string }>;

export function hostCheck(
  name: Readonly<{ id: string; group: HostGroup; of?: HostCheck['of'] }>,
  holds: boolean | null,
  words: Words,
): HostCheck {
  const outcome = holds === null ? 'unknown' : holds ? 'passed' : 'failed';
  const { found, needed, remedy } = words;
  return { of: 'tee', ...name, outcome, found, needed, remedy: outcome === 'passed' ? null : remedy };
}
