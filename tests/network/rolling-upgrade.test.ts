/** From one image to the next under load: both are accepted for a while, the old workers drain, and nothing is lost. */
import { afterEach, expect, test } from 'vitest';
import { sha384 } from '#crypto';
import { DEVELOPMENT_IMAGE } from '../../src/attestation/simulate/index.ts';
import { CodedError, toHex, utf8 } from '../../src/core/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

let network: InProcess;
afterEach(() => network.close());

const NEW_IMAGE = { ...DEVELOPMENT_IMAGE, rtmr2: toHex(sha384(utf8('the next image'))) };
const WORDS = 40;
type Images = { images: readonly Record<string, unknown>[] };
type Document = Record<string, unknown> & { tdx: Images };

const oldImage = ({ tdx }: Document) => tdx.images[0] as Record<string, unknown>;
const newImage = (document: Document) => ({ ...oldImage(document), name: 'next', rtmr2: NEW_IMAGE.rtmr2 });
const withImages = (document: Document, ...images: readonly object[]) => ({
  ...document,
  tdx: { ...document.tdx, images },
});

async function until(holds: () => boolean, what: string): Promise<void> {
  const started = performance.now();
  while (!holds()) {
    if (performance.now() - started > 60_000) throw new Error(`not in a minute: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
const stateOf = (name: string) => network.router.listWorkers().find((worker) => worker.name === name)?.state ?? 'gone';
const idOf = (name: string) => network.router.listWorkers().find((worker) => worker.name === name)!.workerId;

/** A long answer, word by word; `begun` when its first word is there. */
function longAnswer() {
  const answer = { words: 0, whole: Promise.resolve(0) };
  answer.whole = (async () => {
    const messages = [{ role: 'user', content: 'long' }] as const;
    for await (const event of network.newClient().chat({ messages, maxTokens: 64 })) {
      if (event.kind === 'text') answer.words += 1;
    }
    return answer.words;
  })();
  return answer;
}

test('workers of the old image drain and end by themselves; each answer comes whole, and new requests go to the new image', async () => {
  network = await startInProcess({
    tees: ['tdx', 'tdx', 'tdx', 'tdx'],
    machines: [{}, {}, { image: NEW_IMAGE }, { image: NEW_IMAGE }],
    late: [2, 3],
    engine: echoEngine({ delayMs: 50, tokens: WORDS }),
    policy: (shipped) => withImages(shipped as Document, oldImage(shipped as Document), newImage(shipped as Document)),
  });
  const document = JSON.parse(network.relying.policyText) as Document;
  // Until now the router accepted the old image alone: policy 2 adds the next one, and says when the old one ends.
  network.changePolicy(withImages(document, oldImage(document)));
  const before = Array.from({ length: 8 }, longAnswer);
  await until(() => before.every(({ words }) => words > 0), 'eight answers have begun');
  const end = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');
  network.changePolicy(withImages(document, { ...oldImage(document), acceptedUntil: end }, newImage(document)));
  network.start(2);
  network.start(3);
  await until(() => stateOf('worker-2') === 'admitted' && stateOf('worker-3') === 'admitted', 'the new ones are in');
  expect(['worker-0', 'worker-1'].map(stateOf)).toEqual(['admitted', 'admitted']);

  const old = ['worker-0', 'worker-1'].map(idOf);
  for (const worker of old) network.router.drainWorker(worker, 'upgrade');
  const after = await Promise.all(Array.from({ length: 8 }, () => ask(network.newClient(), 'one two')));
  expect(await Promise.all(before.map(({ whole }) => whole))).toEqual(before.map(() => WORDS));
  expect(after.map(({ done }) => done?.kind)).toEqual(after.map(() => 'done'));
  const servedBy = after.map(({ events }) => events.find((event) => event.kind === 'worker'));
  for (const event of servedBy)
    expect(old.map(toHex)).not.toContain(event?.kind === 'worker' ? event.worker.workerId : '');

  await until(() => network.ended.has(0) && network.ended.has(1), 'the old ones have ended by themselves');
  expect([...network.ended].sort()).toEqual([0, 1]);
  expect(['worker-0', 'worker-1'].map(stateOf)).toEqual(['gone', 'gone']);
  expect((await ask(network.newClient(), 'still here')).answer).toContain('still');
  const types = (await network.entries()).map(({ type }) => type);
  expect(types.filter((type) => type === 'evicted')).toHaveLength(2);
}, 120_000);

test('an old image that nobody drained ends at its time: no lease is longer, what runs ends whole, and it is told why', async () => {
  const endsAt = Math.ceil(Date.now() / 1000) * 1000 + 10_000;
  const acceptedUntil = new Date(endsAt).toISOString().replace(/\.\d+Z$/, 'Z');
  network = await startInProcess({
    tees: ['tdx', 'tdx'],
    machines: [{}, { image: NEW_IMAGE }],
    engine: echoEngine({ delayMs: 50, tokens: WORDS }),
    policy: (shipped) =>
      withImages(
        shipped as Document,
        { ...oldImage(shipped as Document), acceptedUntil },
        newImage(shipped as Document),
      ),
  });
  const rows = network.router.listWorkers();
  const leaseOf = (name: string) => rows.find((worker) => worker.name === name)?.leaseExpiresAt ?? 0;
  expect(leaseOf('worker-0')).toBe(endsAt);
  expect(leaseOf('worker-1')).toBeGreaterThan(endsAt);
  const running = Array.from({ length: 6 }, longAnswer);
  const outcomes = await Promise.all(running.map(({ whole }) => whole));
  expect(outcomes).toEqual(running.map(() => WORDS));

  const old = toHex(idOf('worker-0'));
  await new Promise((done) => setTimeout(done, Math.max(0, endsAt - Date.now()) + 50));
  for (let i = 0; i < 6; i++) {
    const { events } = await ask(network.newClient(), 'after', {}, 1);
    const served = events.find((event) => event.kind === 'worker');
    expect(served?.kind === 'worker' ? served.worker.workerId : '').not.toBe(old);
  }
}, 120_000);

test('an image past its time is refused by name; a client that still holds the old policy is not served by a new image', async () => {
  const document = (shipped: Record<string, unknown>) => shipped as Document;
  network = await startInProcess({
    policy: (shipped) =>
      withImages(document(shipped), { ...oldImage(document(shipped)), acceptedUntil: '2026-01-01T00:00:00Z' }),
  });
  const refused = network.events.find((event) => event.event === 'refused');
  expect(refused?.event === 'refused' && refused.failedChecks).toEqual(['policy.image']);
  const standing = await network.router.standing(
    Uint8Array.from(Buffer.from(refused?.event === 'refused' ? refused.workerId : '', 'hex')),
  );
  expect(standing.refused?.checks[0]?.reason).toBe('the image development was accepted until 2026-01-01T00:00:00Z');
  await network.close();

  network = await startInProcess({ machines: [{ image: NEW_IMAGE }], late: [0] });
  const shipped = JSON.parse(network.relying.policyText) as Document;
  network.changePolicy(withImages(shipped, newImage(shipped)));
  network.start(0);
  await until(() => stateOf('worker-0') === 'admitted', 'the new one is in');
  const error = await ask(network.newClient(), 'hello').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CodedError);
  expect((error as CodedError).message).toMatch(/image/);
}, 60_000);
