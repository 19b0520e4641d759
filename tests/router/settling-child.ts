/** Serves, claims and pays until it is killed: `node settling-child.ts FOLDER URL`. Says each sum once it is acknowledged. */
import { openSettling } from './settling.ts';

const [folder = '', url = ''] = process.argv.slice(2);
const settling = await openSettling(folder, url);
const best = (await settling.ledger.voucher(settling.channel))?.cumulative ?? 0n;
process.stdout.write(`start ${best}\n`);
for (let n = 0; ; n++) {
  process.stdout.write(`ack ${await settling.request()}\n`);
  if (n % 4 === 1) await settling.accounts.claim(settling.channel);
  if (n % 4 === 3) await settling.payouts.round();
}
