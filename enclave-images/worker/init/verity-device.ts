import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { control } from './system.ts';

/** uapi/linux/dm-ioctl.h: the header that each request begins with, and what follows a table's header. */
const HEAD_BYTES = 312;
const TARGET_BYTES = 40;
const AT = { dataSize: 12, dataStart: 16, targetCount: 20, flags: 28, name: 48 } as const;
const VERSION = 4;
const READ_ONLY = 1;
const COMMAND = { create: 3n, resume: 6n, load: 9n } as const;
const TARGET_AT = { sectors: 8, type: 24 } as const;
const SECTORS_PER_BLOCK = 8;
const BLOCK_BYTES = 4096;
/** Disks are there a moment after their driver. */
const APPEAR_TRIES = 100;
const APPEAR_PAUSE_MS = 50;

const requestOf = (command: bigint) => (3n << 30n) | (BigInt(HEAD_BYTES) << 16n) | (0xfdn << 8n) | command;

function header(name: string, flags: number, rest: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + rest.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  view.setUint32(AT.dataSize, bytes.length, true);
  view.setUint32(AT.dataStart, HEAD_BYTES, true);
  view.setUint32(AT.targetCount, rest.length === 0 ? 0 : 1, true);
  view.setUint32(AT.flags, flags, true);
  bytes.set(new TextEncoder().encode(name), AT.name);
  bytes.set(rest, HEAD_BYTES);
  return bytes;
}

function target(dataBlocks: number, parameters: string): Uint8Array {
  const text = new TextEncoder().encode(parameters);
  const bytes = new Uint8Array(Math.ceil((TARGET_BYTES + text.length + 1) / 8) * 8);
  new DataView(bytes.buffer).setBigUint64(TARGET_AT.sectors, BigInt(dataBlocks) * BigInt(SECTORS_PER_BLOCK), true);
  bytes.set(new TextEncoder().encode('verity'), TARGET_AT.type);
  bytes.set(text, TARGET_BYTES);
  return bytes;
}

/** The disk that QEMU gave this serial. @throws Error where none appears */
async function diskOf(serial: string): Promise<string> {
  for (let attempt = 0; attempt < APPEAR_TRIES; attempt++) {
    for (const disk of readdirSync('/sys/block')) {
      const file = `/sys/block/${disk}/serial`;
      if (existsSync(file) && readFileSync(file, 'utf8').trim() === serial) return `/dev/${disk}`;
    }
    await setTimeout(APPEAR_PAUSE_MS);
  }
  throw new Error(`no disk has the serial number ${serial}`);
}

/**
 * A device on which every block of a disk is checked, against the root hash, when it is read. A block that does not fit
 * stops the whole guest at once (`panic_on_corruption`): nothing goes on with half a program or half a model.
 * @param minor of the device; `/dev/dm-MINOR` is its path
 */
export async function openVerityDevice(
  serial: string,
  verity: Readonly<{ rootHash: string; dataBlocks: number }>,
  minor: number,
): Promise<string> {
  const disk = await diskOf(serial);
  const { dataBlocks, rootHash } = verity;
  const sizes = `${BLOCK_BYTES} ${BLOCK_BYTES} ${dataBlocks} ${dataBlocks}`;
  const parameters = `1 ${disk} ${disk} ${sizes} sha256 ${rootHash} - 1 panic_on_corruption`;
  const mapper = openSync('/dev/mapper/control', 'r+');
  try {
    const step = (command: bigint, request: Uint8Array, what: string) =>
      control(mapper, requestOf(command), request, `${what} ${serial}`);
    step(COMMAND.create, header(serial, 0), 'creating the verity device of');
    step(COMMAND.load, header(serial, READ_ONLY, target(dataBlocks, parameters)), 'loading the hash tree of');
    step(COMMAND.resume, header(serial, 0), 'starting the verity device of');
  } finally {
    closeSync(mapper);
  }
  return `/dev/dm-${minor}`;
}
