import { type Bytes, boundedBody, CodedError, concat, fromUtf8, toBase64, utf8 } from '../../core/index.ts';
import { NOTE_BYTES_MAX, parseSize } from '../index.ts';
import { originHash } from './witness.ts';

const TIMEOUT_MS = 5_000;
const tooLarge = () => new CodedError('WITNESS_UNREACHABLE', 'the answer of the witness is too large');

/** What a witness made of a checkpoint. @property lines signature lines to add, not verified yet */
export type Cosigned =
  | Readonly<{ outcome: 'cosigned'; lines: string }>
  /** It holds another size than the proof starts from. */
  | Readonly<{ outcome: 'stale'; size: number }>
  | Readonly<{ outcome: 'refused'; status: number; why: string }>;

export type WitnessClient = Readonly<{
  /** @throws CodedError WITNESS_UNREACHABLE */
  addCheckpoint(oldSize: number, proof: readonly Bytes[], note: Uint8Array): Promise<Cosigned>;
  /** What the witness last cosigned of this log, not verified; null where it never saw it. @throws CodedError WITNESS_UNREACHABLE */
  checkpoint(origin: string): Promise<Bytes | null>;
  /** Evidence it holds against the log, not verified. @throws CodedError WITNESS_UNREACHABLE */
  equivocation(origin: string): Promise<Bytes | null>;
}>;

/** A witness reached over HTTP. @param fetcher the platform's fetch */
export function createWitnessClient(url: string, fetcher: typeof fetch, timeoutMs = TIMEOUT_MS): WitnessClient {
  const base = url.replace(/\/+$/, '');
  const ask = async (path: string, init: RequestInit = {}): Promise<{ status: number; body: Bytes }> => {
    try {
      const response = await fetcher(`${base}${path}`, {
        ...init,
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      return { status: response.status, body: await boundedBody(response, 4 * NOTE_BYTES_MAX, tooLarge) };
    } catch (cause) {
      if (cause instanceof CodedError) throw cause;
      throw new CodedError('WITNESS_UNREACHABLE', 'the witness does not answer', {}, { cause });
    }
  };
  const ofLog = async (origin: string, what: string): Promise<Bytes | null> => {
    const { status, body } = await ask(`/${originHash(origin)}/${what}`);
    if (status === 404) return null;
    if (status !== 200) throw new CodedError('WITNESS_UNREACHABLE', `the witness answered HTTP ${status}`, { status });
    return body;
  };
  return {
    async addCheckpoint(oldSize, proof, note) {
      const head = `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n`;
      const { status, body } = await ask('/add-checkpoint', { method: 'POST', body: concat(utf8(head), note) });
      const text = fromUtf8(body, 'answer of the witness');
      if (status === 200) return { outcome: 'cosigned', lines: text };
      if (status === 409 && /^\d+\n?$/.test(text)) {
        return { outcome: 'stale', size: parseSize(text.trimEnd(), 'size held by the witness') };
      }
      if (status >= 500) throw new CodedError('WITNESS_UNREACHABLE', `the witness answered HTTP ${status}`, { status });
      return { outcome: 'refused', status, why: text.slice(0, 200).trim() };
    },
    checkpoint: (origin) => ofLog(origin, 'checkpoint'),
    equivocation: (origin) => ofLog(origin, 'equivocation'),
  };
}
