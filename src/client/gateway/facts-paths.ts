import type { Context, Hono } from 'hono';
import { CodedError } from '../../core/index.ts';
import type { Client, VerifiedWorker } from '../api.ts';
import type { GatewayDeps, GatewayLimits } from './app.ts';
import { paymentFacts, proofFacts, receiptFacts, workerFacts } from './facts.ts';
import { PAGE_STYLE, type PageFacts, statusPage } from './page.ts';

/** The paths that show what is: models, what was verified, receipts, payment, and a page for people. */
export function addFacts(app: Hono, deps: GatewayDeps, limits: GatewayLimits): void {
  const { client, keys } = deps;
  const keyOf = (c: Context) => keys?.identify(c.req.header('authorization')) ?? null;
  /** With keys, what all of them did is for whoever runs the gateway. */
  const requireAdmin = (c: Context): void => {
    if (keyOf(c)?.admin === false)
      throw new CodedError('API_KEY_REFUSED', 'this is for keys that administer the gateway');
  };
  addModels(app, deps);
  app.get('/v1/attestation', (c) =>
    c.json({
      object: 'list',
      simulated: deps.simulated,
      policy: deps.policy,
      data: client.verified().map(workerFacts),
    }),
  );
  app.get('/v1/attestation/results', async (c) => {
    const { results } = deps;
    if (results === undefined) throw new CodedError('PATH_UNKNOWN', 'this gateway signs no results');
    const sign = async ({ workerId, result }: VerifiedWorker) => ({
      worker: workerId,
      result: await results.sign(result),
    });
    return c.json({ object: 'list', data: await Promise.all(client.verified().map(sign)) });
  });
  app.get('/.well-known/jwks.json', (c) => c.json(deps.results?.keys ?? { keys: [] }));
  app.get('/v1/receipts', (c) => {
    requireAdmin(c);
    return c.json({ object: 'list', data: client.receipts().map(receiptFacts) });
  });
  app.get('/v1/receipts/:id', async (c) => {
    // Its id is unguessable, and was given with the answer: whoever has it may read it.
    const receipt = client.receipts().find((one) => one.id === c.req.param('id'));
    if (receipt === undefined) throw new CodedError('RECEIPT_UNKNOWN', 'receipt: none of that id is kept');
    const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(limits.waitMs)]);
    const proof = await client.receiptInLog(receipt, { signal });
    return c.json({ ...receiptFacts(receipt), log_proof: proofFacts(proof) });
  });
  app.get('/v1/payment', async (c) => {
    requireAdmin(c);
    const payment = await client.payment();
    return c.json(payment === null ? null : paymentFacts(payment));
  });
  app.post('/v1/settle', async (c) => {
    requireAdmin(c);
    const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(limits.waitMs)]);
    return c.json(paymentFacts(await client.settle({ signal })));
  });
  app.get('/v1/usage', (c) => {
    const key = keyOf(c);
    if (key === null || keys === undefined) throw new CodedError('PATH_UNKNOWN', 'this gateway has no API keys');
    const { id, budget, spent, running } = keys.usage(key.id);
    return c.json({
      key: id,
      budget: budget?.toString() ?? null,
      spent: spent.toString(),
      currency: 'nanoTON',
      running,
    });
  });
  app.get('/healthz', (c) => c.json({ status: 'ok', version: deps.version }));
  app.get('/style.css', (c) => c.body(PAGE_STYLE, 200, { 'content-type': 'text/css; charset=utf-8' }));
  app.get('/', async (c) => c.html(statusPage(await pageFacts(deps))));
}

function addModels(app: Hono, deps: GatewayDeps): void {
  const shape = (one: Awaited<ReturnType<Client['models']>>[number]) => ({
    id: one.name,
    object: 'model',
    created: 0,
    owned_by: 'chrysalis',
    digest: one.digest,
    workers: one.workers,
    context_length: one.contextTokensMax,
  });
  app.get('/v1/models', async (c) => c.json({ object: 'list', data: (await deps.client.models()).map(shape) }));
  app.get('/v1/models/:id', async (c) => {
    const id = c.req.param('id');
    const found = (await deps.client.models()).find((one) => one.name === id || one.digest === id);
    if (found === undefined) throw new CodedError('MODEL_UNKNOWN', 'model: not offered', { param: 'model' });
    return c.json(shape(found));
  });
}

/** What is for one user's eyes is not on the page of a gateway that several share. */
async function pageFacts(deps: GatewayDeps): Promise<PageFacts> {
  const quietly = <T>(ask: Promise<T>): Promise<T | null> => ask.catch(() => null);
  const own = deps.keys === undefined;
  return {
    version: deps.version,
    policy: deps.policy,
    simulated: deps.simulated,
    at: deps.now(),
    models: await quietly(deps.client.models()),
    workers: deps.client.verified(),
    receipts: own ? deps.client.receipts().slice(-20).reverse() : [],
    payment: own ? await quietly(deps.client.payment()) : null,
  };
}
