import { expect, test } from 'vitest';
import { openWebDoor } from '../../src/cli/compose/web-door.ts';
import type { WebRouter } from '../../src/rpc/index.ts';

const model = { modelDigest: new Uint8Array(32), name: 'm', workers: 1, contextTokensMax: 8 };
const router = { listModels: () => [model] } as unknown as WebRouter;
const rule = { clientCertificates: 'require' } as const;
const SITE = 'https://app.example';

test('the door is on loopback, for the named sites and under its own names', async () => {
  const door = await openWebDoor(router, { webPort: '0', webOrigin: `${SITE},http://127.0.0.1:5173`, ...rule });
  const ask = (headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${door?.port}/chrysalis/v1/listModels`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', ...headers },
    });
  const answer = await ask({ origin: SITE });
  expect(answer.headers.get('access-control-allow-origin')).toBe(SITE);
  expect(await answer.json()).toEqual([{ ...model, modelDigest: Buffer.alloc(32).toString('base64') }]);
  expect((await ask({ origin: 'https://other.example' })).status).toBe(400);
  await expect(openWebDoor(router, { webPort: String(door?.port), webOrigin: SITE, ...rule })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
  });
  await door?.close();
});

test('what does not go together is refused before anything listens', async () => {
  expect(await openWebDoor(router, rule)).toBeNull();
  const wrong = [
    { webOrigin: SITE },
    { webPort: '0' },
    { webPort: '0', webOrigin: `${SITE}/path` },
    { webPort: '0', webOrigin: '*' },
    { webPort: '0', webOrigin: SITE, clientCa: 'ca.pem' },
  ];
  for (const options of wrong) {
    await expect(openWebDoor(router, { ...options, ...rule }), JSON.stringify(options)).rejects.toMatchObject({
      code: 'USAGE_INVALID',
    });
  }
});
