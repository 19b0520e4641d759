/**
 * A worker's session in a process of its own, whose memory the test reads: real randomness, real collector, and a clock
 * that the test moves. Each line of stdin is a command. Secrets leave this process XORed with a constant, so that
 * telling the test what to look for leaves no copy of it behind.
 */
import { createInterface } from 'node:readline';
import { ed25519Key } from '#crypto';
import { systemRandomness } from '../../src/cli/compose/files.ts';
import { collector } from '../../src/cli/compose/memory.ts';
import { equalBytes, fromHex, type Keyset, toHex } from '../../src/core/index.ts';
import { createWorkerSession, encodePriceSheet, KEM_X25519, KEM_XWING, priceId } from '../../src/session/index.ts';
import { BEACON, bytes, DISPATCH_KEY, MODEL, PRICE, START } from './world.ts';

const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const masked = (secret: Uint8Array) => toHex(Uint8Array.from(secret, (byte) => byte ^ 0x5a));

const drawn: string[] = [];
const randomness = (length: number) => {
  const out = systemRandomness(length);
  drawn.push(masked(out));
  return out;
};
const seeds = [randomness(32), randomness(32)] as const;
const identityKey = ed25519Key(seeds[0]);
const receiptKey = ed25519Key(seeds[1]);
const keyset: Keyset = {
  identityKey: identityKey.publicKey,
  receiptKey: receiptKey.publicKey,
  transportSpkiSha256: bytes(32, 3),
  versions: [1],
  suites: [KEM_XWING, KEM_X25519],
  payee: { workchain: 0, account: bytes(32, 1) },
  notAfter: START + 86_400_000,
};
let monotonic = 0;
const session = createWorkerSession({
  identityKey,
  receiptKey,
  keyset,
  model: MODEL,
  priceSheet: (wanted) => (equalBytes(wanted, priceId(encodePriceSheet(PRICE))) ? PRICE : null),
  dispatchKey: () => DISPATCH_KEY.publicKey,
  limits: { usedMax: 100, contextsMax: 100, requestBytesMax: 1 << 20, outputTokensMax: 4096 },
  now: () => START,
  monotonic: () => monotonic,
  randomness,
  releaseMemory: collector(),
});
session.setEvidence({ evidenceDigest: bytes(32, 51), beacon: BEACON });
await session.epochKeyDigests();
say({ identityKey: toHex(keyset.identityKey), receiptKey: toHex(keyset.receiptKey), drawn });

type Command = Readonly<{ hello?: string; request?: Record<string, string>; advance?: number }>;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  if (command.hello !== undefined) {
    say({ offer: toHex(await session.makeOffer(fromHex(command.hello, 'hello'))) });
  } else if (command.request !== undefined) {
    const { frame = '', dispatch: _, ...parts } = command.request;
    const all = Object.fromEntries(Object.entries(parts).map(([name, hex]) => [name, fromHex(hex, name)]));
    const incoming = { ...all, frames: [fromHex(frame, 'frame')], dispatch: 1 } as unknown;
    const accepted = await session.accept(incoming as Parameters<typeof session.accept>[0]);
    const data = accepted.respond.data(bytes(3, 1));
    const counts = { tokensIn: 1, tokensCached: 0, tokensOut: 1 };
    const { frame: last } = await accepted.respond.final({ finish: 'stop', counts });
    say({ preface: toHex(accepted.respond.preface), frames: [data, last].map(toHex) });
  } else {
    monotonic += command.advance ?? 0;
    session.expire();
    setTimeout(() => say({ expired: true }), 50);
  }
}
