import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { BuiltImage, Disk, Variant } from '../../src/cli/image/build/build.ts';
import { DISK_SERIAL, HOST_CONFIGURATION_NAME } from '../../src/image/index.ts';

const QEMU = 'qemu-system-x86_64';

/**
 * Whether tests of the whole image are left out: they download packages and boot guests for minutes. With the variable
 * they run, and fail where a tool or a package is not there.
 */
export const WITHOUT_IMAGE = process.env.CHRYSALIS_REQUIRE_QEMU !== '1';
export const WHY_NO_IMAGE = 'set CHRYSALIS_REQUIRE_QEMU=1; needs apt-get, dpkg-deb, qemu-system-x86_64 and swtpm';

/** For a machine four times slower than the slowest that was measured, in milliseconds. */
export const BOOT_MS = 240_000;

export type Guest = Readonly<{
  /** Resolves with the console once it shows this. @throws where the guest ends, or takes longer than BOOT_MS */
  shows(text: string | RegExp): Promise<string>;
  console(): string;
  /** Resolves when the guest has ended by itself. */
  ended: Promise<void>;
  stop(): Promise<void>;
}>;

export type GuestOptions = Readonly<{
  variant: Variant;
  /** What the host hands over. */
  host: object;
  /** In place of the image's. */
  root?: Uint8Array;
  model?: Uint8Array;
  /** Boots through UEFI with a TPM: kernel, initial RAM disk and command line apart, or as a unified kernel image. */
  measured?: 'linux' | 'uki';
}>;

/** Of every guest. */
export const MEMORY_BYTES = 1536 * 2 ** 20;

export const diskBytes = ({ data, tree }: Disk): Uint8Array => Buffer.concat([data, tree]);

/** Starts the image as `-kernel`, without a TEE and, so that it runs everywhere, without KVM. */
export async function startGuest(image: BuiltImage, options: GuestOptions): Promise<Guest> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-guest-'));
  const file = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const disk = (name: 'root' | 'model', bytes: Uint8Array) => [
    ...['-drive', `if=none,id=${name},format=raw,readonly=on,file=${file(`${name}.img`, bytes)}`],
    ...['-device', `virtio-blk-pci,drive=${name},serial=${DISK_SERIAL[name]}`],
  ];
  const { commandLine, unified } = image.variants[options.variant];
  const args = [
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2'],
    ...['-m', `${MEMORY_BYTES / 2 ** 20}M`],
    ...['-nodefaults', '-nographic', '-no-reboot', '-serial', 'stdio'],
    ...(options.measured === 'uki'
      ? ['-kernel', file('worker.efi', unified)]
      : ['-kernel', file('vmlinuz', image.kernel), '-initrd', file('initrd', image.initrd), '-append', commandLine]),
    ...['-fw_cfg', `name=${HOST_CONFIGURATION_NAME},file=${file('host.json', JSON.stringify(options.host))}`],
    ...disk('root', options.root ?? diskBytes(image.root)),
    ...disk('model', options.model ?? diskBytes(image.model)),
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
  ];
  if (options.measured === undefined) return watched(spawn(QEMU, args, PIPES), folder);
  const control = join(folder, 'tpm.sock');
  // It ends with the guest that is connected to it.
  const tpm = [
    'socket',
    '--tpm2',
    '--tpmstate',
    `dir=${folder}`,
    '--ctrl',
    `type=unixio,path=${control}`,
    '--terminate',
  ];
  const emulator = spawn('swtpm', tpm, PIPES).on('error', () => {}); // QEMU then says what it misses
  args.push('-bios', file('firmware.fd', image.firmware), '-chardev', `socket,id=tpm,path=${control}`);
  args.push('-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-tis,tpmdev=tpm0');
  for (let waited = 0; !existsSync(control) && waited < TPM_MS; waited += 20) await setTimeout(20);
  return watched(spawn(QEMU, args, PIPES), folder, emulator);
}

const TPM_MS = 30_000;
const PIPES = { stdio: ['ignore', 'pipe', 'pipe'] } satisfies SpawnOptions;

function watched(child: ChildProcess, folder: string, helper?: ChildProcess): Guest {
  let text = '';
  let isOver = false;
  const lookAgain = new Set<() => void>();
  const take = (piece: Buffer) => {
    text += piece.toString('latin1');
    for (const look of lookAgain) look();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const ended = new Promise<void>((done) => {
    const end = () => {
      if (isOver) return;
      isOver = true;
      helper?.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      for (const look of lookAgain) look();
      done();
    };
    child.once('close', end);
    child.once('error', (error) => {
      take(Buffer.from(String(error)));
      end();
    });
  });
  const shows: Guest['shows'] = (wanted) =>
    new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${why} ${wanted}; the console:\n${text.slice(-4000)}`));
      const timer = globalThis.setTimeout(() => fail('the guest did not show in time'), BOOT_MS);
      const look = () => {
        const isThere = typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text);
        if (!isThere && !isOver) return;
        clearTimeout(timer);
        lookAgain.delete(look);
        if (isThere) resolve(text);
        else fail('the guest ended and did not show');
      };
      lookAgain.add(look);
      look();
    });
  return {
    shows,
    console: () => text,
    ended,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
