export type Bytes = Uint8Array<ArrayBuffer>;

/** A view of the same memory: Node answers with Buffers of their own allocation. */
export function bytes(buffer: Buffer): Bytes {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}

/** The other way: no second copy of a secret that nobody would overwrite. */
export function sameMemory(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}
