import { join } from 'node:path';
import { ed25519Key, sha256 } from '#crypto';
import { type KnownBlock, loadPolicy, policyDigest } from '../../../src/attestation/index.ts';
import { DEVELOPMENT_NETWORK } from '../../../src/chain/index.ts';
import { registerImages } from '../../../src/cli/compose/policy-in-force.ts';
import { type Beacon, type Bytes, fromUtf8, toHex, utf8 } from '../../../src/core/index.ts';
import { ed25519Cosigner, formatVkey, parseCheckpoint, parseLogProof, parseNote } from '../../../src/log/index.ts';
import { type Log, openLog } from '../../../src/log/writer/index.ts';
import type { BeaconSource, LogPort } from '../../../src/router/index.ts';
import { randomness } from './randomness.ts';

/** A real log in a folder, its witness, and the block that its beacons name; a policy and its images stand in it. */
export async function openWitnessedLog(folder: string, policyText: string) {
  const log = await openLog({
    directory: join(folder, 'log'),
    origin: 'test.chrysalis/log',
    randomness,
    clock: Date.now,
  });
  await publishPolicy(log, policyText);
  const witness = ed25519Cosigner('witness.test/w', ed25519Key(randomness(32)));
  const port: LogPort = {
    append: log.append,
    proof: async (index) => {
      const proof = await log.proof(index);
      const { checkpoint } = parseLogProof(proof);
      return `${proof}${await witness.cosign(parseNote(checkpoint).text, Math.floor(Date.now() / 1000))}`;
    },
    checkpoint: async () => fromUtf8(log.checkpoint(), 'checkpoint'),
    entry: async (index) => (await log.entries(index, index + 1))[0]!.entry,
  };
  const rootHash: Bytes = sha256(utf8('block 7'));
  const block = { network: DEVELOPMENT_NETWORK, seqno: 7, rootHash, at: Date.now() } satisfies KnownBlock;
  const beacon = async (): Promise<BeaconSource> => {
    const { origin, size, root } = parseCheckpoint(parseNote(log.checkpoint()).text);
    const made: Beacon = {
      network: block.network,
      seqno: block.seqno,
      blockRootHash: rootHash,
      logOriginSha256: sha256(utf8(origin)),
      logSize: BigInt(size),
      logRoot: root,
    };
    return { beacon: made, checkpoint: fromUtf8(log.checkpoint(), 'checkpoint'), madeAt: block.at };
  };
  const logPolicyText = `log ${log.vkey}\nwitness w ${formatVkey(witness.key)}\nquorum w\n`;
  return { log, port, block, beacon, logPolicyText };
}

async function publishPolicy(log: Log, text: string): Promise<void> {
  const policy = loadPolicy(text);
  const blob = utf8(text);
  const published = { number: policy.number, replaces: null, effectiveFromIndex: null, reason: 'tests' };
  const { index } = await log.append(
    {
      type: 'policy-published',
      src: 'router-test',
      subject: `policy:${policy.id}`,
      blobs: [`sha256:${toHex(sha256(blob))}`],
      body: { policyDigest: `sha256:${toHex(policyDigest(policy))}`, ...published },
    },
    { blobs: [blob] },
  );
  await registerImages(log, 'router-test', policy, index);
}
