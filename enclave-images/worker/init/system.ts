import { dlopen, getInt32 } from 'node:ffi';

/**
 * The system calls of an init that Node has no function for. The numbers are those of Linux on x86-64
 * (arch/x86/entry/syscalls/syscall_64.tbl); Node's foreign function interface calls glibc, which hands them on.
 */
const { functions: libc } = dlopen('libc.so.6', {
  syscall: { arguments: ['int64', 'int64', 'string', 'int64'], return: 'int64' },
  mount: { arguments: ['string', 'string', 'string', 'uint64', 'string'], return: 'int32' },
  chroot: { arguments: ['string'], return: 'int32' },
  ioctl: { arguments: ['int32', 'uint64', 'buffer'], return: 'int32' },
  socket: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
  __errno_location: { arguments: [], return: 'pointer' },
});

const FINIT_MODULE = 313n;
/** The kernel unpacks it: CONFIG_MODULE_DECOMPRESS. */
const MODULE_INIT_COMPRESSED_FILE = 4n;
const ENODEV = 19;

export const MOUNT = { readOnly: 1n, noSetUid: 2n, noDevices: 4n, noPrograms: 8n, move: 8192n } as const;

const lastErrno = () => getInt32(libc.__errno_location(), 0);

function requireDone(result: number | bigint, what: string): void {
  if (result < 0) throw new Error(`${what} failed (errno ${lastErrno()})`);
}

export function mount(source: string, target: string, type: string, flags: bigint, options = ''): void {
  requireDone(libc.mount(source, target, type, flags, options), `mount of ${target}`);
}

export function changeRoot(path: string): void {
  requireDone(libc.chroot(path), `chroot to ${path}`);
}

/** @param argument the structure, which the kernel reads and may write */
export function control(file: number, request: bigint, argument: Uint8Array, what: string): void {
  requireDone(libc.ioctl(file, request, argument), what);
}

const AF_INET = 2;
const SOCK_DGRAM = 2;

/** A socket to configure network devices by. */
export function controlSocket(): number {
  const socket = libc.socket(AF_INET, SOCK_DGRAM, 0);
  requireDone(socket, 'socket');
  return socket;
}

/** @returns false where the hardware that the module is for is not there */
export function loadModule(file: number, name: string): boolean {
  const done = libc.syscall(FINIT_MODULE, BigInt(file), '', MODULE_INIT_COMPRESSED_FILE);
  if (done < 0 && lastErrno() === ENODEV) return false;
  requireDone(done, `module ${name}`);
  return true;
}
