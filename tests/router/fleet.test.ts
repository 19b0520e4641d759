import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256 } from '#crypto';
import { toHex, utf8 } from '../../src/core/index.ts';
import { type Admission, Fleet, Worker, type WorkerState } from '../../src/router/fleet.ts';
import { Roster } from '../../src/router/roster.ts';
import { modelAlias, type WorkerJoin } from '../../src/session/index.ts';

const KNOWN = { policyDigest: sha256(utf8('policy')), collateral: 0 };
const control = { send: () => undefined, close: () => undefined };
const key = (name: string) => sha256(utf8(name));
const joinOf = (model: string) => ({ modelDigest: key(model), modelName: model }) as WorkerJoin;
const admissionOf = (fields: Partial<Admission>): Admission =>
  ({ lease: key('lease'), workerId: key('id'), evidenceDigest: key('ed'), expiresAt: 1_000, ...fields }) as Admission;

type Claim = Readonly<{ worker: Worker; kind: string; key: string }>;

/** What the indices are for, as a search through everybody; of several the first that claimed. */
class Searched {
  readonly #claims: Claim[] = [];

  set(worker: Worker, kind: string, keys: readonly string[]): void {
    for (let i = this.#claims.length - 1; i >= 0; i--) {
      const { worker: whose, kind: of, key: name } = this.#claims[i] as Claim;
      if (whose === worker && of === kind && !keys.includes(name)) this.#claims.splice(i, 1);
    }
    for (const name of keys) {
      if (!this.#claims.some((one) => one.kind === kind && one.key === name))
        this.#claims.push({ worker, kind, key: name });
    }
  }

  find(kind: string, name: string): Worker | undefined {
    return this.#claims.find((one) => one.kind === kind && one.key === name)?.worker;
  }
}

const NAMES = ['p', 'q', 'r'];
const MODELS = ['alpha', 'beta'];
const STATES: WorkerState[] = ['admitted', 'admitted', 'draining', 'quarantined', 'gone', 'refused'];
const step = fc.record({
  worker: fc.nat(4),
  what: fc.constantFrom('attach', 'leave', 'join', 'admit', 'state', 'certificate'),
  name: fc.constantFrom(...NAMES),
  model: fc.constantFrom(...MODELS),
  state: fc.constantFrom(...STATES),
});

test('whoever is looked up is whom a search through all workers finds, whatever they go through', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const fleet = new Fleet(() => KNOWN);
      const searched = new Searched();
      const workers = Array.from({ length: 5 }, () => new Worker(control));
      const certificates = new Map(workers.map((worker) => [worker, new Set<string>()]));
      for (const { worker: at, what, name, model, state } of steps) {
        const worker = workers[at] as Worker;
        if (what === 'attach') fleet.add(worker);
        else if (what === 'leave') fleet.remove(worker);
        else if (what === 'join') worker.join = joinOf(model);
        else if (what === 'state') worker.state = state;
        else if (what === 'admit') {
          worker.admission = admissionOf({
            lease: key(name),
            workerId: key(`${name} id`),
            evidenceDigest: key(`${name} ed`),
          });
        } else {
          worker.knowCertificate(key(name));
          certificates.get(worker)?.add(name);
        }
        const { admission } = worker;
        const isHere = fleet.has(worker);
        const own = (digest: Uint8Array | undefined) => (isHere && digest !== undefined ? [toHex(digest)] : []);
        searched.set(worker, 'lease', own(admission?.lease));
        searched.set(worker, 'id', own(admission?.workerId));
        searched.set(worker, 'evidence', own(admission?.evidenceDigest));
        searched.set(
          worker,
          'certificate',
          isHere ? [...(certificates.get(worker) ?? [])].map((one) => toHex(key(one))) : [],
        );

        for (const one of NAMES) {
          expect(fleet.byLease(key(one))).toBe(searched.find('lease', toHex(key(one))));
          expect(fleet.byId(key(`${one} id`))).toBe(searched.find('id', toHex(key(`${one} id`))));
          expect(fleet.byCertificate(key(one))).toBe(searched.find('certificate', toHex(key(one))));
        }
        for (const one of MODELS) {
          const here = fleet.all().filter(({ join, state: now }) => now === 'admitted' && join?.modelName === one);
          expect(new Set(fleet.ofModel(key(one)))).toEqual(new Set(here));
          expect(new Set(fleet.ofModel(modelAlias(one)))).toEqual(new Set(here));
        }
        const models = new Set(
          fleet
            .all()
            .filter((one) => one.state === 'admitted')
            .flatMap(({ join }) => join?.modelName ?? []),
        );
        expect(
          fleet
            .models()
            .map((some) => some[0]?.join?.modelName)
            .sort(),
        ).toEqual([...models].sort());
      }
    }),
  );
});

test('a roster holds what was added and not taken out, each once', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ add: fc.boolean(), item: fc.nat(10) }), { maxLength: 100 }), (steps) => {
      const roster = new Roster<number>();
      const same = new Set<number>();
      for (const { add, item } of steps) {
        if (add) roster.add(item);
        else roster.delete(item);
        if (add) same.add(item);
        else same.delete(item);
        expect([...roster.items].sort()).toEqual([...same].sort());
      }
    }),
  );
});

describe('whether a worker may have anything new', () => {
  const scene = () => {
    let known = KNOWN;
    const fleet = new Fleet(() => known);
    const worker = new Worker(control);
    fleet.add(worker);
    worker.admission = admissionOf({});
    worker.state = 'admitted';
    worker.judgedBy = KNOWN;
    const learn = (change: Partial<typeof KNOWN>) => {
      known = { ...known, ...change };
    };
    return { fleet, worker, learn };
  };

  test('it may until its lease ends, and not in the instant it does', () => {
    const { fleet, worker } = scene();
    expect([0, 999, 1_000, 1_001].map((now) => fleet.serves(worker, now))).toEqual([true, true, false, false]);
  });

  test.each([{ policyDigest: sha256(utf8('another')) }, { collateral: 1 }])(
    'not under %o before it was judged by that',
    (change) => {
      const { fleet, worker, learn } = scene();
      learn(change);
      expect(fleet.serves(worker, 0)).toBe(false);
      worker.judgedBy = { ...KNOWN, ...change };
      expect(fleet.serves(worker, 0)).toBe(true);
    },
  );

  test.each(['joining', 'draining', 'quarantined', 'refused', 'gone'] as const)('not while %s', (state) => {
    const { fleet, worker } = scene();
    worker.state = state;
    expect(fleet.serves(worker, 0)).toBe(false);
  });

  test('not if it was never judged', () => {
    const { fleet, worker } = scene();
    worker.judgedBy = null;
    expect(fleet.serves(worker, 0)).toBe(false);
  });
});

test('evidence of each admitted worker is at hand, however many there are and whatever else was offered', () => {
  const fleet = new Fleet(() => KNOWN);
  const digests = Array.from({ length: 3_000 }, (_, i) => {
    const worker = new Worker(control);
    const evidenceDigest = Uint8Array.from(randomBytes(32));
    worker.admission = admissionOf({
      lease: key(`lease ${i}`),
      workerId: key(`id ${i}`),
      evidenceDigest,
      bundle: utf8(`bundle ${i}`),
    });
    fleet.add(worker);
    return evidenceDigest;
  });
  for (let i = 0; i < 2_000; i++) fleet.keepBundle(Uint8Array.from(randomBytes(32)), utf8('offered'));
  for (const [i, digest] of digests.entries()) expect(fleet.bundle(digest)).toEqual(utf8(`bundle ${i}`));
});
