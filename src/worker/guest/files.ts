import type { Bytes } from '../../core/index.ts';

/**
 * The kernel's files, as the guest sees them. What throws, throws the system's error: its `code` is ENOENT, EBUSY and so on.
 */
export type GuestFiles = Readonly<{
  /** What a file holds, or null where that is more than `bytesMax`. */
  read(path: string, bytesMax: number): Promise<Bytes | null>;
  /** One write call: the kernel takes an attribute whole or not at all. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** The same at once: what is extended into a register must be there before anything goes on. */
  writeNow(path: string, bytes: Uint8Array): void;
  exists(path: string): Promise<boolean>;
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
}>;

/** The system's word for what went wrong, or an empty one. */
export function systemCodeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
