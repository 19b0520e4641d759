/** `npm run check`: types, lint and format, import rule, tests (vectors and README examples among them), in one go. */
import { spawnSync } from 'node:child_process';

const STEPS: readonly (readonly [string, string, readonly string[]])[] = [
  ['types', 'tsc', []],
  ['lint and format', 'biome', ['check', '--error-on-warnings', '.']],
  ['imports', 'node', ['scripts/check-imports.ts']],
  ['tests', 'npm', ['test']],
];

for (const [name, command, args] of STEPS) {
  const started = performance.now();
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (status !== 0) {
    console.error(`✗ ${name} failed after ${seconds} s: ${command} ${args.join(' ')}`);
    process.exit(1);
  }
  console.log(`✓ ${name} ${seconds} s`);
}
