/** `chrysalis up` over the parts of fake-parts.ts: same supervisor, tour and screen. Arguments: JSON of its options. */
import { fileURLToPath } from 'node:url';
import { printError, processSink } from '../../src/cli/output.ts';
import { runUp } from '../../src/cli/up/run.ts';

const options = JSON.parse(process.argv[2] ?? '{}');
const main = fileURLToPath(new URL('./fake-parts.ts', import.meta.url));
try {
  process.exitCode = await runUp(
    { tour: true, color: false, ...options },
    {
      runtime: process.execPath,
      main,
      stopGraceMs: 1_000,
      restartAfterMs: [50, 50, 50],
      readSettlement: async () => ({
        share: (amount) => amount,
        paid: async () => 0n,
        paidAtLeast: async (_, amount) => ({ pool: '0:aa', payee: '0:bb', paid: String(amount), epoch: 1, block: 5 }),
        anchored: async (entry) => ({ address: '0:cc', size: entry + 1, root: 'dd', block: 6 }),
      }),
    },
  );
} catch (thrown) {
  process.exitCode = printError(thrown, processSink(false), { json: options.json });
}
