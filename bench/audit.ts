import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cosignersIn, logVkeyIn } from '../src/cli/log/keys.ts';
import { MAIN } from '../src/cli/paths.ts';
import { formatVkey } from '../src/log/index.ts';
import { openLog } from '../src/log/writer/index.ts';
import { measured } from './measured.ts';
import type { BenchLine } from './report.ts';

const ORIGIN = 'bench.chrysalis/log';
const ENTRIES = Number(process.env.BENCH_AUDIT_ENTRIES ?? 50_000);
const BATCH = 1024;

async function fill(directory: string): Promise<void> {
  const randomness = (length: number) => Uint8Array.from(randomBytes(length));
  const log = await openLog({ directory, origin: ORIGIN, randomness, clock: Date.now, lingerMs: 0 });
  for (let at = 1; at < ENTRIES; at += BATCH) {
    const count = Math.min(BATCH, ENTRIES - at);
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        log.append({ type: 'heartbeat', src: 'bench', subject: `bench:${i % 100}`, body: { queueDepth: at } }),
      ),
    );
  }
  await log.close();
}

async function part(args: readonly string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [MAIN, 'log', ...args, '--port', '0', '--json', '--supervised'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout as NonNullable<typeof child.stdout>), 'line')) as [string];
  return { child, url: (JSON.parse(line) as { url: string }).url };
}

/** Export and offline verification of a log of `BENCH_AUDIT_ENTRIES` entries, as the commands do it. */
export async function benchAudit(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'chrysalis-bench-audit-'));
  const [logData, witnessData] = [join(folder, 'log'), join(folder, 'witness')];
  mkdirSync(witnessData);
  const children: ChildProcess[] = [];
  try {
    await fill(logData);
    const vkey = await logVkeyIn(logData, ORIGIN);
    const [cosigner] = await cosignersIn(witnessData, 'bench/w', false);
    const witness = await part(['witness', '--data', witnessData, '--name', 'bench/w', '--log', vkey]);
    children.push(witness.child);
    const policy = join(folder, 'policy.txt');
    const witnessKey = formatVkey((cosigner as NonNullable<typeof cosigner>).key);
    writeFileSync(policy, `log ${vkey}\nwitness w ${witnessKey} ${witness.url}\nquorum w\n`);
    const log = await part(['serve', '--data', logData, '--origin', ORIGIN, '--policy', policy]);
    children.push(log.child);
    while (!(await fetch(`${log.url}/checkpoint`)).ok) await new Promise((resolve) => setTimeout(resolve, 50));
    const bundle = join(folder, 'bench.audit.tar.gz');
    const exported = await measured([
      'audit',
      'export',
      '--log',
      log.url,
      '--policy',
      policy,
      '--out',
      bundle,
      '--json',
    ]);
    const verified = await measured(['audit', 'verify', bundle, '--policy', policy, '--json']);
    if (exported.status !== 0 || verified.status !== 0) throw new Error('the bundle was not exported and verified');
    const name = (what: string) => `${what} ${ENTRIES.toLocaleString('en-US')} entries`;
    return [
      { name: name('export'), value: exported.seconds, unit: 's' },
      { name: 'most memory of the export', value: exported.megabytes, unit: 'MB' },
      { name: name('verify offline'), value: verified.seconds, unit: 's' },
      { name: 'most memory of the verification', value: verified.megabytes, unit: 'MB' },
      { name: 'size of the bundle', value: statSync(bundle).size / 1e6, unit: 'MB' },
    ];
  } finally {
    for (const child of children.reverse()) {
      child.stdin?.end();
      await once(child, 'close');
    }
    rmSync(folder, { recursive: true, force: true });
  }
}
