import { sha256 } from '#crypto';
import { type BundleFiles, bundleInMemory, type Manifest, tarEnd, tarFile } from '../../src/audit/index.ts';
import { type Bytes, canonicalJsonBytes, concat, toHex } from '../../src/core/index.ts';

export const filesOf = (bundle: Uint8Array): Promise<BundleFiles> =>
  bundleInMemory(new Blob([Uint8Array.from(bundle)]).stream() as ReadableStream<Uint8Array>, 64 * 1024 * 1024);

/** Packs files again as they are, so that what is wrong with them is the only thing wrong. */
export async function repack(
  bundle: Uint8Array,
  change: (files: Map<string, Bytes>) => void,
  withManifest = true,
): Promise<Bytes> {
  const files = await filesOf(bundle);
  const contents = new Map<string, Bytes>();
  for (const path of files.list.keys()) contents.set(path, await files.read(path));
  change(contents);
  if (withManifest) {
    const manifest = JSON.parse(new TextDecoder().decode(contents.get('manifest.json'))) as Manifest;
    const listed = [...contents]
      .filter(([path]) => path !== 'manifest.json')
      .map(([path, bytes]) => ({ path, bytes: bytes.length, sha256: toHex(sha256(bytes)) }));
    contents.set('manifest.json', canonicalJsonBytes({ ...manifest, files: listed } as never));
  }
  return pack([...contents].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, bytes]) => tarFile(path, bytes)));
}

export async function pack(parts: readonly Uint8Array[], end = true): Promise<Bytes> {
  const tar = concat(...parts, ...(end ? [tarEnd()] : []));
  const zipped = new Blob([tar]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(zipped).arrayBuffer());
}
