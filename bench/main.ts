/**
 * `npm run bench [-- NAME…] [-- --json]`: measures each part beside a floor of the same run and prints ratios, with the
 * machine and the commit. Without names, everything.
 */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { BenchLine } from './report.ts';

const BENCHES: Readonly<Record<string, () => Promise<() => Promise<readonly BenchLine[]>>>> = {
  attestation: async () => (await import('./attestation.ts')).benchAttestation,
  nvidia: async () => (await import('./nvidia.ts')).benchNvidia,
  policy: async () => (await import('./policy.ts')).benchPolicy,
  session: async () => (await import('./session.ts')).benchSession,
  router: async () => (await import('./router.ts')).benchRouter,
  release: async () => (await import('./release.ts')).benchRelease,
  overload: async () => (await import('./overload.ts')).benchOverload,
  wire: async () => (await import('./wire/main.ts')).benchWire,
  ...Object.fromEntries(
    (['dispatches', 'frames', 'latency', 'streams', 'workers'] as const).map((part) => [
      `wire:${part}`,
      async () => {
        const { benchWire } = await import('./wire/main.ts');
        return () => benchWire([part]);
      },
    ]),
  ),
  gateway: async () => (await import('./gateway/main.ts')).benchGateway,
  engine: async () => (await import('./engine.ts')).benchEngine,
  log: async () => (await import('./log.ts')).benchLog,
  'log-latency': async () => (await import('./log-latency.ts')).benchLogLatency,
  audit: async () => (await import('./audit.ts')).benchAudit,
  'audit-year': async () => (await import('./year/main.ts')).benchAuditYear,
  fleet: async () => (await import('./fleet/main.ts')).benchFleet,
  chain: async () => (await import('./chain.ts')).benchChain,
  settlement: async () => (await import('./settlement.ts')).benchSettlement,
};

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

const round = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);

function printed(line: BenchLine): string {
  const floor = line.floor === undefined ? '' : `   ${line.floor.name}: ${round(line.floor.value)}`;
  const ratio = line.ratio === undefined ? '' : `   ratio ${line.ratio.toFixed(2)}`;
  return `  ${line.name.padEnd(46)} ${round(line.value).padStart(10)} ${line.unit.padEnd(10)}${floor}${ratio}`;
}

const args = process.argv.slice(2);
const json = args.includes('--json');
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  commit: commit(),
};
if (!json)
  console.log(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, commit ${machine.commit}\n`,
  );
const results: Record<string, readonly BenchLine[]> = {};
for (const [name, load] of Object.entries(BENCHES)) {
  if (names.length > 0 && !names.includes(name)) continue;
  const started = performance.now();
  const bench = await load();
  const lines = await bench();
  results[name] = lines;
  if (json) continue;
  console.log(`${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  for (const line of lines) console.log(printed(line));
  console.log('');
}
if (json) console.log(JSON.stringify({ machine, results }));
// gRPC keeps timers of its own; everything that was started is closed.
process.exit();
