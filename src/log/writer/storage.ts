import { join } from 'node:path';
import type { CodedError } from '../../core/index.ts';
import { type CosignedStore, openCosignedStore } from './cosigned-store.ts';
import { DurableFiles, type FileSystem } from './durable-files.ts';
import { type LockStore, openLockStore } from './lock-store.ts';

/** Named files as a log needs them; each call is durable when it answers. See {@link DurableFiles}. */
export type LogFiles = Pick<DurableFiles, 'read' | 'list' | 'replace' | 'createAll' | 'remove' | 'removeFolder'>;

/** Everything a log keeps. One process has it at a time. */
export type LogStorage = Readonly<{
  files: LogFiles;
  store: LockStore;
  cosigned: CosignedStore;
  /** Answers if this process loses it to whoever comes next: it can't write any more. */
  lost: Promise<CodedError>;
  close(): Promise<void>;
}>;

const NEVER_LOST = new Promise<never>(() => undefined);

/** A folder: tiles and archived files as files, lock store and cosigned checkpoints in SQLite. @throws CodedError LOG_IN_USE */
export async function openDiskStorage(directory: string, fileSystem?: FileSystem): Promise<LogStorage> {
  const files = await DurableFiles.at(directory, fileSystem);
  const store = openLockStore(join(directory, 'log.db'));
  const cosigned = openCosignedStore(join(directory, 'cosigned.db'));
  return {
    files,
    store,
    cosigned,
    lost: NEVER_LOST,
    close: async () => {
      await cosigned.close();
      store.close();
    },
  };
}
