import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KemPrivateKey, kemDecapsulate, kemPrivateKey, shake256 } from '#crypto';
import { fromHex, type Keyset, toHex } from '../../src/core/index.ts';
import { Exporter, exporterSecret, sessionInfo } from '../../src/session/hpke.ts';
import {
  KEM_X25519,
  KEM_XWING,
  openResponse,
  openSession,
  parseEpochCertificate,
  parseOffer,
  sealRequest,
  verifyOffer,
} from '../../src/session/index.ts';
import { responseKeys, unwrapContentKey } from '../../src/session/request-keys.ts';
import { memoryOf } from '../network/processes.ts';
import { askOf, bytes, dispatched, helloOf, MODEL, policyOf, START, testRandomness } from './world.ts';

/** AIS/1 section 7: what was recorded is safe once the epoch has ended, whatever of the worker is taken then. */
let child: ChildProcess;
let lines: AsyncIterator<string>;
beforeAll(() => {
  child = spawn(process.execPath, [new URL('./epoch-child.ts', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
});
afterAll(() => void child.kill('SIGKILL'));

const next = async () =>
  JSON.parse((await lines.next()).value as string) as Readonly<{
    drawn: string[];
    frames: string[];
    identityKey: string;
    receiptKey: string;
    offer: string;
    preface: string;
  }>;
const tell = (command: object) => {
  child.stdin?.write(`${JSON.stringify(command)}\n`);
  return next();
};
const unmasked = (hex: string) => Uint8Array.from(fromHex(hex, 'masked'), (byte) => byte ^ 0x5a);

function present(secrets: Readonly<Record<string, Uint8Array>>): string[] {
  const found = new Set<string>();
  for (const page of memoryOf(child.pid as number)) {
    for (const [name, secret] of Object.entries(secrets)) if (page.includes(secret)) found.add(name);
  }
  return [...found].sort();
}

/** One exchange with the child under one suite, recorded whole, and every secret that it rests on. */
async function recorded(kem: 0x647a | 0x0020, seed: Uint8Array, keyset: Keyset) {
  const own = helloOf(1, [kem], kem);
  const offer = fromHex((await tell({ hello: toHex(own.bytes) })).offer, 'offer');
  const certificate = parseEpochCertificate(parseOffer(offer).certificate);
  const key: KemPrivateKey = await kemPrivateKey(kem, Uint8Array.from(seed));
  expect(key.publicKey).toEqual(certificate.publicKey); // the seed that was told is the epoch's
  const attested = {
    keyset,
    evidenceDigest: bytes(32, 51),
    nonceRoot: bytes(32, 0),
    epochKeyDigests: [],
    model: MODEL,
    madeAt: START,
    deadline: START + 3_600_000,
  };
  const verdict = await verifyOffer(offer, own, attested, policyOf(1), START);
  if (verdict.verdict !== 'verified') throw new Error(verdict.failed.join());
  const session = await openSession(own, [verdict.offer], START);
  const message = bytes(64, 0x70);
  const { open, frames, sent } = await sealRequest(session, askOf(message), START, testRandomness(kem));
  const { frames: _, dispatch, ...parts } = await dispatched(open, frames);
  const hex = Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, toHex(value)]));
  const answer = await tell({ request: { ...hex, frame: toHex(frames[0] as Uint8Array), dispatch: String(dispatch) } });
  const preface = fromHex(answer.preface, 'preface');
  const reader = openResponse(sent, preface);
  for (const frame of answer.frames as string[]) reader.push(fromHex(frame, 'frame'));
  reader.end();
  const enc = open.candidates[0]!.enc;
  const info = sessionInfo(own.digest, verdict.offer.certificateDigest);
  const exporter = exporterSecret(kem, (await kemDecapsulate(key, enc)) as Uint8Array<ArrayBuffer>, info);
  const name = { requestId: sent.header.requestId, headerHash: sent.headerHash, requestDigest: sent.requestDigest };
  // The control: with the exporter secret the recording opens.
  const contentKey = unwrapContentKey(new Exporter(kem, Uint8Array.from(exporter)), name, open.candidates[0]!.wrap);
  expect(contentKey).toEqual(sent.contentKey);
  const keys = responseKeys(
    new Exporter(kem, Uint8Array.from(exporter)),
    name,
    sent.contentKey,
    enc,
    reader.preface.responseNonce,
  );
  return { exporter, contentKey: sent.contentKey, responseKey: keys.key };
}

test('a recorded session is unreadable after its epoch, even with the identity key and the worker’s whole memory', async (context) => {
  const begun = await next();
  const [identitySeed, receiptSeed, xwing, x25519] = begun.drawn.map(unmasked);
  const keyset: Keyset = {
    identityKey: fromHex(begun.identityKey, 'key'),
    receiptKey: fromHex(begun.receiptKey, 'key'),
    transportSpkiSha256: bytes(32, 3),
    versions: [1],
    suites: [KEM_XWING, KEM_X25519],
    payee: { workchain: 0, account: bytes(32, 1) },
    notAfter: START + 86_400_000,
  };
  const first = await recorded(KEM_XWING, xwing as Uint8Array, keyset);
  const second = await recorded(KEM_X25519, x25519 as Uint8Array, keyset);
  const expanded = shake256(xwing as Uint8Array, 96);
  const secrets = {
    xwingSeed: xwing as Uint8Array,
    mlKemD: expanded.slice(0, 32),
    mlKemZ: expanded.slice(32, 64),
    xwingX25519: expanded.slice(64),
    x25519Key: x25519 as Uint8Array,
    exporterXwing: first.exporter,
    exporterX25519: second.exporter,
    contentKeyXwing: first.contentKey,
    contentKeyX25519: second.contentKey,
    responseKeyXwing: first.responseKey,
    responseKeyX25519: second.responseKey,
  };
  // The look finds what is there: the epoch's keys and its sessions, while it lives.
  let living: string[];
  try {
    living = present(secrets);
  } catch (error) {
    return context.skip(`this system does not let one process look into another: ${(error as Error).message}`);
  }
  expect(living).toEqual(
    expect.arrayContaining(['exporterX25519', 'exporterXwing', 'mlKemD', 'mlKemZ', 'x25519Key', 'xwingX25519']),
  );
  await tell({ advance: 720_000 });
  await expect.poll(() => present(secrets), { timeout: 5_000, interval: 100 }).toEqual([]);
  // And the identity and receipt keys still are: the dump is the worker's, and does not help.
  expect(present({ identitySeed: identitySeed as Uint8Array, receiptSeed: receiptSeed as Uint8Array })).toEqual([
    'identitySeed',
    'receiptSeed',
  ]);
});
