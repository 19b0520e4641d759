import { type ChatEvent, ChrysalisError, connect, type Session, type VoucherBook } from 'chrysalis';
import { fromHex } from '../../src/core/index.ts';

/** What the page is told of a network, as text: nothing else crosses into a page. */
export type Told = Readonly<{
  router: string;
  policy: string;
  logPolicy: string;
  anchors: readonly Readonly<{ spkiSha256: string; name: string }>[];
  /** A channel: its terms, with keys in hexadecimal, and the seed that signs for it. */
  channel: Readonly<{ network: number; client: string; payee: string; salt: string; seed: string; key: string }>;
}>;

const open = ({ router, policy, logPolicy, anchors, channel }: Told): Promise<Session> => {
  let book: VoucherBook = { cumulative: 0n, leaves: [] };
  return connect({
    router,
    policy,
    logPolicy,
    trustAnchors: anchors.map(({ spkiSha256, name }) => ({ spkiSha256: fromHex(spkiSha256), kind: 'simulated', name })),
    payments: {
      terms: {
        network: channel.network,
        clientKey: fromHex(channel.key),
        closeDelaySeconds: 86_400,
        salt: BigInt(channel.salt),
        client: channel.client,
        payee: channel.payee,
      },
      clientSeed: fromHex(channel.seed),
      store: {
        load: async () => book,
        save: async (next) => {
          book = next;
        },
      },
      onChain: async () => ({ state: 'open', deposited: 1_000_000_000n, claimed: 0n }),
    },
  });
};

/** Asks once; `stopAfter` pieces the answer is asked to end. */
async function ask(told: Told, content: string, stopAfter = Number.POSITIVE_INFINITY) {
  const session = await open(told);
  const stop = new AbortController();
  const kinds: string[] = [];
  const pieces: string[] = [];
  let done: Extract<ChatEvent, { kind: 'done' }> | null = null;
  const request = { messages: [{ role: 'user' as const, content }], maxTokens: 2_000 };
  for await (const event of session.chat(request, { signal: stop.signal })) {
    if (event.kind !== 'text') kinds.push(event.kind);
    else pieces.push(event.text);
    if (pieces.length >= stopAfter) stop.abort();
    if (event.kind === 'done') done = event;
  }
  const logged = done === null ? null : await session.receiptInLog(done.receipt);
  const [worker] = session.verified();
  await session.close();
  return {
    kinds,
    text: pieces.join(''),
    pieces: pieces.length,
    finish: done?.finish,
    tokensOut: done?.usage.tokensOut,
    receipt: done?.receipt.checks.every(({ outcome }) => outcome === 'passed'),
    logged: logged?.checks.every(({ outcome }) => outcome === 'passed'),
    checks: Object.values(worker?.checks ?? {})
      .flat()
      .map(({ outcome }) => outcome),
  };
}

const failure = (told: Told, content: string) =>
  ask(told, content).then(
    () => null,
    (error: unknown) => (error instanceof ChrysalisError ? { kind: error.kind, code: error.code } : String(error)),
  );

export const SDK = { ask, failure };
Object.assign(globalThis, { sdk: SDK });
