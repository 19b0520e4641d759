import { parentPort, workerData } from 'node:worker_threads';
import { createYearMaker, type JudgedEvidence, type YearGiven } from './evidence.ts';

/** Evidence number `first` and those after it, of these instants. */
export type EvidenceOrder = Readonly<{ first: number; times: readonly number[] }>;

/** A thread that makes evidence and judges it, for `log.ts`. */
const make = createYearMaker(workerData as YearGiven);
parentPort?.on('message', async ({ first, times }: EvidenceOrder) => {
  const made: JudgedEvidence[] = [];
  for (const [i, at] of times.entries()) made.push(await make(first + i, at));
  parentPort?.postMessage(made);
});
