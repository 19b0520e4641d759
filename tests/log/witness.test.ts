import { cpSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { ed25519Key, ed25519Sign, mlDsa44Key } from '#crypto';
import { type Bytes, leafHash, merkleRoot, toBase64, utf8 } from '../../src/core/index.ts';
import {
  checkpointMessage,
  consistencyProof,
  ed25519Cosigner,
  encodeEquivocation,
  formatCheckpoint,
  formatNote,
  formatSignatureLine,
  formatVkey,
  KEY_TYPE,
  keysOfPolicy,
  type LogPolicy,
  mlDsaCosigner,
  parseEquivocation,
  parseLogPolicy,
  parseLogProof,
  parseVkey,
  policyHolds,
  verifierKey,
  verifyCheckpoint,
  verifyEquivocation,
  verifyLogProof,
} from '../../src/log/index.ts';
import {
  createWitness,
  createWitnessClient,
  openWitnessStore,
  originHash,
  startWitnessServer,
  type Witness,
  type WitnessEvent,
} from '../../src/log/witness/index.ts';
import {
  askKnownHeads,
  createLogClient,
  createWitnessing,
  type Log,
  openLog,
  startLogServer,
} from '../../src/log/writer/index.ts';
import { codeOf, folder, heartbeat, ORIGIN, options } from './support.ts';

const logSigner = ed25519Key(new Uint8Array(32).fill(1));
const logKey = verifierKey(ORIGIN, KEY_TYPE.ed25519, logSigner.publicKey);
const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A tree of numbered leaves; `fork` changes every leaf from there on. */
const leaves = (size: number, fork = Number.POSITIVE_INFINITY): Bytes[] =>
  Array.from({ length: size }, (_, i) => leafHash(utf8(i >= fork ? `other ${i}` : `leaf ${i}`)));
async function signedNote(size: number, fork?: number, signer = logSigner, key = logKey): Promise<Bytes> {
  const checkpoint = { origin: ORIGIN, size, root: merkleRoot(leaves(size, fork)), extensions: [] };
  const signature = await ed25519Sign(signer, checkpointMessage(checkpoint));
  return formatNote(formatCheckpoint(checkpoint), [formatSignatureLine(key, signature)]);
}
const requestOf = (old: number, proof: readonly Bytes[], note: Bytes) =>
  utf8(`old ${old}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${new TextDecoder().decode(note)}`);
const extend = async (old: number, size: number, fork?: number) =>
  requestOf(old, old === 0 ? [] : consistencyProof(leaves(size, fork), old), await signedNote(size, fork));

function witnessIn(directory: string, events: WitnessEvent[] = [], clock = () => 1_795_250_000_000): Witness {
  const store = openWitnessStore(join(directory, 'witness.db'));
  closing.push(store.close);
  const cosigners = [ed25519Cosigner('witness.test/w', ed25519Key(new Uint8Array(32).fill(2)))];
  const logs = [{ origin: ORIGIN, keys: [logKey] }];
  return createWitness({ logs, store, cosigners, clock, report: (event) => events.push(event) });
}

test('a witness cosigns what extends all it saw, and nothing else, also after a restart', async () => {
  const directory = folder();
  const events: WitnessEvent[] = [];
  const witness = witnessIn(directory, events);
  const status = async (request: Bytes, of = witness) => (await of.addCheckpoint(request)).status;
  expect(await status(await extend(0, 5))).toBe(200);
  expect(await status(await extend(0, 7))).toBe(409);
  expect((await witness.addCheckpoint(await extend(3, 7))).body).toBe('5\n');
  expect(await status(await extend(5, 12))).toBe(200);
  expect(await status(await extend(12, 12))).toBe(200); // renewed
  expect(await status(await extend(5, 12))).toBe(409);
  expect(await status(await extend(12, 20, 10))).toBe(422);
  expect(await status(requestOf(12, [], await signedNote(12, 3)))).toBe(422);
  const [w1] = witness.vkeys;
  const note = witness.checkpoint(originHash(ORIGIN));
  const { verified, checkpoint } = await verifyCheckpoint(note!, [logKey, parseVkey(w1!)], ORIGIN);
  expect([verified.length, checkpoint.size]).toEqual([2, 12]);
  expect(await codeOf(() => openWitnessStore(join(directory, 'witness.db')))).toBe('STATE_LOCKED');
  closing.pop()?.();
  const again = witnessIn(directory, events, () => 5); // a clock set back: times still do not decrease
  expect(await status(await extend(5, 20), again)).toBe(409);
  expect(await status(await extend(12, 20, 10), again)).toBe(422);
  expect(await status(await extend(12, 20), again)).toBe(200);
  const lines = (await again.addCheckpoint(await extend(20, 20))).body;
  expect(Buffer.from(lines.split(' ')[2]!, 'base64').readBigUInt64BE(4)).toBe(1_795_250_000n);
  // What it was shown at size 12 is kept, and proves itself to anybody.
  expect(events.filter(({ event }) => event === 'equivocation')).toHaveLength(1);
  const evidence = parseEquivocation(again.equivocation(originHash(ORIGIN))!);
  expect((await verifyEquivocation(evidence, [logKey])).smaller.size).toBe(12);
  expect(again.checkpoint(originHash('other'))).toBeNull();
});

test('whatever two requests a witness is given at once, it never cosigns two histories', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 9 })),
        {
          minLength: 2,
          maxLength: 8,
        },
      ),
      async (asks) => {
        const witness = witnessIn(folder());
        const requests = await Promise.all(
          asks.map(async ([old, size, fork]) => extend(Math.min(old, size), size, fork)),
        );
        const answers = await Promise.all(requests.map((request) => witness.addCheckpoint(request)));
        closing.pop()?.();
        const cosigned = asks.filter((_, i) => answers[i]?.status === 200).map(([, size, fork]) => leaves(size, fork));
        for (const [i, older] of cosigned.entries()) {
          const newer = cosigned[i + 1];
          if (newer === undefined) continue;
          expect(newer.length).toBeGreaterThanOrEqual(older.length);
          expect(newer.slice(0, older.length)).toEqual(older);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('evidence of an equivocation verifies itself: equal sizes, a rewritten past; what contradicts nothing is refused', async () => {
  const proof = consistencyProof(leaves(20, 3), 12);
  const rewritten = {
    smaller: await signedNote(12),
    larger: await signedNote(20, 3),
    prefix: { root: merkleRoot(leaves(12, 3)), proof },
  };
  const read = parseEquivocation(encodeEquivocation(rewritten));
  expect((await verifyEquivocation(read, [logKey])).larger.size).toBe(20);
  const honest = { ...rewritten, larger: await signedNote(20), prefix: null };
  expect(await codeOf(verifyEquivocation(honest, [logKey]))).toBe('LOG_PROOF_REFUSED');
  const extended = { root: merkleRoot(leaves(12)), proof: consistencyProof(leaves(20), 12) };
  expect(await codeOf(verifyEquivocation({ ...honest, prefix: extended }, [logKey]))).toBe('LOG_PROOF_REFUSED');
  const invented = { ...rewritten, prefix: { root: new Uint8Array(32), proof } };
  expect(await codeOf(verifyEquivocation(invented, [logKey]))).toBe('LOG_PROOF_REFUSED');
  const same = { smaller: await signedNote(12), larger: await signedNote(12), prefix: null };
  expect(await codeOf(verifyEquivocation(same, [logKey]))).toBe('LOG_PROOF_REFUSED');
  const other = ed25519Key(new Uint8Array(32).fill(9));
  const framed = { ...rewritten, larger: await signedNote(20, 3, other) };
  expect(await codeOf(verifyEquivocation(framed, [logKey]))).toBe('LOG_SIGNATURE_INVALID');
  for (const text of ['', '{}', '[]', encodeEquivocation(rewritten).replace('"prefix"', '"prefx"')]) {
    expect(['LOG_PROOF_MALFORMED', 'ENCODING_INVALID']).toContain(await codeOf(() => parseEquivocation(text)));
  }
});

type Watched = { log: Log; url: string; policy: LogPolicy; witnesses: { url: string; close(): Promise<void> }[] };

/** A log over HTTP whose heads two of three witnesses must cosign. */
async function watched(directory: string, witnesses = 3): Promise<Watched> {
  const servers = [];
  const lines: string[] = [];
  const signer = ed25519Key(new Uint8Array(32).fill(7)); // as the tests' randomness makes the log's key
  const key = verifierKey(ORIGIN, KEY_TYPE.ed25519, signer.publicKey);
  for (let i = 0; i < witnesses; i++) {
    const store = openWitnessStore(join(folder(), 'witness.db'));
    const seed = new Uint8Array(32).fill(100 + i);
    const name = `witness.test/${i}`;
    const cosigner = i === 0 ? mlDsaCosigner(name, await mlDsa44Key(seed)) : ed25519Cosigner(name, ed25519Key(seed));
    const logs = [{ origin: ORIGIN, keys: [key] }];
    const witness = createWitness({ logs, store, cosigners: [cosigner], clock: Date.now, report: () => {} });
    const server = await startWitnessServer(witness, { port: 0 });
    closing.push(store.close, server.close);
    servers.push(server);
    lines.push(`witness w${i} ${witness.vkeys[0]} ${server.url}`);
  }
  const names = lines.map((_, i) => `w${i}`).join(' ');
  const policy = parseLogPolicy(`log ${formatVkey(key)}\n${lines.join('\n')}\ngroup most 2 ${names}\nquorum most\n`);
  const { log, url } = await serve(directory, policy);
  return { log, url, policy, witnesses: servers };
}

async function serve(directory: string, policy: LogPolicy): Promise<{ log: Log; url: string }> {
  const knownHeads = await askKnownHeads(policy, policy.logs[0]!.key, fetch);
  const log = await openLog(options(directory, { knownHeads, clock: Date.now }));
  const deps = { fetch, clock: Date.now, report: () => {}, waitMs: 1_000 };
  const witnessing = await createWitnessing(log, policy, deps);
  const server = await startLogServer({ log, port: 0, token: 't'.repeat(64), witnessing });
  closing.push(log.close, witnessing.close, server.close);
  return { log, url: server.url };
}

test('a log publishes what its quorum cosigned, and proves entries under that; with too few witnesses it says so', async () => {
  const { log, url, policy, witnesses } = await watched(folder());
  const client = createLogClient({ url, token: 't'.repeat(64) });
  const { index } = await client.append(heartbeat(1));
  const proof = await client.proof(index);
  const keys = keysOfPolicy(policy);
  const verified = await verifyCheckpoint(parseLogProof(proof).checkpoint, keys, ORIGIN);
  expect(policyHolds(policy, verified)).toBe(true);
  expect(verified.verified).toHaveLength(4);
  expect((await verifyLogProof(await client.entry(index), proof, policy.logs[0]!.key)).verdict).toBe('verified');
  await witnesses[0]!.close();
  const second = await client.append(heartbeat(2));
  const under = await verifyCheckpoint(parseLogProof(await client.proof(second.index)).checkpoint, keys, ORIGIN);
  expect(under.verified).toHaveLength(3);
  // The first cosigned head is kept for auditors.
  const kept = await fetch(`${url}/cosigned/0`);
  expect(kept.status).toBe(200);
  const bytes = new Uint8Array(await kept.arrayBuffer());
  expect(policyHolds(policy, await verifyCheckpoint(bytes, keys, ORIGIN))).toBe(true);
  await witnesses[1]!.close();
  const third = await client.append(heartbeat(3)); // durable all the same
  expect(log.head().size).toBe(4);
  expect(await codeOf(client.proof(third.index))).toBe('LOG_NOT_WITNESSED');
  expect((await verifyCheckpoint(utf8(await client.checkpoint()), keys, ORIGIN)).checkpoint.size).toBe(3);
});

test('a witness that sends lines of others along spoils nothing for them', async () => {
  const { createServer } = await import('node:http');
  const directory = folder();
  const { policy, witnesses, url } = await watched(directory);
  const [, second] = [...policy.witnesses.values()];
  const relay = createServer(async (request, response) => {
    const body: Uint8Array[] = [];
    for await (const part of request) body.push(part as Uint8Array);
    const init = request.method === 'POST' ? { method: 'POST', body: Buffer.concat(body) } : {};
    const answer = await fetch(`${witnesses[2]!.url}${request.url}`, init);
    const bogus = formatSignatureLine(second!.key, new Uint8Array(72));
    response.writeHead(answer.status).end(answer.ok ? (await answer.text()) + bogus : await answer.text());
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  closing.push(() => void relay.close());
  await fetch(`${url}/checkpoint`);
  for (const close of closing.splice(-4, 3).reverse()) await close();
  const relayed = { ...second!, url: `http://127.0.0.1:${(relay.address() as { port: number }).port}` };
  const third = { ...[...policy.witnesses.values()][2]!, url: relayed.url };
  const spoiled = { ...policy, witnesses: new Map([...policy.witnesses, ['w2', third]]) };
  const again = await serve(directory, spoiled);
  const client = createLogClient({ url: again.url, token: 't'.repeat(64) });
  const proof = await client.proof((await client.append(heartbeat(9))).index);
  const verified = await verifyCheckpoint(parseLogProof(proof).checkpoint, keysOfPolicy(policy), ORIGIN);
  expect(verified.verified).toHaveLength(4);
});

test('a restored disk signs nothing: the witnesses are asked first, and hold more', async () => {
  const directory = folder();
  const { url, policy, witnesses } = await watched(directory);
  const client = createLogClient({ url, token: 't'.repeat(64) });
  await client.proof((await client.append(heartbeat(1))).index);
  for (const close of closing.splice(-3).reverse()) await close();
  const backup = folder();
  cpSync(directory, backup, { recursive: true });
  const again = await serve(directory, policy);
  const more = createLogClient({ url: again.url, token: 't'.repeat(64) });
  await more.proof((await more.append(heartbeat(2))).index);
  for (const close of closing.splice(-3).reverse()) await close();
  expect(await codeOf(serve(backup, policy))).toBe('LOG_INCONSISTENT');
  expect(await codeOf(serve(folder(), policy))).toBe('LOG_INCONSISTENT'); // nor does an empty one
  // One witness of a 2-of-3 quorum may be away; two could have made a quorum nobody else knows of.
  await witnesses[2]!.close();
  expect(await codeOf(serve(backup, policy))).toBe('LOG_INCONSISTENT');
  await witnesses[1]!.close();
  expect(await codeOf(serve(backup, policy))).toBe('WITNESS_UNREACHABLE');
  const lonely = createWitnessClient('http://127.0.0.1:1', fetch);
  expect(await codeOf(lonely.checkpoint(ORIGIN))).toBe('WITNESS_UNREACHABLE');
});
