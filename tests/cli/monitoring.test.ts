import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRouterMetrics } from '../../src/cli/compose/metrics.ts';

const FOLDER = join(import.meta.dirname, '../../docs/monitoring');
const NAME = /\b(?:gen_ai|router|attestation|session|epoch|receipt|voucher)_[a-z_]+/g;
const workers = { joining: 0, admitted: 1, draining: 0, quarantined: 0, refused: 0, gone: 0 };
const breakers = { closed: 1, open: 0, 'half-open': 0 };

const waiting = { waiting: 0, waitingTokens: 0, oldestWaitMs: 0 };

/** Names as a router exports them: of a histogram its parts. */
async function exported(): Promise<{ metrics: Set<string>; all: Set<string> }> {
  const text = await createRouterMetrics().text({
    workers,
    breakers,
    ...waiting,
    underWay: 0,
    voucherLag: 0n,
    running: 0,
    slots: 1,
    nextLeaseEndsInMs: 1,
  });
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  const all = types.flatMap(([, name, type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name as string],
  );
  return { metrics: new Set(types.map(([, name]) => name as string)), all: new Set(all) };
}

test.each(['alerts.yaml', 'grafana-router.json'])('%s asks for metrics that a router has', async (file) => {
  const { all } = await exported();
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const expressions = [...text.matchAll(/"?expr"?: "?(.*)/g)].map(([, expression]) => expression as string);
  expect(expressions.length).toBeGreaterThan(5);
  for (const expression of expressions) {
    const names = expression.replace(/\bby \([^)]*\)/g, '').match(NAME) ?? [];
    expect(names.length, expression).toBeGreaterThan(0);
    for (const name of names) expect(all, expression).toContain(name);
  }
});

test('every metric of a router is on the dashboard', async () => {
  const { metrics } = await exported();
  const text = readFileSync(join(FOLDER, 'grafana-router.json'), 'utf8');
  expect(JSON.parse(text).panels.length).toBeGreaterThan(5);
  for (const metric of metrics) expect(text).toContain(metric);
});
