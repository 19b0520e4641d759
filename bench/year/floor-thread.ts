import { generateKeyPairSync, sign } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { ecdsaVerify, ed25519Key, ed25519Sign, ed25519Verify } from '#crypto';

/** What a quote and a checkpoint sign has about this many bytes. */
const MESSAGE = new Uint8Array(640).fill(7);
const MS = 1_500;

/** Verifications in a second of processor time: what others do on this machine meanwhile is not in it. */
async function rateOf(verify: () => Promise<boolean>): Promise<number> {
  const began = performance.now();
  const before = process.threadCpuUsage();
  let count = 0;
  for (; performance.now() - began < MS; count++) if (!(await verify())) throw new Error('the signature does not hold');
  const { user, system } = process.threadCpuUsage(before);
  return count / ((user + system) / 1e6);
}

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
const point = Uint8Array.from(spki.subarray(-65));
const ecdsa = Uint8Array.from(sign('sha256', MESSAGE, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }));
const key = ed25519Key(new Uint8Array(32).fill(9));
const ed25519 = await ed25519Sign(key, MESSAGE);
parentPort?.postMessage({
  ecdsa: await rateOf(() => ecdsaVerify('P-256', point, MESSAGE, ecdsa)),
  ed25519: await rateOf(() => ed25519Verify(key.publicKey, MESSAGE, ed25519)),
});
