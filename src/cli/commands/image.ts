import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Vmm } from '../../attestation/index.ts';
import type { BuildFlags } from '../image/build/run.ts';
import type { ExplainFlags } from '../image/explain.ts';
import type { ImageFlags, Tee } from '../image/inputs.ts';

const STORE = join('.chrysalis', 'packages');
const TEES = ['sev-snp', 'tdx'] as const satisfies readonly Tee[];
const VMMS = ['qemu', 'ec2', 'gce'] as const satisfies readonly Vmm[];

/** `chrysalis image`: what an image measures to, and why evidence measures to something else. */
export function registerImage(program: Command): void {
  const image = program
    .command('image')
    .description(
      'enclave images: make them, what they measure to, and which input differs when evidence says otherwise',
    );
  registerBuild(image);
  addShape(image.command('measure').description('predict the reference values of an image, as a policy takes them'))
    .option('--name <name>', 'of the image in the policy', 'image')
    .option('--host-data <hex>', 'SEV-SNP: HOST_DATA, 32 bytes (default: zero)')
    .option('--id-block <file>', 'SEV-SNP: ID block, 96 bytes; its signatures are checked')
    .option('--id-auth <file>', 'SEV-SNP: its authentication, 4096 bytes')
    .option('--mr-config-id <hex>', 'TDX: MRCONFIGID, 48 bytes (default: zero)')
    .option('--mr-owner <hex>', 'TDX: MROWNER, 48 bytes (default: zero)')
    .option('--mr-owner-config <hex>', 'TDX: MROWNERCONFIG, 48 bytes (default: zero)')
    .option('--json', 'one JSON document on stdout; its "images" are entries of the policy')
    .addHelpText(
      'after',
      `
Exit codes: 0 every value is known, 1 a file that cannot be measured, 2 usage, 3 an input is missing.

Example:
  $ npx chrysalis image measure --tee sev-snp --firmware OVMF.fd --kernel vmlinuz --initrd initrd --cmdline "quiet" \\
      --vcpus 8,16 --vcpu-type EPYC-Genoa
  $ npx chrysalis image measure --tee tdx --firmware OVMF.fd --uki worker.efi --memory 64G --qemu-version 9.2.1 \\
      --acpi-loader loader --acpi-rsdp rsdp --acpi-tables tables`,
    )
    .action(async (flags: ImageFlags) => (await import('../image/run.ts')).measure(flags));
  addShape(image.command('explain <evidence>').description('which input differs: tries the ones near those given'))
    .option('--event-log <file>', 'TDX: the CCEL or JSON log of the guest, which shows each event apart')
    .option('--other-firmware <file...>', 'firmware that it may have been')
    .option('--other-kernel <file...>', 'kernels, or unified kernel images, that it may have been')
    .option('--other-initrd <file...>', 'initial RAM disks that it may have been')
    .option('--other-cmdline <text...>', 'command lines that it may have been')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
The evidence is read, not verified: chrysalis verify does that.
Exit codes: 0 the image leads to it, 1 an input differs and is named, 2 usage, 3 could not find out which.

Example:
  $ npx chrysalis image explain report.bin --tee sev-snp --firmware OVMF.fd --kernel vmlinuz --initrd initrd \\
      --cmdline "quiet" --vcpus 8 --vcpu-type EPYC-Genoa
  $ npx chrysalis image explain quote.bin --tee tdx --firmware OVMF.fd --uki worker.efi --memory 64G \\
      --qemu-version 9.2.1 --event-log ccel.bin`,
    )
    .action(async (file: string, flags: ExplainFlags) => (await import('../image/run.ts')).explain(file, flags));
}

function registerBuild(image: Command): void {
  image
    .command('build')
    .description('make the worker image from its definition, byte for byte the same everywhere')
    .option('--out <folder>', 'where kernel, disks and unified kernel images go', join('.chrysalis', 'image'))
    .option('--store <folder>', 'where pinned packages are kept once they are downloaded', STORE)
    .option('--model <folder>', 'the model on its second disk (default: as enclave-images/worker/image.json says)')
    .option('--update-reference', 'commit to what this build measures to, in enclave-images/worker')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Needs apt-get and dpkg-deb, and the network only for packages that the store lacks.
Exit codes: 0 built, 1 built, and not the image whose reference values are committed, 2 usage, 3 a package is gone.

Example:
  $ npx chrysalis image build --out image`,
    )
    .action(async (flags: BuildFlags) => (await import('../image/build/run.ts')).build(flags));
  image
    .command('lock')
    .description('pin the packages that the archives have today; the next build is another image')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', '\nExample:\n  $ npx chrysalis image lock && npx chrysalis image build --update-reference')
    .action(async (flags: { json?: boolean }) => (await import('../image/build/run.ts')).lock(flags));
}

/** The inputs that both technologies measure, and those of each. */
function addShape(command: Command): Command {
  return command
    .addOption(new Option('--tee <tee>', 'which technology').choices([...TEES]).makeOptionMandatory())
    .requiredOption('--firmware <file>', 'OVMF build')
    .option('--kernel <file>', 'what QEMU has after -kernel')
    .option('--initrd <file>', 'after -initrd')
    .option('--cmdline <text>', 'after -append')
    .option('--uki <file>', 'TDX: a unified kernel image after -kernel, in place of those three')
    .option('--vcpus <list>', 'SEV-SNP: numbers of vCPUs, as 8 or 1,2,4-16')
    .option('--vcpu-type <name...>', 'SEV-SNP: after -cpu, as EPYC-Genoa or EPYC-v4')
    .option('--guest-features <hex>', 'SEV-SNP: SEV_FEATURES (default: 0x1)')
    .addOption(new Option('--vmm <vmm>', 'SEV-SNP: who launches (default: qemu)').choices([...VMMS]))
    .option('--memory <size>', 'TDX: after -m, as 65536M or 64G')
    .option('--qemu-version <version>', 'TDX: as 9.2.1')
    .option('--acpi-loader <file>', 'TDX: etc/table-loader of fw_cfg, or sha384:HEX')
    .option('--acpi-rsdp <file>', 'TDX: etc/acpi/rsdp, or sha384:HEX')
    .option('--acpi-tables <file>', 'TDX: etc/acpi/tables, or sha384:HEX');
}
