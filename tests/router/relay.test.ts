import { expect, test } from 'vitest';
import type { Bytes } from '../../src/core/index.ts';
import { Cut } from '../../src/router/cut.ts';
import { Worker } from '../../src/router/fleet.ts';
import type { ServeListener } from '../../src/router/links.ts';
import type { Taken } from '../../src/router/placing.ts';
import { RECEIPTS_MAX, Relay, type RelayedRequest } from '../../src/router/relay.ts';

const digest = new Uint8Array(32).fill(7);
const request = { headerHash: digest, requestDigest: digest, certificateDigest: digest, dispatch: 1 } as RelayedRequest;
const views = (bytes: Uint8Array) => {
  const wire = Buffer.from(bytes);
  return { wire, view: new Uint8Array(wire.buffer, wire.byteOffset, wire.length) as Bytes };
};

test('a worker that signs receipts without end is cut off: each would be stored for good', async () => {
  let heard = null as ServeListener | null;
  let stored = 0;
  const nothing = () => undefined;
  const worker = new Worker({ send: nothing, close: nothing });
  const link = { begin: (_: unknown, listener: ServeListener) => (heard = listener), pause: nothing, resume: nothing };
  const slot = { firstPart: nothing, finish: nothing };
  const to = { worker, link: { ...link, cancel: nothing }, slot, giveBack: nothing } as unknown as Taken;
  const relay = new Relay({ now: () => 0, times: { firstPartMs: 1, fairTrialMs: 1 } });
  const ended = relay.run(request, to, {
    cut: new Cut(),
    client: { answer: { write: () => true } } as never,
    keepReceipt: async () => {
      stored += 1;
      return null;
    },
    hasBegun: nothing,
    firstFrame: nothing,
    served: nothing,
  });
  const failed = ended.then(
    () => null,
    (error: unknown) => error,
  );
  const preface = views(Uint8Array.from([...digest, 1, ...digest]));
  heard?.part({ kind: 'preface', preface: preface.view }, preface.wire);
  const receipt = views(new Uint8Array(8));
  for (let i = 0; i < RECEIPTS_MAX + 2; i++) {
    heard?.part({ kind: 'receipt', receipt: { receipt: receipt.view, signature: receipt.view } }, receipt.wire);
    await new Promise<void>((done) => queueMicrotask(done));
  }
  expect(await failed).toMatchObject({ code: 'WORKER_GONE' });
  expect(stored).toBe(RECEIPTS_MAX);
});
