import { CodedError, parseStrictJson } from '../../core/index.ts';
import { HostConfiguration } from '../../image/index.ts';
import type { HostView } from '../host/check.ts';
import { type Diagnosis, diagnose } from '../host/doctor.ts';
import { planGpus } from './gpus.ts';
import { qemuArguments, shellLine } from './qemu.ts';
import { type GuestPlaces, type GuestShape, requireShape, unitOf } from './shape.ts';
import { unitText } from './unit.ts';

/** What the host tells its guest; nobody attests it (see the image’s configuration). */
export type HostPart = Readonly<{ router: string; payee?: string; release?: string }>;

export type LaunchFile = Readonly<{ path: string; mode: number; text: string }>;

/** All that a launch would do, in this order; and why it does not, where it does not. */
export type LaunchPlan = Readonly<{
  shape: GuestShape;
  places: GuestPlaces;
  /** Reasons not to start, in words. */
  problems: readonly string[];
  files: readonly LaunchFile[];
  /** Commands after the files are there. */
  commands: readonly (readonly [program: string, ...args: string[]])[];
  /** What the unit runs, as a line for a shell. */
  qemu: string;
  /** The measurements that the policy must hold come from this. */
  measure: string;
}>;

/** @throws CodedError USAGE_INVALID */
export function planLaunch(host: HostView, shape: GuestShape, places: GuestPlaces, own: HostPart): LaunchPlan {
  requireShape(shape);
  const gpus = planGpus(host, shape.gpus);
  const configuration = { version: 1, name: shape.name, ...own };
  requireConfiguration(configuration);
  const launch = { version: 1, name: shape.name, tee: shape.tee, gpus: shape.gpus, ...own };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const unit = unitOf(shape.name);
  return {
    shape,
    places,
    problems: [...hostProblems(diagnose(host), shape), ...missingFiles(host, shape), ...gpus.problems],
    files: [
      { path: places.configuration, mode: 0o600, text: json(configuration) },
      { path: places.launch, mode: 0o600, text: json(launch) },
      { path: places.unit, mode: 0o644, text: unitText(shape, places, gpus.bindings) },
    ],
    commands: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', unit],
      ['systemctl', 'restart', unit],
    ],
    qemu: shellLine([shape.qemu, ...qemuArguments(shape, places)]),
    measure: measureLine(shape),
  };
}

/** What the guest would refuse when it has booted is refused here. @throws CodedError USAGE_INVALID */
function requireConfiguration(configuration: object): void {
  const read = HostConfiguration.safeParse(configuration);
  if (read.success) return;
  const [issue] = read.error.issues;
  throw new CodedError('USAGE_INVALID', `--${issue?.path.join('.')}: ${issue?.message}`);
}

function hostProblems({ tee, ready, checks }: Diagnosis, shape: GuestShape): string[] {
  if (tee !== null && tee !== shape.tee) return [`this host is for ${tee}, not ${shape.tee}`];
  const of = (which: 'tee' | 'gpu') =>
    checks
      .filter((check) => check.of === which && check.outcome === 'failed')
      .map((check) => `${check.id}: ${check.found}; ${check.remedy}`);
  return [
    ...(ready.tee === false ? of('tee') : []),
    ...(shape.gpus.length > 0 && ready.gpu === false ? of('gpu') : []),
  ];
}

function missingFiles(host: HostView, { firmware, boot, rootDisk, modelDisk, qemu }: GuestShape): string[] {
  const wanted = 'uki' in boot ? [boot.uki] : [boot.kernel, ...(boot.initrd === null ? [] : [boot.initrd])];
  return [qemu, firmware, ...wanted, rootDisk, modelDisk]
    .filter((path) => !host.exists(path))
    .map((path) => `there is no ${path}`);
}

function measureLine({ tee, firmware, boot, vcpus, memoryMiB, vcpuType }: GuestShape): string {
  const image =
    'uki' in boot
      ? ['--uki', boot.uki]
      : [
          ...['--kernel', boot.kernel],
          ...(boot.initrd === null ? [] : ['--initrd', boot.initrd]),
          ...(boot.commandLine === null ? [] : ['--cmdline', boot.commandLine]),
        ];
  const size = tee === 'tdx' ? ['--memory', `${memoryMiB}M`] : ['--vcpus', String(vcpus), '--vcpu-type', vcpuType];
  return shellLine(['npx', 'chrysalis', 'image', 'measure', '--tee', tee, '--firmware', firmware, ...image, ...size]);
}

/** What a launch left of itself for `host status`. */
export function parseLaunchFile(
  text: string,
): Readonly<{ name: string; tee: string; router: string; gpus: readonly string[] }> | null {
  try {
    const value = parseStrictJson(text, 'launch') as {
      version?: unknown;
      name?: unknown;
      tee?: unknown;
      router?: unknown;
      gpus?: unknown;
    } | null;
    const { version, name, tee, router, gpus } = value ?? {};
    if (version !== 1 || typeof name !== 'string' || typeof tee !== 'string' || typeof router !== 'string') return null;
    return { name, tee, router, gpus: Array.isArray(gpus) ? gpus.map(String) : [] };
  } catch {
    return null;
  }
}
