import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CodedError, KIND_OF_CODE } from '../../src/core/index.ts';
import type { ResponsePart } from '../../src/session/index.ts';
import type { RouterLink } from '../../src/worker/index.ts';
import { ask, echoEngine, startInProcess } from './in-process.ts';

type Serve = Parameters<RouterLink['serve']>[2];
const REQUESTS = 12;
const DEADLINE_MS = 6_000;

const random = (length: number) => Uint8Array.from(randomBytes(length));
const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
/** Each part that an honest worker would send, changed. */
const changing =
  (change: (part: ResponsePart, place: number) => readonly ResponsePart[]) =>
  (serve: Serve): Serve =>
    async function* (request, signal) {
      let place = 0;
      for await (const part of serve(request, signal)) {
        if (part.kind === 'refused') yield part;
        else yield* change(part, place);
        place += 1;
      }
    };

/** What a worker that was admitted honestly may do then. */
const FAULTS: Readonly<Record<string, (serve: Serve) => Serve>> = {
  'never answers': () =>
    async function* (_, signal) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      yield* [];
    },
  'drops the stream after its first part': changing((part, place) => {
    if (place > 0) throw new Error('gone');
    return [part];
  }),
  'ends without a final frame': changing((part, place) => (place < 2 ? [part] : [])),
  'answers nothing': changing(() => []),
  'sends a preface of random bytes': changing((part) =>
    part.kind === 'preface' ? [{ ...part, preface: random(65) }] : [part],
  ),
  'sends a preface of another length': changing((part) =>
    part.kind === 'preface' ? [{ ...part, preface: random(3) }] : [part],
  ),
  'sends two prefaces': changing((part) => (part.kind === 'preface' ? [part, part] : [part])),
  'sends frames before the preface': changing((part) => (part.kind === 'preface' ? [] : [part])),
  'sends frames of random bytes': changing((part) =>
    part.kind === 'frame' ? [{ ...part, frame: random(280) }] : [part],
  ),
  'sends each frame twice': changing((part) => (part.kind === 'frame' ? [part, part] : [part])),
  'sends frames of a megabyte': changing((part) =>
    part.kind === 'frame' ? [{ ...part, frame: random(1024 * 1024) }] : [part],
  ),
  'sends empty frames': changing((part) => (part.kind === 'frame' ? [{ ...part, frame: new Uint8Array(0) }] : [part])),
  'goes on after its end': changing((part, place) => (place === 2 ? [part, part, part] : [part])),
  'forges its receipt': changing((part) =>
    part.kind === 'receipt' ? [{ ...part, receipt: { ...part.receipt, signature: random(64) } }] : [part],
  ),
  'changes its receipt after signing': changing((part) =>
    part.kind === 'receipt'
      ? [{ ...part, receipt: { ...part.receipt, receipt: flipped(part.receipt.receipt) } }]
      : [part],
  ),
  'says it is busy, always': () =>
    async function* () {
      yield { kind: 'refused', reason: 'BUSY' } as const;
    },
};

describe.each(Object.entries(FAULTS))('a worker that %s', (_, fault) => {
  test('costs its own requests at most: each ends in time with the whole answer or a code, and the other worker goes on', async () => {
    const network = await startInProcess({
      tees: ['tdx', 'tdx'],
      engine: echoEngine(),
      misbehave: (serve, worker) => (worker === 0 ? fault(serve) : serve),
    });
    try {
      const results = await Promise.all(
        Array.from({ length: REQUESTS }, async (_, i) => {
          const client = network.newClient();
          const started = performance.now();
          const prompt = `these are the words of request ${i}`;
          const result = await ask(client, prompt, { deadlineMs: DEADLINE_MS }).then(
            ({ answer }) => ({ answer: answer.trim(), prompt }),
            (error: unknown) => ({ error }),
          );
          return { ...result, ms: performance.now() - started };
        }),
      );
      for (const result of results) {
        if ('answer' in result) expect(result.answer).toBe(result.prompt);
        else {
          expect(result.error).toBeInstanceOf(CodedError);
          expect(KIND_OF_CODE[(result.error as CodedError).code], String(result.error)).not.toBe('bug');
        }
      }
      expect(results.filter((result) => 'answer' in result).length).toBeGreaterThan(0);
    } finally {
      await network.close();
    }
  });
});
