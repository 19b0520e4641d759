import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { amdCollateralOf, loadAmdEndorsements, loadIntelEndorsements } from '../../src/attestation/index.ts';
import type { CollateralDefects } from '../../src/attestation/simulate/index.ts';
import { CodedError } from '../../src/core/index.ts';
import { sharedAmd } from '../attestation/simulate/shared-amd.ts';
import { ask, type InProcess, startInProcess } from './in-process.ts';

let network: InProcess;
beforeAll(async () => {
  network = await startInProcess();
});
afterAll(() => network.close());

const own = (defects: CollateralDefects = {}) => {
  const { vendor } = network;
  const set = vendor.collateral(Math.floor(Date.now() / 1000), defects);
  return async () => ({ intel: await loadIntelEndorsements(set, [vendor.trustAnchor]) });
};

/** A client with collateral of its own, behind a router that sends this for collateral: what came of one request. */
async function askWith(endorsementsFor: ReturnType<typeof own>, routerSends?: string): Promise<string> {
  const client = network.newClient(
    (transport) => ({
      ...transport,
      getEvidence: async (...args) => {
        const answer = await transport.getEvidence(...args);
        return routerSends === undefined ? answer : { ...answer, collateral: routerSends };
      },
    }),
    true,
    endorsementsFor,
  );
  let text = '';
  for await (const event of client.chat({ messages: [{ role: 'user', content: 'alpha beta' }] })) {
    if (event.kind === 'text') text += event.text;
  }
  return text;
}

test('a client with lists of its own still gets the certificate of an SNP worker’s signer from the router', async () => {
  const snp = await startInProcess({ tees: ['sev-snp'] });
  let asked = 0;
  const client = snp.newClient(undefined, true, async (_, certificates) => {
    asked += 1;
    const [leaf, ...others] = certificates;
    expect(leaf).toBeDefined();
    expect(others.length).toBeGreaterThan(0);
    const host = { name: 'host-0', line: 'Genoa' } as const;
    const own = amdCollateralOf(
      sharedAmd.collateral(host, Math.floor(Date.now() / 1000), { missing: ['leaf'] }) as never,
    );
    return { amd: loadAmdEndorsements({ ...own, certs: [...certificates, ...(own.certs ?? [])] }) };
  });
  try {
    expect((await ask(client, 'alpha beta')).answer).toBe('alpha beta ');
    expect(asked).toBe(1);
  } finally {
    await snp.close();
  }
});

describe('a client with collateral of its own', () => {
  test.each(['', '{}', 'not JSON'])('does not look at what the router sends (%j)', async (routerSends) => {
    expect((await askWith(own(), routerSends)).trim()).toBe('alpha beta');
  });

  test('that lists the platform’s CA as revoked: refused, whatever the router sends', async () => {
    const refused = askWith(own({ revokedAuthorities: ['platformCa'] }));
    await expect(refused).rejects.toMatchObject({ code: 'OFFER_REFUSED' });
  });

  test('that cannot be had: nobody could find out, and nothing is sent', async () => {
    const unreachable = async () => {
      throw new CodedError('ENDORSEMENT_UNREACHABLE', 'the service is down');
    };
    await expect(askWith(unreachable)).rejects.toMatchObject({
      code: 'ENDORSEMENT_UNREACHABLE',
      message: expect.stringContaining('no worker could be judged'),
    });
  });
});
