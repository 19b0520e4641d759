import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEvidenceBundle, SNP_REPORT_BYTES } from '../../src/attestation/index.ts';
import type { RouterTransport } from '../../src/client/index.ts';
import { type Bytes, CodedError, utf8 } from '../../src/core/index.ts';
import type { ResponsePart } from '../../src/session/index.ts';
import { ask, echoEngine, type InProcess, startInProcess } from './in-process.ts';

/** What a router, or anybody on the way, could change. The client must refuse, and name the check that failed. */
let network: InProcess;
let snpNetwork: InProcess;
beforeAll(async () => {
  [network, snpNetwork] = await Promise.all([
    startInProcess({ engine: echoEngine() }),
    startInProcess({ engine: echoEngine(), tees: ['sev-snp'] }),
  ]);
});
afterAll(() => Promise.all([network.close(), snpNetwork.close()]));

const RUNS = { numRuns: Number(process.env.CHRYSALIS_TAMPER_RUNS ?? 40) };

function flipped(bytes: Bytes, position: number, bit: number): Bytes {
  const out = Uint8Array.from(bytes);
  const at = position % out.length;
  out[at] = (out[at] as number) ^ (1 << bit);
  return out;
}

const place = fc.tuple(fc.nat({ max: 1_000_000 }), fc.integer({ min: 0, max: 7 }));

/** The refusal of one request through a transport that changes something; also whether anything of it was sent. */
async function refusalThrough(tamper: (transport: RouterTransport) => Partial<RouterTransport>, of = network) {
  let sent = 0;
  const client = of.newClient((transport) => {
    const changed = { ...transport, ...tamper(transport) };
    return {
      ...changed,
      infer: (...args) => {
        sent += 1;
        return changed.infer(...args);
      },
    };
  });
  try {
    const outcome = await ask(client, 'alpha beta gamma').then(
      () => null,
      (thrown: unknown) => thrown,
    );
    return { error: outcome, sent };
  } finally {
    await client.close();
  }
}

/** Refused by a code of ours, naming the check: never accepted, never an internal error. */
function expectNamedRefusal(error: unknown): CodedError {
  expect(error).toBeInstanceOf(CodedError);
  const coded = error as CodedError;
  expect(coded.code).not.toBe('INVARIANT_BROKEN');
  const named = coded.facts.check ?? coded.facts.field ?? coded.facts.structure;
  expect(named, `${coded.code}: ${coded.message}`).toBeTruthy();
  return coded;
}

describe('before anything is sent', () => {
  test('a flipped bit anywhere in the evidence bundle, the quote in it included', async () => {
    await fc.assert(
      fc.asyncProperty(place, async ([position, bit]) => {
        const { error, sent } = await refusalThrough((transport) => ({
          getEvidence: async (...args) => {
            const answer = await transport.getEvidence(...args);
            return { ...answer, bundle: flipped(answer.bundle, position, bit) };
          },
        }));
        expectNamedRefusal(error);
        expect(sent).toBe(0);
      }),
      RUNS,
    );
  });

  // Every byte of a report: tests/attestation/appraise; here it is the whole way to the refusal.
  test('bytes all over an SNP report flipped: the client refuses before it sends, and names the checks', async () => {
    const named = new Set<string>();
    for (let at = 0; at < SNP_REPORT_BYTES; at += 23) {
      const { error, sent } = await refusalThrough(
        (transport) => ({
          getEvidence: async (...args) => {
            const answer = await transport.getEvidence(...args);
            const start = Buffer.from(answer.bundle).indexOf(parseEvidenceBundle(answer.bundle).quote);
            return { ...answer, bundle: flipped(answer.bundle, start + at, at % 8) };
          },
        }),
        snpNetwork,
      );
      for (const check of String(expectNamedRefusal(error).facts.failed).split(' ')) named.add(check);
      expect(sent).toBe(0);
    }
    expect([...named]).toEqual(expect.arrayContaining(['cpu.reportSignature', 'binding.reportData', 'policy.image']));
  });

  test('a flipped bit anywhere in the bundle of an SNP worker, or in its collateral', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.boolean(), async ([position, bit], inCollateral) => {
        const { error, sent } = await refusalThrough(
          (transport) => ({
            getEvidence: async (...args) => {
              const { bundle, collateral } = await transport.getEvidence(...args);
              if (!inCollateral) return { bundle: flipped(bundle, position, bit), collateral };
              const text = flipped(utf8(collateral), position, bit % 7); // still one byte a character
              return { bundle, collateral: String.fromCharCode(...text) };
            },
          }),
          snpNetwork,
        );
        expectNamedRefusal(error);
        expect(sent).toBe(0);
      }),
      RUNS,
    );
  });

  test('a flipped bit anywhere in the offer', async () => {
    await fc.assert(
      fc.asyncProperty(place, async ([position, bit]) => {
        const { error, sent } = await refusalThrough((transport) => ({
          getOffers: async (...args) => {
            const offers = await transport.getOffers(...args);
            return offers.map((entry) => ({ ...entry, offer: flipped(entry.offer, position, bit) }));
          },
        }));
        expectNamedRefusal(error);
        expect(sent).toBe(0);
      }),
      RUNS,
    );
  });

  test('a flipped bit anywhere in the log entry that admits the worker', async () => {
    await fc.assert(
      fc.asyncProperty(place, async ([position, bit]) => {
        const { error, sent } = await refusalThrough((transport) => ({
          getAdmission: async (...args) => {
            const entry = await transport.getAdmission(...args);
            return { ...entry, leaf: flipped(entry.leaf, position, bit) };
          },
        }));
        expectNamedRefusal(error);
        expect(sent).toBe(0);
      }),
      RUNS,
    );
  });

  test('an admission under a head that the witnesses have not cosigned', async () => {
    const { error, sent } = await refusalThrough((transport) => ({
      getAdmission: async (...args) => {
        const entry = await transport.getAdmission(...args);
        return { ...entry, proof: entry.proof.replace(/\u2014 witness\.test\/w .*\n$/, '') };
      },
    }));
    expectNamedRefusal(error);
    expect((error as CodedError).message).toContain('log.witnessed');
    expect(sent).toBe(0);
  });
});

describe('after it', () => {
  const through = (change: (part: ResponsePart, index: number) => ResponsePart | null) =>
    refusalThrough((transport) => ({
      infer: async function* (...args) {
        let index = 0;
        for await (const part of transport.infer(...args)) {
          const changed = change(part, index++);
          if (changed !== null) yield changed;
        }
      },
    }));

  test('a flipped bit anywhere in a sealed frame', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 4 }), async ([position, bit], which) => {
        const { error } = await through((part, index) =>
          part.kind === 'frame' && index === which ? { ...part, frame: flipped(part.frame, position, bit) } : part,
        );
        expect(['FRAME_NOT_AUTHENTIC', 'RESPONSE_REFUSED']).toContain(expectNamedRefusal(error).code);
      }),
      RUNS,
    );
  });

  test('a flipped bit anywhere in the preface', async () => {
    await fc.assert(
      fc.asyncProperty(place, async ([position, bit]) => {
        const { error } = await through((part) =>
          part.kind === 'preface' ? { ...part, preface: flipped(part.preface, position, bit) } : part,
        );
        expectNamedRefusal(error);
      }),
      RUNS,
    );
  });

  test('a flipped bit anywhere in the receipt or its signature', async () => {
    await fc.assert(
      fc.asyncProperty(place, fc.boolean(), async ([position, bit], inSignature) => {
        const { error } = await through((part) => {
          if (part.kind !== 'receipt') return part;
          const { receipt, signature } = part.receipt;
          return inSignature
            ? { ...part, receipt: { receipt, signature: flipped(signature, position, bit) } }
            : { ...part, receipt: { receipt: flipped(receipt, position, bit), signature } };
        });
        expect(['RECEIPT_REFUSED', 'OBJECT_MALFORMED']).toContain(expectNamedRefusal(error).code);
      }),
      RUNS,
    );
  });

  test('a frame dropped, doubled or moved, a cut end, and a missing receipt', async () => {
    const drop = await through((part, index) => (part.kind === 'frame' && index === 2 ? null : part));
    expect(expectNamedRefusal(drop.error).code).toBe('FRAME_NOT_AUTHENTIC');
    const receipt = await through((part) => (part.kind === 'receipt' ? null : part));
    expect(expectNamedRefusal(receipt.error).facts.check).toBe('receiptPresent');
    const cut = await through((part) =>
      part.kind === 'receipt' || (part.kind === 'frame' && part.frame[0] === 1) ? null : part,
    );
    expect((cut.error as CodedError).code).toBe('STREAM_TRUNCATED');
    let held: ResponsePart | null = null;
    const doubled = await through((part) => {
      if (part.kind !== 'frame') return part;
      const before = held ?? part;
      held = part;
      return before;
    });
    expect(expectNamedRefusal(doubled.error).code).toBe('FRAME_NOT_AUTHENTIC');
  });
});

test('the same through an honest transport passes: the tests above would notice a check that refuses everything', async () => {
  const { error, sent } = await refusalThrough(() => ({}));
  expect(error).toBeNull();
  expect(sent).toBe(1);
});
