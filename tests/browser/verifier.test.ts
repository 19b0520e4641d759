import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { fromBase64, toBase64 } from '../../src/core/index.ts';
import { WHY_SKIPPED } from '../vectors.ts';
import { ASKED } from './asked.ts';
import { openPage, type Page, WHY_NO_BROWSER, WITHOUT_BROWSER } from './chromium.ts';
import { FOUND, nvidiaRequests, type Request, snpRequests, tdxRequests } from './requests.ts';

vi.setConfig({ testTimeout: 120_000 });

let page: Page;
beforeAll(async () => {
  if (!WITHOUT_BROWSER) page = await openPage();
});
afterAll(() => page?.close());

const LINES_AT_ONCE = 50;

/** Asks Node and the page, and gives the verdicts of both. */
async function alike(requests: readonly Request[]): Promise<Record<string, number>> {
  const verdicts: Record<string, number> = {};
  for (let at = 0; at < requests.length; at += LINES_AT_ONCE) {
    const lines = requests.slice(at, at + LINES_AT_ONCE).map((request) => JSON.stringify(request));
    const [here, there] = await Promise.all([ASKED.verify(lines), page.ask('verify', lines)]);
    expect(there).toEqual(here);
    for (const answer of here) {
      const { verdict } = JSON.parse(answer) as { verdict: string };
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
    }
  }
  return verdicts;
}

const why = WITHOUT_BROWSER ? WHY_NO_BROWSER : FOUND ? '' : WHY_SKIPPED;
const SETS = [
  ['TDX', tdxRequests, 110],
  ['SEV-SNP', snpRequests, 60],
  ['NVIDIA', nvidiaRequests, 80],
] as const;

describe.skipIf(why !== '')(
  `the verifier in Chromium answers as in Node, to the byte${why === '' ? '' : `: ${why}`}`,
  () => {
    test.each(SETS)('all of the shared vectors of %s', async (_, make, least) => {
      const requests = make();
      expect(requests.length).toBeGreaterThan(least);
      const verdicts = await alike(requests);
      expect(Object.values(verdicts).reduce((sum, count) => sum + count, 0)).toBe(requests.length);
      for (const verdict of ['verified', 'refused', 'unavailable']) expect(verdicts[verdict]).toBeGreaterThan(0);
    });

    test.each(SETS)('evidence of %s with a bit turned', async (_, make) => {
      const requests = make();
      const turned = fc.tuple(fc.constantFrom(...requests), fc.nat()).map(([request, position]): Request => {
        const evidence = fromBase64(request.evidence as string);
        const bit = position % (8 * evidence.length);
        evidence[bit >> 3] = (evidence[bit >> 3] as number) ^ (1 << (bit & 7));
        return { ...request, evidence: toBase64(evidence) };
      });
      await fc.assert(
        fc.asyncProperty(fc.array(turned, { minLength: 10, maxLength: 10 }), async (some) => void (await alike(some))),
        { numRuns: 6 },
      );
    });

    test('nothing was said on the console, nothing thrown', () => {
      expect(page.problems).toEqual([]);
    });
  },
);
