import { type Command, Option } from 'commander';
import type { DoctorFlags } from '../host/run.ts';
import type { LaunchFlags } from '../launch/run.ts';
import { DEFAULT_STATE } from '../launch/shape.ts';
import type { StatusFlags } from '../launch/status.ts';

/** `chrysalis host`: the machine under a worker. */
export function registerHost(program: Command): void {
  const host = program.command('host').description('the machine that is to run workers');
  host
    .command('doctor')
    .description('is this host ready for TDX or SEV-SNP, and its GPUs: each check, and what to do; changes nothing')
    .option('--root <folder>', 'a recorded host instead: its files, and what commands printed in commands/NAME.txt')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 ready, 1 not ready, 2 usage, 3 could not find out (as root it sees more).

Example:
  $ npx chrysalis host doctor
  $ npx chrysalis host doctor --root ./recorded-host --json`,
    )
    .action(async (flags: DoctorFlags) => (await import('../host/run.ts')).doctor(flags));
  registerLaunch(host);
  host
    .command('status')
    .description(
      'the guests launched on this host: do they run, what do they say, are they admitted, what did they earn',
    )
    .option('--state <folder>', 'where guests have their files', DEFAULT_STATE)
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      '\nExit codes: 0 all serve, 1 one does not, 3 could not find out.\n\nExample:\n  $ npx chrysalis host status',
    )
    .action(async (flags: StatusFlags) => (await import('../launch/status.ts')).status(flags));
}

function registerLaunch(host: Command): void {
  host
    .command('launch')
    .description('start a worker’s guest: QEMU under systemd, its GPUs bound to vfio; shows everything where not root')
    .requiredOption('--name <name>', 'of the guest, its unit and its worker')
    .addOption(new Option('--tee <tee>', 'which technology (default: the host’s)').choices(['tdx', 'sev-snp']))
    .option('--image <folder>', 'what `image build` made')
    .addOption(
      new Option('--variant <variant>', 'of that image; `debug` is refused by production policies')
        .choices(['production', 'debug'])
        .default('production'),
    )
    .option('--firmware <file>', 'or its files one by one: OVMF build,')
    .option('--uki <file>', 'unified kernel image (TDX),')
    .option('--kernel <file>', 'or kernel,')
    .option('--initrd <file>', 'initial RAM disk')
    .option('--cmdline-file <file>', 'and command line,')
    .option('--root-disk <file>', 'root disk')
    .option('--model-disk <file>', 'and model disk')
    .option('--vcpus <number>', 'measured under SEV-SNP', '8')
    .option('--memory <size>', 'as 65536M or 64G; measured under TDX', '16G')
    .option('--vcpu-type <model>', 'SEV-SNP: QEMU’s model, which is measured', 'EPYC-Genoa')
    .option('--gpu <address...>', 'PCI addresses of the GPUs that it gets, as 0000:17:00.0')
    .requiredOption('--router <address>', 'host:port of the router that it serves through')
    .option('--payee <address>', 'TON account that is paid, workchain:hex')
    .option('--release <address>', 'host:port of the service that releases the key of a sealed model')
    .option('--qemu <file>', 'QEMU', '/usr/bin/qemu-system-x86_64')
    .option('--quote-socket <file>', 'TDX: the quote generation service', '/var/run/tdx-qgs/qgs.socket')
    .option('--state <folder>', 'where guests have their files', DEFAULT_STATE)
    .option('--root <folder>', 'plan for a recorded host; a dry run')
    .option('--dry-run', 'show everything that would be done, and do nothing; always so without root')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Exit codes: 0 launched or planned, 1 this host is not ready for it, 2 usage.

Example:
  $ npx chrysalis host launch --name alder --image ./image --memory 64G --gpu 0000:17:00.0 \\
      --router router.example:8443 --dry-run`,
    )
    .action(async (flags: LaunchFlags) => (await import('../launch/run.ts')).launch(flags));
}
