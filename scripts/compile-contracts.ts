/**
 * Compiles every contract of `contracts/` with the pinned Tolk compiler into `contracts/compiled/`, which is committed:
 * nobody needs a compiler to use a contract, and a test shows that source and code agree.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTolkCompiler } from '@ton/tolk-js';

const CONTRACTS = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'contracts');

export type CompiledContract = Readonly<{
  contract: string;
  compiler: string;
  /** SHA-256 of each source file that took part, hexadecimal. */
  sources: Readonly<Record<string, string>>;
  /** Representation hash of the code cell, lower-case hexadecimal. */
  codeHash: string;
  /** The code as a bag of cells, lower-case hexadecimal. */
  code: string;
}>;

/** @param name file name in `contracts/` without its ending. @throws Error with the compiler's message */
export async function compileContract(name: string): Promise<CompiledContract> {
  const result = await runTolkCompiler({
    entrypointFileName: `${name}.tolk`,
    fsReadCallback: (path) => readFileSync(join(CONTRACTS, path), 'utf8'),
  });
  if (result.status === 'error') throw new Error(`${name}.tolk: ${result.message}`);
  const sources = result.sourcesSnapshot
    .map(({ filename, contents }) => [filename, createHash('sha256').update(contents).digest('hex')] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    contract: name,
    compiler: `tolk ${result.tolkVersion}`,
    sources: Object.fromEntries(sources),
    codeHash: result.codeHashHex.toLowerCase(),
    code: Buffer.from(result.codeBoc64, 'base64').toString('hex'),
  };
}

export function contractNames(): string[] {
  return readdirSync(CONTRACTS)
    .filter((file) => file.endsWith('.tolk'))
    .map((file) => file.slice(0, -'.tolk'.length))
    .sort();
}

/** The exact bytes of the committed file. */
export function compiledText(compiled: CompiledContract): string {
  return `${JSON.stringify(compiled, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(join(CONTRACTS, 'compiled'), { recursive: true });
  for (const name of contractNames()) {
    const compiled = await compileContract(name);
    writeFileSync(join(CONTRACTS, 'compiled', `${name}.json`), compiledText(compiled));
    console.log(`${name}: ${compiled.code.length / 2} bytes, code hash ${compiled.codeHash}`);
  }
}
