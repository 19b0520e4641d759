import type { Bytes } from '../core/index.ts';

/** A view without copy: Node's Buffers are not what the domain names bytes. */
export function bytesOf(buffer: Uint8Array): Bytes {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}
