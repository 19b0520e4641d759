import { closeSync, existsSync, writeFileSync } from 'node:fs';
import type { HostConfiguration } from '../../../src/image/configuration.ts';
import { control, controlSocket } from './system.ts';

/** uapi/linux/sockios.h, if.h and route.h. */
const REQUEST = { addRoute: 0x890bn, setFlags: 0x8914n, setAddress: 0x8916n, setMask: 0x891cn } as const;
const IFREQ_BYTES = 40;
const RTENTRY_BYTES = 120;
const NAME_BYTES = 16;
const AF_INET = 2;
const UP_AND_RUNNING = 0x41;
/** Usable, through a gateway. */
const ROUTE_FLAGS = 3;
const AT = { destination: 8, gateway: 24, mask: 40, flags: 56 } as const;
const CARD = 'eth0';

const octets = (address: string) => address.split('.').map(Number);

function maskOf(prefixBits: number): readonly number[] {
  const mask = (2 ** 32 - 2 ** (32 - prefixBits)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255);
}

function putAddress(into: Uint8Array, at: number, address: readonly number[]): void {
  into[at] = AF_INET;
  into.set(address, at + 4);
}

function deviceRequest(card: string): Uint8Array {
  const bytes = new Uint8Array(IFREQ_BYTES);
  bytes.set(new TextEncoder().encode(card));
  return bytes;
}

function configure(socket: number, card: string, address: readonly number[], mask: readonly number[]): void {
  for (const [request, value] of [
    [REQUEST.setAddress, address],
    [REQUEST.setMask, mask],
  ] as const) {
    const bytes = deviceRequest(card);
    putAddress(bytes, NAME_BYTES, value);
    control(socket, request, bytes, `address of ${card}`);
  }
  const up = deviceRequest(card);
  new DataView(up.buffer).setUint16(NAME_BYTES, UP_AND_RUNNING, true);
  control(socket, REQUEST.setFlags, up, `starting ${card}`);
}

/** The loopback device, the card, the way out, and who answers names. */
export function startNetwork(network: HostConfiguration['network']): void {
  if (!existsSync(`/sys/class/net/${CARD}`)) throw new Error(`this guest has no network card ${CARD}`);
  const socket = controlSocket();
  try {
    configure(socket, 'lo', [127, 0, 0, 1], [255, 0, 0, 0]);
    configure(socket, CARD, octets(network.address), maskOf(network.prefixBits));
    const route = new Uint8Array(RTENTRY_BYTES);
    putAddress(route, AT.destination, [0, 0, 0, 0]);
    putAddress(route, AT.gateway, octets(network.gateway));
    putAddress(route, AT.mask, [0, 0, 0, 0]);
    new DataView(route.buffer).setUint16(AT.flags, ROUTE_FLAGS, true);
    control(socket, REQUEST.addRoute, route, 'the route out');
  } finally {
    closeSync(socket);
  }
  writeFileSync('/run/resolv.conf', `nameserver ${network.nameServer}\n`);
}
