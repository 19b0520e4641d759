import { z } from 'zod';

/** Of what an image is made, as data: `enclave-images/worker/image.json`. Every path is one of a package or of the tree. */
const Path = z.string().regex(/^[^/\s][^\s]*$/);
const PackageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]{1,127}$/);
const FileOf = z.strictObject({ package: PackageName, path: Path });

export const ImageDefinition = z.strictObject({
  version: z.literal(1),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  /** The runtime, exactly: it is in the image, and it also makes the image. */
  node: z.string().regex(/^\d+\.\d+\.\d+$/),
  /** Debian archives that `image lock` looks packages up in. */
  sources: z.array(z.strictObject({ uri: z.url(), suite: PackageName, component: PackageName })).min(1),
  kernel: FileOf,
  /** EFI stub of the unified kernel image. */
  stub: FileOf,
  /** Firmware that the reference values of MRTD are for. */
  firmware: FileOf,
  /** Kernel modules in the order in which they are loaded. */
  modules: z.strictObject({ package: PackageName, folder: Path, files: z.array(Path).min(1).max(99) }),
  /** Where the dynamic linker looks (key) and what is put there. */
  libraries: z.record(Path, FileOf),
  /** Words for the kernel; those of the measured configuration follow. */
  commandLine: z.array(z.string().regex(/^[\x21-\x7e]+$/)),
  application: z.strictObject({
    /** Module that the worker starts with, and that of the initial RAM disk. */
    worker: Path,
    init: Path,
    /** Files that modules read, as they stand in the tree. */
    folders: z.array(Path),
    /** Packages that others name but need only while they are installed. */
    installOnly: z.array(z.string()),
    /** Beginnings of paths below node_modules that are for other machines. */
    leaveOut: z.array(Path),
  }),
  /** The worker's part of the measured configuration. */
  concurrency: z.int().min(1).max(1024),
  /** Folder of the model that the reference values are for. */
  model: Path,
});
export type ImageDefinition = z.infer<typeof ImageDefinition>;

/** `enclave-images/worker/packages.lock.json`: which file each package is, whichever mirror it comes from. */
export const PackageLock = z.strictObject({
  version: z.literal(1),
  packages: z.record(
    PackageName,
    z.strictObject({
      version: z.string().regex(/^[0-9A-Za-z.+~:-]{1,128}$/),
      bytes: z
        .int()
        .min(1)
        .max(2 ** 30),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
export type PackageLock = z.infer<typeof PackageLock>;
export type LockedPackage = PackageLock['packages'][string];

/** Names of the packages that a definition takes files from, in order. */
export function packagesOf({ kernel, stub, firmware, modules, libraries }: ImageDefinition): readonly string[] {
  const files = [kernel, stub, firmware, ...Object.values(libraries)].map((file) => file.package);
  return [...new Set([...files, modules.package])].sort();
}
