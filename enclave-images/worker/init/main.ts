/**
 * The first process of a worker's guest, in its initial RAM disk: loads drivers, opens the two disks so that the kernel
 * checks every block of them, and becomes the worker. There is no shell, no login, and nothing else that runs. Where
 * anything fails it says so on the console and ends, and with the first process the kernel stops.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { WorkerRunOptions } from '../../../src/cli/compose/worker.ts';
import {
  DISK_SERIAL,
  HOST_CONFIGURATION_BYTES_MAX,
  HOST_CONFIGURATION_NAME,
  type HostConfiguration,
  type MeasuredConfiguration,
  parseHostConfiguration,
  parseMeasuredWords,
} from '../../../src/image/configuration.ts';
import { startNetwork } from './network.ts';
import { changeRoot, loadModule, MOUNT, mount } from './system.ts';
import { openVerityDevice } from './verity-device.ts';

const NEW_ROOT = '/new-root';
/** Linux ABI: Documentation/ABI/stable/sysfs-class-tpm. */
const PCRS = '/sys/class/tpm/tpm0/pcr-sha384';
/** Registers that are extended before an operating system runs. */
const BOOT_PCRS = 16;
const WORKER = '/app/src/cli/enclave.js';
const NOTHING_RUNS = MOUNT.noSetUid | MOUNT.noDevices | MOUNT.noPrograms;
const READ_ONLY = MOUNT.readOnly | MOUNT.noSetUid | MOUNT.noDevices;
const SCRATCH = 'size=64m,mode=0700';

const say = (event: string, more: object = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);

function mountKernelFiles(root: string): void {
  mount('proc', `${root}/proc`, 'proc', NOTHING_RUNS);
  mount('sysfs', `${root}/sys`, 'sysfs', NOTHING_RUNS);
  mount('devtmpfs', `${root}/dev`, 'devtmpfs', MOUNT.noSetUid | MOUNT.noPrograms);
}

/** In the order of their names, which begin with a number. @returns those whose hardware is not there */
function loadModules(): readonly string[] {
  const absent: string[] = [];
  for (const name of readdirSync('/modules').sort()) {
    const file = openSync(`/modules/${name}`, 'r');
    if (!loadModule(file, name)) absent.push(name);
    closeSync(file);
  }
  return absent;
}

/** What firmware and boot loader measured, where the guest has a TPM: for whoever compares it with the predictions. */
function sayMeasured(): void {
  if (!existsSync(PCRS)) return;
  const registers = Array.from({ length: BOOT_PCRS }, (_, pcr) => readFileSync(`${PCRS}/${pcr}`, 'latin1').trim());
  say('measured', { bank: 'sha384', registers: registers.map((register) => register.toLowerCase()) });
}

function hostConfiguration(variant: MeasuredConfiguration['variant']): HostConfiguration {
  const path = `/sys/firmware/qemu_fw_cfg/by_name/${HOST_CONFIGURATION_NAME}/raw`;
  const bytes = readFileSync(path);
  if (bytes.length > HOST_CONFIGURATION_BYTES_MAX) throw new Error('the host’s configuration is too large');
  return parseHostConfiguration(bytes.toString('utf8'), variant);
}

/** Nothing that comes later can load code into the kernel or put another kernel in its place. */
function lockKernel(): void {
  writeFileSync('/proc/sys/kernel/modules_disabled', '1');
  writeFileSync('/proc/sys/kernel/kexec_load_disabled', '1');
}

async function openDisks(measured: MeasuredConfiguration): Promise<void> {
  const root = await openVerityDevice(DISK_SERIAL.root, measured.root, 0);
  const model = await openVerityDevice(DISK_SERIAL.model, measured.model, 1);
  mkdirSync(NEW_ROOT);
  mount(root, NEW_ROOT, 'erofs', READ_ONLY);
  mount(model, `${NEW_ROOT}/model`, 'erofs', READ_ONLY | MOUNT.noPrograms);
}

/** The checked root in place of the RAM disk, whose files are given up: the last of its memory goes with this program. */
function enterRoot(): void {
  mountKernelFiles(NEW_ROOT);
  mount('configfs', `${NEW_ROOT}/sys/kernel/config`, 'configfs', NOTHING_RUNS);
  mount('tmpfs', `${NEW_ROOT}/run`, 'tmpfs', NOTHING_RUNS, SCRATCH);
  mount('tmpfs', `${NEW_ROOT}/tmp`, 'tmpfs', NOTHING_RUNS, SCRATCH);
  for (const name of ['modules', 'app', 'init', 'usr', 'lib', 'lib64']) rmSync(`/${name}`, { recursive: true });
  process.chdir(NEW_ROOT);
  mount('.', '/', '', MOUNT.move);
  changeRoot('.');
  process.chdir('/');
}

function workerOptions(measured: MeasuredConfiguration, host: HostConfiguration): WorkerRunOptions {
  const options = {
    name: host.name,
    router: host.router,
    model: '/model',
    engineModel: measured.model.id,
    concurrency: measured.concurrency,
    payee: host.payee ?? '',
    ...(host.release === undefined ? {} : { release: host.release }),
  };
  if (host.simulatedMachine === undefined) return options;
  const simulatedMachine = '/run/simulated-machine.json';
  writeFileSync(simulatedMachine, JSON.stringify(host.simulatedMachine), { mode: 0o600 });
  return { ...options, simulatedMachine };
}

async function start(): Promise<never> {
  for (const folder of ['/proc', '/sys', '/dev']) mkdirSync(folder, { recursive: true });
  mountKernelFiles('');
  const measured = parseMeasuredWords(readFileSync('/proc/cmdline', 'utf8'));
  say('image', measured);
  sayMeasured();
  const absent = loadModules();
  if (absent.length > 0) say('absent', { modules: absent });
  const host = hostConfiguration(measured.variant);
  await openDisks(measured);
  lockKernel();
  enterRoot();
  startNetwork(host.network);
  const args = ['/usr/bin/node', '--no-experimental-ffi', WORKER, JSON.stringify(workerOptions(measured, host))];
  const { execve } = process;
  if (execve === undefined) throw new Error('this runtime cannot become another program');
  // The same process: whoever ends it ends the guest.
  return execve('/usr/bin/node', args, { PATH: '/usr/bin' });
}

start().catch((error: unknown) => {
  say('failed', { error: { message: error instanceof Error ? error.message : String(error) } });
  process.exitCode = 1;
});
