import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { sha256 } from '#crypto';
import { CodedError, toHex, utf8 } from '../../core/index.ts';

const FORMAT = 'chrysalis-development-chain/1';
const STATE_BYTES_MAX = 256 * 1024 * 1024;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const counter = z.number().int().nonnegative();
const stateSchema = z.strictObject({
  network: z.number().int(),
  chainId: hash,
  /** Unix seconds of the newest block: contracts never see time go back. */
  time: counter,
  /** What was skipped by request, added to the wall clock. */
  skippedSeconds: counter,
  logicalTime: z.string().regex(/^\d{1,20}$/),
  /** Blocks up to this number may have been shown to somebody: a restart goes on after it. */
  reservedThrough: counter,
  blocks: z.strictObject({
    first: counter,
    before: hash,
    runs: z.array(z.tuple([counter, hash])).min(1),
    latest: counter,
    latestRoot: hash,
  }),
  /** [raw address, shard account as base64 bag of cells] */
  accounts: z.array(z.tuple([z.string(), z.string()])),
  /** [raw address, transactions as base64 bags of cells, newest first] */
  transactions: z.array(z.tuple([z.string(), z.array(z.string())])),
});

export type ChainState = z.infer<typeof stateSchema>;

/**
 * The development chain's state on disk: one file, replaced as a whole by write, fsync and rename, so a crash leaves
 * the old state or the new one. The first line names the format and the SHA-256 of the rest.
 */
export class StateFile {
  readonly #folder: string;
  readonly #lock: DatabaseSync;

  /**
   * @param folder made where it is missing
   * @throws CodedError STATE_LOCKED where another process has it open
   */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    // A lock of the operating system's, gone with the process that holds it.
    this.#lock = new DatabaseSync(join(folder, 'lock'));
    try {
      this.#lock.exec('BEGIN EXCLUSIVE');
    } catch (cause) {
      this.#lock.close();
      throw new CodedError('STATE_LOCKED', 'another development chain has this data directory open', {}, { cause });
    }
  }

  /** @throws CodedError CHAIN_STATE_FOREIGN, CHAIN_STATE_CORRUPT. Null where there is none yet. */
  load(): ChainState | null {
    const path = join(this.#folder, 'state');
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return null;
    const text = size > STATE_BYTES_MAX ? '' : readFileSync(path, 'utf8');
    const end = text.indexOf('\n');
    const [format, digest] = text.slice(0, Math.max(end, 0)).split(' ');
    if (format !== FORMAT || digest === undefined) {
      throw new CodedError('CHAIN_STATE_FOREIGN', `the state file is not of format ${FORMAT}`, { size });
    }
    const body = text.slice(end + 1);
    if (toHex(sha256(utf8(body))) !== digest) {
      throw new CodedError('CHAIN_STATE_CORRUPT', 'the state file was altered: its digest does not hold', { size });
    }
    const parsed = stateSchema.safeParse(JSON.parse(body));
    if (!parsed.success) {
      throw new CodedError('CHAIN_STATE_CORRUPT', 'the state file lacks fields or has others', { size });
    }
    return parsed.data;
  }

  /** Durable when it returns. @throws CodedError STORAGE_FULL where it could not be written; the old state stays. */
  save(state: ChainState): void {
    const body = JSON.stringify(state);
    const path = join(this.#folder, 'state');
    try {
      const file = openSync(`${path}.next`, 'w', 0o600);
      try {
        const bytes = utf8(`${FORMAT} ${toHex(sha256(utf8(body)))}\n${body}`);
        for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(`${path}.next`, path);
      const folder = openSync(this.#folder, 'r');
      try {
        fsyncSync(folder);
      } finally {
        closeSync(folder);
      }
    } catch (cause) {
      throw new CodedError('STORAGE_FULL', 'the chain state could not be written', { bytes: body.length }, { cause });
    }
  }

  close(): void {
    this.#lock.close();
  }
}
