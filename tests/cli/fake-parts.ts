/**
 * Stands in for the command line that `chrysalis up` starts: parts that keep the child contract and do nothing else.
 * `FAKE_PARTS` (JSON) says how one of them misbehaves: `{"log":"fail"}`.
 */

import { aborted, announce, stopSignal } from '../../src/cli/child.ts';

const args = process.argv.slice(2);
const option = (name: string) => args[args.indexOf(`--${name}`) + 1] ?? '';
const command = args[1] === 'witness' ? 'witness' : (args[0] ?? '');
const part = command === 'worker' ? option('name') : command;
const behaviour = (JSON.parse(process.env.FAKE_PARTS ?? '{}') as Record<string, string>)[part] ?? 'good';
const stop = stopSignal({ supervised: true });
const url = `http://127.0.0.1:${option('port')}`;

if (behaviour === 'fail') {
  const error = { code: 'STORAGE_FULL', message: 'the disk is full: /data', facts: {}, todo: 'free some space' };
  announce({ event: 'failed', error });
  process.exit(3);
}
if (behaviour === 'crash') {
  process.stderr.write('TypeError: it broke\n');
  process.exit(1);
}
if (behaviour === 'deaf') {
  process.on('SIGTERM', () => {});
  setInterval(() => {}, 1_000);
}
if (part === 'gateway') {
  const { createAdaptorServer } = await import('@hono/node-server');
  const { createGateway, GATEWAY_LIMITS } = await import('../../src/client/gateway/index.ts');
  const { scriptedClient } = await import('../gateway/scripted-client.ts');
  const { client } = scriptedClient();
  const deps = { client, now: Date.now, randomId: () => 'x', version: '0', policy: 'p', simulated: true };
  const server = createAdaptorServer({ fetch: createGateway(deps, GATEWAY_LIMITS).fetch });
  await new Promise<void>((resolve) => server.listen(Number(option('port')), '127.0.0.1', resolve));
  stop.addEventListener('abort', () => process.exit(0));
}
const contracts = {};
announce({
  event: 'ready',
  url,
  vkey: 'test+key',
  origin: 'test.chrysalis/log',
  size: 3,
  policy: 'test #1',
  contracts,
});
if (args[0] === 'worker') announce({ event: behaviour === 'refused' ? 'refused' : 'admitted', logIndex: 4 });
if (behaviour === 'dies') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);
const keepAlive = setInterval(() => {}, 1_000);
await aborted(stop);
if (behaviour !== 'deaf') {
  clearInterval(keepAlive);
  process.exit(0);
}
