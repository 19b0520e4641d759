import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { type Bytes, type CodedError, utf8 } from '../../src/core/index.ts';
import { type Admission, Fleet, type Knowledge, Worker } from '../../src/router/fleet.ts';
import type { WorkerControl } from '../../src/router/links.ts';
import { NO_METER } from '../../src/router/meter.ts';
import { createOffers } from '../../src/router/offers.ts';
import type { Reviews } from '../../src/router/reviews.ts';
import { Dispatcher } from '../../src/router/routing/index.ts';
import {
  encodeEpochCertificate,
  encodeHello,
  encodeOffer,
  epochCertificateDigest,
  KEM_X25519,
  VERSION,
  type WorkerJoin,
} from '../../src/session/index.ts';

const bytes = (length: number): Bytes => Uint8Array.from(randomBytes(length));
const MODEL = sha256(utf8('model'));
const FIRST: Knowledge = { policyDigest: sha256(utf8('policy 1')), collateral: 0 };
const HELLO = encodeHello({
  versions: [VERSION],
  suites: [1],
  mode: 1,
  nonce: bytes(32),
  sessionId: bytes(16),
  sessionKey: bytes(32),
  model: MODEL,
  policyCommitment: bytes(32),
});

const certificateOf = (workerId: Bytes): Bytes =>
  encodeEpochCertificate({
    version: VERSION,
    workerId,
    epoch: 0,
    notBefore: 0,
    notAfter: 600_000,
    kem: KEM_X25519,
    publicKey: bytes(32),
    evidenceDigest: bytes(32),
    requestBytesMax: 1_000,
    outputTokensMax: 100,
    beacon: {
      network: -3,
      seqno: 1,
      blockRootHash: bytes(32),
      logOriginSha256: bytes(32),
      logSize: 0n,
      logRoot: bytes(32),
    },
  });

/** A fleet whose workers answer each Hello with an offer under the certificate that `offered` says. */
function scene(count: number, offered: (ids: readonly Bytes[], place: number) => Bytes) {
  const seen = { known: FIRST, reviewed: [] as Worker[] };
  const fleet = new Fleet(() => seen.known);
  const now = () => 1_000;
  const dispatcher = new Dispatcher<Worker>({ now, random: Math.random, schedule: () => () => undefined });
  const ids = Array.from({ length: count }, () => bytes(32));
  const workers = ids.map((workerId, i) => {
    const control: WorkerControl = {
      close: () => undefined,
      send: (message) => {
        if (message.kind !== 'hello') return;
        const offer = encodeOffer({
          version: VERSION,
          certificate: offered(ids, i),
          signature: bytes(64),
          keysetDigest: bytes(32),
          live: bytes(64),
          nonceProof: null,
        });
        queueMicrotask(() => worker.hellos.get(message.id)?.({ offer, bundle: new Uint8Array(0) }));
      },
    };
    const worker = new Worker(control);
    fleet.add(worker);
    worker.join = { modelDigest: MODEL, modelName: 'model', name: `worker-${i}` } as WorkerJoin;
    worker.admission = { lease: bytes(16), workerId, evidenceDigest: bytes(32), expiresAt: 5_000 } as Admission;
    worker.judgedBy = FIRST;
    worker.state = 'admitted';
    dispatcher.add(worker, 4);
    return worker;
  });
  const review = {
    of: (worker: Worker): void => {
      worker.judgedBy = seen.known;
    },
  };
  const wait: Reviews['wait'] = async (asked) => {
    for (const worker of asked) {
      // As in earnest: who is out is not judged again, however often it is waited for.
      if (fleet.isJudged(worker) || !worker.isIn(now())) continue;
      seen.reviewed.push(worker);
      review.of(worker);
    }
  };
  const offers = createOffers({ meter: NO_METER, fleet, dispatcher, reviews: { wait }, now });
  return { fleet, dispatcher, ids, workers, seen, review, ask: (most = 3) => offers.getOffers(HELLO, most, 60_000) };
}

test('an offer is known by its certificate; one under another worker’s certificate is no offer, and takes nothing from that one', async () => {
  const theirs = new Map<string, Bytes>();
  const own = (id: Bytes) => {
    const key = id.join();
    const certificate = theirs.get(key) ?? certificateOf(id);
    theirs.set(key, certificate);
    return certificate;
  };
  const { ask, fleet, workers, ids } = scene(2, (all, i) => own(all[i === 1 ? 0 : i] as Bytes));
  for (let i = 0; i < 10; i++) {
    const offers = await ask(2);
    expect(offers.map(({ workerName }) => workerName)).toEqual(['worker-0']);
    expect(fleet.byCertificate(epochCertificateDigest(own(ids[0] as Bytes)))).toBe(workers[0]);
  }
});

test('whom a Hello may go to is judged first, and whoever is out then is not asked: of the others some are', async () => {
  const { ask, seen, review, workers, dispatcher } = scene(40, (ids, i) => certificateOf(ids[i] as Bytes));
  seen.known = { ...FIRST, policyDigest: sha256(utf8('policy 2')) };
  const stays = new Set(workers.slice(0, 3));
  review.of = (worker) => {
    if (stays.has(worker)) worker.judgedBy = seen.known;
    else {
      worker.state = 'quarantined';
      dispatcher.remove(worker);
    }
  };
  const offers = await ask(3);
  expect(offers.length).toBeGreaterThan(0);
  for (const { workerName } of offers) expect(['worker-0', 'worker-1', 'worker-2']).toContain(workerName);
  expect(seen.reviewed.length).toBeLessThanOrEqual(40);
});

test('where nobody can be judged, or nobody is on a lease, nobody is asked', async () => {
  const { ask, seen, review, workers } = scene(5, (ids, i) => certificateOf(ids[i] as Bytes));
  seen.known = { ...FIRST, collateral: 1 };
  review.of = () => undefined;
  const error = await ask().catch((thrown: unknown) => thrown as CodedError);
  expect((error as CodedError).code).toBe('NO_WORKER');
  for (const worker of workers) {
    worker.judgedBy = seen.known;
    worker.admission = { ...(worker.admission as Admission), expiresAt: 1_000 };
  }
  const expired = await ask().catch((thrown: unknown) => thrown as CodedError);
  expect((expired as CodedError).code).toBe('NO_WORKER');
});
