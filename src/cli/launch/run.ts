import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CodedError } from '../../core/index.ts';
import { readText, writeDurably } from '../compose/files.ts';
import type { HostView } from '../host/check.ts';
import { diagnose } from '../host/doctor.ts';
import { recordedHost, thisHost } from '../host/view.ts';
import { EXIT, printable } from '../output.ts';
import { type LaunchPlan, planLaunch } from './plan.ts';
import { shellLine } from './qemu.ts';
import { type GuestShape, type LaunchTee, placesOf } from './shape.ts';

export type LaunchFlags = Readonly<{
  name: string;
  tee?: LaunchTee;
  image?: string;
  variant: 'production' | 'debug';
  firmware?: string;
  uki?: string;
  kernel?: string;
  initrd?: string;
  cmdlineFile?: string;
  rootDisk?: string;
  modelDisk?: string;
  vcpus: string;
  memory: string;
  vcpuType: string;
  gpu?: readonly string[];
  router: string;
  payee?: string;
  release?: string;
  qemu: string;
  quoteSocket: string;
  state: string;
  root?: string;
  dryRun?: boolean;
  json?: boolean;
}>;

const COMMAND_MS = 60_000;

function memoryMiB(text: string): number {
  const [, amount = '', unit = 'M'] = /^(\d{1,7})([MG])?$/.exec(text) ?? [];
  return amount === '' ? Number.NaN : Number(amount) * (unit === 'G' ? 1024 : 1);
}

type ImagePaths = Pick<GuestShape, 'firmware' | 'boot' | 'rootDisk' | 'modelDisk'>;

/**
 * The files of an image as `image build` names them: a unified kernel image for TDX; for SEV-SNP, whose firmware hashes
 * them apart, kernel, RAM disk and command line. @throws CodedError USAGE_INVALID
 */
function imageIn(folder: string, host: HostView, tee: LaunchTee, variant: 'production' | 'debug'): ImagePaths {
  const names = (host.list(folder) ?? []).filter((name) => name.endsWith('.cmdline'));
  const [name, another] = names.filter((one) => one.endsWith('-debug.cmdline') === (variant === 'debug'));
  if (name === undefined || another !== undefined) {
    throw new CodedError('USAGE_INVALID', `${folder} holds no ${variant} image of \`image build\``, { field: 'image' });
  }
  const commandLine = host.read(join(folder, name));
  const [kernel, initrd] = [join(folder, 'vmlinuz'), join(folder, 'initrd')];
  return {
    firmware: join(folder, 'firmware.fd'),
    boot: tee === 'tdx' ? { uki: join(folder, name.replace(/cmdline$/, 'efi')) } : { kernel, initrd, commandLine },
    rootDisk: join(folder, 'root.img'),
    modelDisk: join(folder, 'model.img'),
  };
}

/** Files that are named one by one. @throws CodedError USAGE_INVALID */
function namedFiles(flags: LaunchFlags): ImagePaths {
  const { firmware, uki, kernel, initrd, cmdlineFile, rootDisk, modelDisk } = flags;
  const isWhole = firmware !== undefined && rootDisk !== undefined && modelDisk !== undefined;
  if (!isWhole || (uki === undefined) === (kernel === undefined)) {
    const why = 'give --image, or --firmware, --root-disk, --model-disk and either --uki or --kernel';
    throw new CodedError('USAGE_INVALID', why, { field: 'image' });
  }
  const commandLine = cmdlineFile === undefined ? null : readText(cmdlineFile).replace(/\n$/, '');
  return {
    firmware: resolve(firmware),
    boot:
      uki === undefined
        ? { kernel: resolve(kernel as string), initrd: initrd === undefined ? null : resolve(initrd), commandLine }
        : { uki: resolve(uki) },
    rootDisk: resolve(rootDisk),
    modelDisk: resolve(modelDisk),
  };
}

function shapeOf(flags: LaunchFlags, host: HostView, tee: LaunchTee): GuestShape {
  const { image, name, vcpus, memory, vcpuType, qemu, quoteSocket } = flags;
  const files = image === undefined ? namedFiles(flags) : imageIn(resolve(image), host, tee, flags.variant);
  return {
    ...files,
    ...{ name, tee, vcpuType, qemu, quoteSocket },
    vcpus: Number(vcpus),
    memoryMiB: memoryMiB(memory),
    gpus: flags.gpu ?? [],
  };
}

/** `chrysalis host launch`. Without root, or with --dry-run, it shows everything that it would do, and does nothing. */
export function launch(flags: LaunchFlags): void {
  const host = flags.root === undefined ? thisHost() : recordedHost(flags.root);
  const tee = flags.tee ?? diagnose(host).tee;
  if (tee === null) throw new CodedError('USAGE_INVALID', 'this host has no TEE that is known: name one with --tee');
  const { router, payee, release } = flags;
  const own = { router, ...(payee === undefined ? {} : { payee }), ...(release === undefined ? {} : { release }) };
  const plan = planLaunch(host, shapeOf(flags, host, tee), placesOf(flags.name, resolve(flags.state)), own);
  const isRoot = process.getuid?.() === 0;
  const isDry = flags.dryRun === true || flags.root !== undefined || !isRoot;
  if (!isDry && plan.problems.length === 0) carryOut(plan);
  const done = !isDry && plan.problems.length === 0;
  const why = flags.dryRun === true || flags.root !== undefined ? 'a dry run' : isRoot ? '' : 'not root, so a dry run';
  process.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ ...plan, launched: done, dryRun: isDry })}\n`
      : formatPlan(plan, done, why),
  );
  if (plan.problems.length > 0) process.exitCode = EXIT.refused;
}

/** Writes the files and starts the unit. @throws CodedError PROCESS_FAILED, CONFIG_INVALID, STORAGE_FULL */
export function carryOut({ places, files, commands }: LaunchPlan): void {
  mkdirSync(places.folder, { recursive: true, mode: 0o700 });
  for (const { path, mode, text } of files) {
    writeDurably(path, text);
    chmodSync(path, mode);
  }
  for (const [program, ...args] of commands) {
    const ran = spawnSync(program, args, { timeout: COMMAND_MS, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    if (ran.status === 0) continue;
    const why = (ran.error?.message ?? ran.stderr).trim().slice(0, 400);
    throw new CodedError('PROCESS_FAILED', `${shellLine([program, ...args])} failed`, {
      why,
      todo: `journalctl -u chrysalis-worker-* shows more; the files are written, and the launch may be repeated`,
    });
  }
}

export function formatPlan(
  { shape, places, problems, files, commands, qemu, measure }: LaunchPlan,
  done: boolean,
  why: string,
): string {
  const lines = problems.map((problem) => `✗ ${problem}`);
  if (done) lines.push(`started ${shape.name}; see chrysalis host status`);
  else lines.push(...(why === '' ? [] : [`(${why}: nothing is changed)`]), '', '# files');
  if (!done) {
    for (const { path, mode, text } of files) lines.push(`# ${path}, mode ${mode.toString(8)}`, text);
    lines.push('# commands', ...commands.map((one) => shellLine(one)), '', '# which run', qemu);
  }
  lines.push(
    '',
    '# the policy has to hold what this image and shape measure to',
    measure,
    '',
    `# its console: ${places.console}`,
  );
  return `${printable(lines.join('\n'))}\n`;
}
