import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { CodedError, type Json, parseStrictJson } from '../../../core/index.ts';
import { readText } from '../../compose/files.ts';
import { codedFromSystem, counted, EXIT, labelled, seconds, wantsColour } from '../../output.ts';
import { ROOT, WORKER_IMAGE } from '../../paths.ts';
import { type BuiltImage, buildImage, definitionIn, lockIn, VARIANTS } from './build.ts';
import { fetchPackages, lockPackages } from './packages.ts';
import { differences, referenceOf } from './reference.ts';

export type BuildFlags = Readonly<{
  out: string;
  store: string;
  model?: string;
  updateReference?: boolean;
  json?: boolean;
}>;

const LOCK = join(WORKER_IMAGE, 'packages.lock.json');
const REFERENCE = join(WORKER_IMAGE, 'reference-values.json');
const WIDTH = 100;

const pretty = (value: object) => `${JSON.stringify(value, null, 2)}\n`;

function write(path: string, ...parts: readonly (Uint8Array | string)[]): void {
  try {
    writeFileSync(path, Buffer.concat(parts.map((part) => Buffer.from(part))));
  } catch (thrown) {
    throw codedFromSystem(thrown);
  }
}

function writeImage(out: string, image: BuiltImage): void {
  mkdirSync(out, { recursive: true });
  const { definition, kernel, initrd, firmware, root, model } = image;
  write(join(out, 'vmlinuz'), kernel);
  write(join(out, 'initrd'), initrd);
  write(join(out, 'firmware.fd'), firmware);
  write(join(out, 'root.img'), root.data, root.tree);
  write(join(out, 'model.img'), model.data, model.tree);
  for (const variant of VARIANTS) {
    const name = variant === 'production' ? definition.name : `${definition.name}-${variant}`;
    write(join(out, `${name}.cmdline`), image.variants[variant].commandLine);
    write(join(out, `${name}.efi`), image.variants[variant].unified);
  }
}

/** Null where the reference values are of another model: there is nothing to compare with. */
function compared(image: BuiltImage, model: string, reference: object): readonly string[] | null {
  if (resolve(model) !== resolve(ROOT, image.definition.model)) return null;
  const committed = parseStrictJson(readText(REFERENCE), REFERENCE);
  return differences(committed, reference as Json);
}

function describe(changed: readonly string[] | null, updated: boolean): string {
  if (updated) return `written to ${REFERENCE}`;
  if (changed === null) return 'not compared: those that are committed are of another model';
  return changed.length === 0 ? 'equal to those that are committed' : `other than committed: ${changed.join(', ')}`;
}

/**
 * `chrysalis image build`: exit 1 where the image is not the one whose reference values are committed.
 * @throws CodedError PACKAGE_GONE, PACKAGE_MISMATCH, USAGE_INVALID and as {@link buildImage}
 */
export function build(flags: BuildFlags): void {
  const started = performance.now();
  const definition = definitionIn(WORKER_IMAGE);
  const model = resolve(flags.model ?? join(ROOT, definition.model));
  if (flags.updateReference === true && flags.model !== undefined) {
    throw new CodedError('USAGE_INVALID', '--update-reference is for the model that the definition names');
  }
  const isSeen = wantsColour(process.stderr, process.env);
  const doing = (what: string) => isSeen && process.stderr.write(`\r\u001b[K${what}`);
  doing('fetching packages …');
  const downloaded = fetchPackages(definition, lockIn(WORKER_IMAGE), flags.store);
  doing('making disks and kernel images …');
  const image = buildImage({ folder: WORKER_IMAGE, store: flags.store, model });
  doing('');
  const reference = referenceOf(image);
  writeImage(flags.out, image);
  write(join(flags.out, 'reference-values.json'), pretty(reference));
  if (flags.updateReference === true) write(REFERENCE, pretty(reference));
  const changed = compared(image, model, reference);
  if (flags.json === true) process.stdout.write(`${JSON.stringify({ out: flags.out, changed, reference })}\n`);
  else {
    const rows = [
      ['image', `${definition.name} with ${basename(model)}, in ${flags.out}`],
      ['packages', `${downloaded.length} downloaded, all as the lock pins them`],
      ['root', `${image.root.rootHash} over ${counted(image.root.dataBlocks, 'block')}`],
      ['model', `${image.model.rootHash} over ${counted(image.model.dataBlocks, 'block')}`],
      ['reference', `values ${describe(changed, flags.updateReference === true)}`],
      ['took', seconds(performance.now() - started)],
    ] as const;
    process.stdout.write(`${rows.map(([label, text]) => labelled(label, text, WIDTH, 2, 11)).join('\n')}\n`);
  }
  process.exitCode = changed === null || changed.length === 0 ? EXIT.accepted : EXIT.refused;
}

/** `chrysalis image lock`: pins what the archives have today. @throws CodedError PROCESS_FAILED, PLATFORM_UNSUPPORTED */
export function lock(flags: Readonly<{ json?: boolean }>): void {
  const before = lockIn(WORKER_IMAGE).packages;
  const pinned = lockPackages(definitionIn(WORKER_IMAGE));
  write(LOCK, pretty(pinned));
  const changed = Object.entries(pinned.packages).filter(([name, row]) => row.sha256 !== before[name]?.sha256);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ changed: changed.map(([name]) => name), ...pinned })}\n`);
    return;
  }
  const lines = changed.map(([name, row]) => `  ${name} ${before[name]?.version ?? 'new'} → ${row.version}\n`);
  const next = changed.length === 0 ? '' : '  next: npx chrysalis image build --update-reference\n';
  process.stdout.write(`${changed.length} of ${Object.keys(pinned.packages).length} changed\n${lines.join('')}${next}`);
}
