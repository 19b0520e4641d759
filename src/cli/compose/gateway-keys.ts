import { join } from 'node:path';
import {
  type BudgetAlert,
  createKeyRing,
  encodeKeyFile,
  type GatewayKey,
  type KeyRing,
  parseKeyFile,
} from '../../client/index.ts';
import { CodedError } from '../../core/index.ts';
import { readIfThere, readText, writeDurably } from './files.ts';

/** Keys of a file, and what they have spent, in a file of the gateway's own. @throws CodedError CONFIG_INVALID */
export function openKeyRing(keyFile: string, data: string, alert: (passed: BudgetAlert) => void): KeyRing {
  const path = join(data, 'spending.json');
  return createKeyRing(
    parseKeyFile(readText(keyFile)),
    {
      load: () => spending(readIfThere(path)),
      save: (spent) => {
        const rows = Object.fromEntries([...spent].map(([id, amount]) => [id, amount.toString()]));
        writeDurably(path, `${JSON.stringify({ version: 1, spent: rows })}\n`);
      },
    },
    Date.now,
    alert,
  );
}

function spending(text: string | null): Map<string, bigint> {
  if (text === null) return new Map();
  try {
    const { version, spent } = JSON.parse(text) as { version: number; spent: Record<string, string> };
    if (version !== 1) throw new TypeError('version');
    return new Map(Object.entries(spent).map(([id, amount]) => [id, BigInt(amount)]));
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', 'what the API keys have spent cannot be read: restore it', {}, { cause });
  }
}

/** Adds a key to a file, or replaces the one of its id. */
export function storeKey(keyFile: string, key: GatewayKey): void {
  const text = readIfThere(keyFile);
  const others = text === null ? [] : parseKeyFile(text).filter(({ id }) => id !== key.id);
  writeDurably(keyFile, encodeKeyFile([...others, key]));
}
